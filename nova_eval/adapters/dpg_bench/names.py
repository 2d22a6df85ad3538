"""DPG-Bench's names: one picture an item, called after the item's id, which holds its four samples as quarters.

Separate pictures of one sample each are read too: ``{item}-{index}.png``, ``{item}_{index}.png`` and
``{item}/{index}.png``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar

from nova_eval.adapters.names import Assignment, Claim, settled
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Part, Prompt, SampleKey

SIDE = 2  # pictures a side of the official grid

_SEPARATE = re.compile(r"(.+)[-_]([0-9]+)")


@dataclass(frozen=True, slots=True)
class DPGBenchLayout:
    """The layout as ``adapters.layouts.Layout`` describes it. ``grid`` is the number of samples along a side of
    ``{item}.png``: 1 where the picture is one sample. ``separate`` names one file a sample.
    """

    suffixes: Collection[str] = IMAGE_SUFFIXES
    grid: int = SIDE
    separate: bool = False
    pattern: ClassVar[str] = "'{item}.png' for a grid of four, or '{item}-{index}.png'"

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """A separate picture is believed before a grid; one whose samples are all there separately is not extra."""
        items = {item_name(prompt): prompt.id for prompt in prompts}
        claims: list[Claim] = []
        extra: list[str] = []
        grids: list[str] = []
        for path in paths:
            pure = PurePosixPath(path)
            numbered = _SEPARATE.fullmatch(pure.stem)
            if pure.suffix.lower() not in self.suffixes:
                extra.append(path)
            elif pure.parent.name in items and pure.stem.isdecimal():
                claims.append(Claim(SampleKey(items[pure.parent.name], int(pure.stem)), path))
            elif numbered and numbered[1] in items:
                claims.append(Claim(SampleKey(items[numbered[1]], int(numbered[2])), path))
            elif item_of(path) in items:
                owner = items[item_of(path)]
                claims += [Claim(SampleKey(owner, index), path, 1) for index in range(self.grid**2)]
                grids += [path] if self.grid > 1 else []
            else:
                extra.append(path)
        assigned = settled(claims, extra, grids)
        spare = {claim.path for claim in claims if claim.distance} - assigned.grids
        spare = {path for path in spare if self._all_separate(items[item_of(path)], assigned)}
        return replace(assigned, extra=tuple(path for path in assigned.extra if path not in spare))

    def _all_separate(self, prompt_id: str, assigned: Assignment) -> bool:
        keys = [SampleKey(prompt_id, index) for index in range(self.grid**2)]
        return all(key in assigned.files and assigned.grids.isdisjoint(assigned.files[key]) for key in keys)

    def names(self, prompts: Sequence[Prompt], suffixes: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        items = {prompt.id: item_name(prompt) for prompt in prompts}
        return {
            key: official_name(f"{items[key.prompt_id]}-{key.index}" if self.separate else items[key.prompt_id], suffix)
            for key, suffix in suffixes.items()
        }

    def refusal(self, prompt: Prompt, index: int) -> str:
        return ""

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        return {}

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        items = {prompt.id: item_name(prompt) for prompt in prompts}
        return lambda key: f"{items.get(key.prompt_id, key.prompt_id)}-{key.index}"

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        expected = official_name(item_name(prompts[0]), PurePosixPath(paths[0]).suffix) if prompts else self.pattern
        return f"found {paths[0]!r}, expected names such as {expected!r}"


def official_name(item: str, suffix: str = ".png") -> str:
    """``COCOval2014000000012345.png``."""
    return f"{item}{suffix}"


def item_of(path: str | PurePath) -> str:
    """The item a name states: what stands before its first full stop."""
    return PurePath(path).name.split(".")[0]


def item_name(prompt: Prompt) -> str:
    """The id under which the question table knows a prompt."""
    return str(prompt.reference.get("item", prompt.id.rpartition("/")[2]))


def part_of_grid(width: int, height: int, index: int, side: int = SIDE) -> Part:
    """Where sample ``index`` lies in a grid of ``width`` × ``height`` pixels: rows first."""
    row, column = divmod(index, side)
    return column * (width // side), row * (height // side), width // side, height // side
