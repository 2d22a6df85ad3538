"""``python -m recipes.sprites_suites`` writes ``prompts/*/sprites.json`` again."""

from __future__ import annotations

from nova_eval import files
from nova_eval.config import data_folder
from recipes.sprites_suites.texts import suite_texts


def main() -> None:
    """The four suites."""
    for benchmark, text in suite_texts().items():
        files.write(data_folder("prompts") / benchmark / "sprites.json", text)


if __name__ == "__main__":
    main()
