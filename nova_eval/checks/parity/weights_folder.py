"""A weights folder that needs no download: every file of VBench's judges in its published layout, procedurally filled.

Scores on such weights mean nothing, but everything between the files and the table is what a real run does: loading,
decoding, batching, memory, resumption. ``NOVA_EVAL_WEIGHTS=FOLDER`` makes a run use the folder::

    python -m nova_eval.checks.parity.weights_folder shared/parity/vbench FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from nova_eval.checks.parity import text_kit
from nova_eval.checks.parity import weight_files as stand_ins
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.weights.catalogue import entry

TAGS = 3429


def write(
    recordings: Path,
    target: Path,
    *,
    seed: int = 0,
    judges: Sequence[str] = (*stand_ins.STAND_INS, *text_kit.FILES),
) -> list[Path]:
    """Writes the files of ``judges`` (of all: 7 GB, a minute of one core) into ``target``; what is there is kept.

    ``recordings`` holds a folder of entries for each of them (``keys.json.gz``).
    """
    absent = [judge for judge in judges if not (recordings / judge / "keys.json.gz").is_file()]
    if absent:
        raise UsageError(f"{recordings} has no entries of {', '.join(absent)}", remedy="give the VBench recordings")
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for judge in judges:
        file = stand_ins.STAND_INS[judge].file if judge in stand_ins.STAND_INS else text_kit.FILES[judge][0]
        if not (target / file).exists():
            if judge in stand_ins.STAND_INS:
                stand_ins.write(recordings, judge, seed, target)
            else:
                text_kit.write_weights(recordings / judge, seed, target)
        made.append(target / file)
    vocabulary = target / entry("bert_base_uncased_vocab").file
    vocabulary.write_text("\n".join(text_kit.vocabulary()) + "\n", encoding="utf-8")
    tags = target / entry("tag2text_tags").file
    tags.write_text("\n".join(f"tag {number}" for number in range(TAGS)) + "\n", encoding="utf-8")
    return [*made, vocabulary, tags]


def main(words: Sequence[str]) -> int:
    """``RECORDINGS FOLDER``; returns an exit code."""
    if len(words) != 2:
        print("usage: python -m nova_eval.checks.parity.weights_folder RECORDINGS FOLDER", file=sys.stderr)
        return 2
    try:
        for path in write(Path(words[0]), Path(words[1])):
            print(f"{path.stat().st_size / 2**20:>8.1f} MiB  {path}")
    except NovaEvalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
