"""DPG-Bench's prompts: 1065 long texts, one file each, whose name is the item's id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nova_eval import reading
from nova_eval.adapters.sources import Source, files_of
from nova_eval.adapters.suite import Find, Suite
from nova_eval.records import Prompt

ITEM = "item"
"""The key of a prompt's reference: the id under which the question table knows it."""

CATEGORIES = ("global", "entity", "attribute", "relation", "other")
OVERALL = "overall"
DETAILED = "L2 "
"""What the names of detailed categories begin with: ``"L2 attribute - color"``."""


def official(sources: Mapping[str, Source], find: Find) -> Suite:
    """The pinned folder. The table of questions is no part of it: it decides scores, not pixels."""
    source = sources["prompts"]
    return Suite(source.benchmark, "official", tuple(prompts(find(file) for file in files_of(source))), str(source))


def prompts(files: Iterable[Path]) -> Iterator[Prompt]:
    """A prompt a file, as ``dpg_bench/0`` or ``dpg_bench/COCOval2014000000012345``, numbers in their order."""
    for path in sorted(files, key=lambda path: _by_number(path.stem)):
        text = reading.text(path).rstrip("\n")
        yield Prompt(f"dpg_bench/{path.stem}", text, (*CATEGORIES, OVERALL), {ITEM: path.stem})


def _by_number(stem: str) -> list[tuple[int, str]]:
    return [(int(part or 0) if place % 2 else 0, part) for place, part in enumerate(re.split(r"(\d+)", stem))]
