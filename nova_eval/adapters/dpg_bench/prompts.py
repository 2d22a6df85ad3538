"""DPG-Bench's prompts: 1065 long texts, one file each, whose name is the item's id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nova_eval.records import Prompt

ITEM = "item"
"""The key of a prompt's reference: the id under which the question table knows it."""

CATEGORIES = ("global", "entity", "attribute", "relation", "other")
OVERALL = "overall"


def prompts(files: Iterable[Path]) -> Iterator[Prompt]:
    """A prompt a file, as ``dpg_bench/0`` or ``dpg_bench/COCOval2014000000012345``, numbers in their order."""
    for path in sorted(files, key=lambda path: _by_number(path.stem)):
        text = path.read_text(encoding="utf-8").rstrip("\n")
        yield Prompt(f"dpg_bench/{path.stem}", text, (*CATEGORIES, OVERALL), {ITEM: path.stem})


def _by_number(stem: str) -> list[tuple[int, str]]:
    return [(int(part or 0) if place % 2 else 0, part) for place, part in enumerate(re.split(r"(\d+)", stem))]
