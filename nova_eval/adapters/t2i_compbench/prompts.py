"""T2I-CompBench's prompts: eight validation files of 300, and which rules judge a complex prompt."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from nova_eval import reading
from nova_eval.adapters.sources import Source
from nova_eval.adapters.suite import Find, Suite
from nova_eval.errors import PrerequisiteError
from nova_eval.records import Prompt

CATEGORIES = ("color", "shape", "texture", "spatial_2d", "spatial_3d", "numeracy", "non_spatial", "complex")
COMPLEX_LISTS = ("complex_spatial", "complex_action")

KIND = "kind"
"""The key of a complex prompt's reference: ``"spatial"``, ``"action"`` or ``"both"``."""


def official(sources: Mapping[str, Source], find: Find) -> Suite:
    """Without the lists of complex prompts, as in a mirror that lacks them, a note says what that costs."""
    found = {category: find(sources[category]) for category in CATEGORIES}
    notes: tuple[str, ...] = ()
    kinds = None
    try:
        spatial, action = (lines(find(sources[role])) for role in COMPLEX_LISTS)
        kinds = (spatial, action)
    except PrerequisiteError:
        notes = ("complex prompts stay unscored: the lists of spatial and of action prompts are not at hand",)
    read = tuple(prompt for category, path in found.items() for prompt in prompts(category, path, kinds))
    source = sources["color"]
    return Suite(source.benchmark, "official", read, f"{source.repository}@{source.commit[:7]}", notes)


def prompts(
    category: str, path: Path, kinds: tuple[Collection[str], Collection[str]] | None = None
) -> Iterator[Prompt]:
    """The prompts of a category's file, one a line, as ``t2i_compbench/color/0000`` …

    ``kinds`` are the spatial and the action list of complex prompts; without them a complex prompt's kind is unknown.
    """
    for place, text in enumerate(lines(path)):
        reference = {KIND: complex_kind(text, *kinds)} if category == "complex" and kinds is not None else {}
        yield Prompt(f"t2i_compbench/{category}/{place:04d}", text, (category,), reference)


def complex_kind(text: str, spatial: Collection[str], action: Collection[str]) -> str:
    """By which list names the prompt, compared in lower case up to the first full stop; the spatial one first.

    Source: 3_in_1_eval/3_in_1.py.
    """
    if _key(text) in {_key(line) for line in spatial}:
        return "spatial"
    return "action" if _key(text) in {_key(line) for line in action} else "both"


def lines(path: Path) -> list[str]:
    """The lines of a file that hold something."""
    return [line for line in reading.text(path).splitlines() if line.strip()]


def _key(text: str) -> str:
    return text.partition(".")[0].lower()
