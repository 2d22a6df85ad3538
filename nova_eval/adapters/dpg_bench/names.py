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

from nova_eval.adapters.names import SIDE, Assignment, Claim, settled
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

_SEPARATE = re.compile(r"(.+)[-_]([0-9]+)")


@dataclass(frozen=True, slots=True)
class DPGBenchNames:
    """``Names`` of one picture a prompt, with ``side`` samples along its side; with 1, of one picture a sample."""

    endings: Collection[str] = IMAGE_SUFFIXES
    side: int = SIDE
    pattern: ClassVar[str] = "'{item}.png' for a grid of four, or '{item}-{index}.png'"
    folder: ClassVar[str] = "images"
    read_officially: ClassVar[Collection[str]] = frozenset({".png"})

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """A separate picture is believed before a grid; one whose samples are all there separately is not extra."""
        items = {item_name(prompt): prompt.id for prompt in prompts}
        claims: list[Claim] = []
        extra: list[str] = []
        grids: list[str] = []
        for path in paths:
            pure = PurePosixPath(path)
            numbered = _SEPARATE.fullmatch(pure.stem)
            if pure.suffix.lower() not in self.endings:
                extra.append(path)
            elif pure.parent.name in items and pure.stem.isdecimal():
                claims.append(Claim(SampleKey(items[pure.parent.name], int(pure.stem)), path))
            elif numbered and numbered[1] in items:
                claims.append(Claim(SampleKey(items[numbered[1]], int(numbered[2])), path))
            elif item_of(path) in items:
                owner = items[item_of(path)]
                claims += [Claim(SampleKey(owner, index), path, 1) for index in range(self.side**2)]
                grids += [path] if self.side > 1 else []
            else:
                extra.append(path)
        assigned = settled(claims, extra, grids)
        spare = {claim.path for claim in claims if claim.distance} - assigned.grids
        spare = {path for path in spare if self._all_separate(items[item_of(path)], assigned)}
        return replace(assigned, extra=tuple(path for path in assigned.extra if path not in spare))

    def _all_separate(self, prompt_id: str, assigned: Assignment) -> bool:
        keys = [SampleKey(prompt_id, index) for index in range(self.side**2)]
        return all(key in assigned.files and assigned.grids.isdisjoint(assigned.files[key]) for key in keys)

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        items = {prompt.id: item_name(prompt) for prompt in prompts}
        return {
            key: official_name(items[key.prompt_id] + (f"-{key.index}" if self.side == 1 else ""), ending)
            for key, ending in endings.items()
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
