"""``python -m recipes.documents`` draws the pictures of ``docs/reading`` again, and writes what is measured beside."""

from __future__ import annotations

import re
from pathlib import Path

import nova_eval
from nova_eval import files
from recipes.documents.examples import EXAMPLES
from recipes.documents.front import caption, front
from recipes.documents.pictures import picture, shown
from recipes.documents.reading import picture_line, refreshed

DOCS = Path(__file__).resolve().parents[2] / "docs"
READING = DOCS / "reading"


def main() -> None:
    """The front page's picture, and every dimension of the four benchmarks."""
    files.write(DOCS / "pictures" / "nova-mini.jpg", front())
    for path in (DOCS / "index.md", DOCS.parent / "README.md"):
        files.write(path, re.sub(r"Total of VBench in the embedded world: [^\]]*", caption(), path.read_text("utf-8")))
    configs = nova_eval.benchmarks()
    for benchmark, examples in EXAMPLES.items():
        path = READING / f"{benchmark}.md"
        page = path.read_text(encoding="utf-8")
        for dimension in examples:
            found = shown(benchmark, dimension)
            files.write(READING / "pictures" / f"{benchmark}-{dimension}.jpg", picture(found))
            line = picture_line(benchmark, dimension, found.value, found.lowered)
            page = refreshed(page, configs[benchmark], dimension, line)
            print(benchmark, dimension, f"{found.value:.4f}", f"{found.lowered:.4f}")
        files.write(path, page)


if __name__ == "__main__":
    main()
