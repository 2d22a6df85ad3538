"""DPG-Bench's names: one picture an item, called after the item's id, which holds its four samples as quarters.

Separate pictures of one sample each are read too: ``{item}-{index}.png``, ``{item}_{index}.png`` and
``{item}/{index}.png``, and the other way round ``{seed}/{item}.png``. Many items are numbers, so other names in the
folder have to say which is which; where none does, a file is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar, NamedTuple

from nova_eval.adapters.names import SIDE, SINGLE, Assignment, Claim, settled
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

_SEED = re.compile(r"(?:seed)?[-_ =]?([0-9]+)", re.IGNORECASE)
_JOINED = re.compile(r"(.+)[-_](.+)")


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
        listed = list(paths)
        images = [path for path in listed if PurePosixPath(path).suffix.lower() in self.endings]
        numbered, seeded, unclear = _read(images, items)
        ranks = {seed: rank for rank, seed in enumerate(sorted({seed for _, seed in seeded.values()}))}
        unclear |= _places_of_a_suite([path for path in images if path not in numbered | seeded | unclear], items)
        claims: list[Claim] = []
        extra: list[str] = []
        grids: list[str] = []
        for path in listed:
            if path in unclear:
                continue
            if path in numbered:
                item, index = numbered[path]
                claims.append(Claim(SampleKey(items[item], index), path))
            elif path in seeded and self.side == 1:
                item, seed = seeded[path]
                claims.append(Claim(SampleKey(items[item], ranks[seed]), path))
            elif PurePosixPath(path).suffix.lower() in self.endings and item_of(path) in items:
                owner = items[item_of(path)]
                claims += [Claim(SampleKey(owner, index), path, 1) for index in range(self.side**2)]
                grids += [path] if self.side > 1 else []
            else:
                extra.append(path)
        assigned = settled(claims, extra, grids)
        spare = {claim.path for claim in claims if claim.distance} - assigned.grids
        spare = {path for path in spare if self._all_separate(items[item_of(path)], assigned)}
        left = tuple(path for path in assigned.extra if path not in spare)
        return replace(assigned, extra=left, unclear=unclear, notes=self._notes(list(ranks)))

    def _notes(self, seeds: Sequence[int]) -> tuple[str, ...]:
        if len(seeds) < 2:
            return ()
        shown = ", ".join(map(str, seeds[:5])) + (", …" if len(seeds) > 5 else "")
        if self.side > 1:
            return (f"folders of {len(seeds)} seeds ({shown}): {SINGLE} if each of their pictures is one sample",)
        return (f"folders of {len(seeds)} seeds ({shown}) are read as samples 0 to {len(seeds) - 1} of each item",)

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
        padded = item_of(paths[0]) if item_of(paths[0]).isdecimal() else ""
        if padded and any(item_name(prompt) == str(int(padded)) for prompt in prompts):
            return f"found {paths[0]!r}, which may be item {int(padded)} or place {int(padded)} of the suite"
        return f"found {paths[0]!r}, expected names such as {expected!r}"


class _Reading(NamedTuple):
    """A path as item and number, in that order (``item``), the other way round (``seed``), or as both could be."""

    path: str
    item: tuple[str, int] | None
    seed: tuple[str, int] | None


def _read(
    paths: Sequence[str], items: Collection[str]
) -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]], dict[str, str]]:
    """The paths that state an item and an index, those that state an item and a seed, and why others are unclear."""
    folders: list[_Reading] = []
    joined: list[_Reading] = []
    for path in paths:
        pure = PurePosixPath(path)
        by_folder = _reading(path, pure.parent.name, pure.stem, items)
        split = _JOINED.fullmatch(pure.stem)
        if by_folder.item or by_folder.seed:
            folders.append(by_folder)
        elif split:
            joined.append(_reading(path, split[1], split[2], items))
    numbered: dict[str, tuple[str, int]] = {}
    seeded: dict[str, tuple[str, int]] = {}
    unclear: dict[str, str] = {}
    for readings, usual in ((folders, False), (joined, True)):
        as_items = any(reading.item and not reading.seed for reading in readings)
        as_seeds = any(reading.seed and not reading.item for reading in readings)
        for path, item, seed in readings:
            if item and (not seed or (usual and not as_seeds) or (as_items and not as_seeds)):
                numbered[path] = item
            elif seed and (not item or (as_seeds and not as_items)):
                seeded[path] = seed
            elif item and seed:
                unclear[path] = (
                    f"{path} may be sample {item[1]} of item {item[0]}, or item {seed[0]} of seed {seed[1]}; "
                    "call files '{item}-{index}.png'"
                )
    return numbered, seeded, unclear


def _reading(path: str, first: str, second: str, items: Collection[str]) -> _Reading:
    seed, item = _SEED.fullmatch(first), item_of(second)
    return _Reading(
        path,
        (first, int(second)) if first in items and second.isdecimal() else None,
        (item, int(seed[1])) if seed and item in items else None,
    )


def _places_of_a_suite(paths: Sequence[str], items: Collection[str]) -> dict[str, str]:
    """Numbers that may be places in the suite rather than items: those beside other numbers and no item with a name."""
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(str(PurePosixPath(path).parent), []).append(path)
    unclear: dict[str, str] = {}
    for group in groups.values():
        names = [item_of(path) for path in group]
        if any(name in items and not name.isdecimal() for name in names):
            continue
        foreign = next((path for path, name in zip(group, names, strict=True) if _is_number(name, items)), None)
        if foreign is not None:
            unclear |= {
                path: f"{path} may be item {name} or place {name} of the suite, as no item is called {foreign}"
                for path, name in zip(group, names, strict=True)
                if name in items
            }
    return unclear


def _is_number(name: str, items: Collection[str]) -> bool:
    return name.isdecimal() and name not in items


def official_name(item: str, suffix: str = ".png") -> str:
    """``COCOval2014000000012345.png``."""
    return f"{item}{suffix}"


def item_of(path: str | PurePath) -> str:
    """The item a name states: what stands before its first full stop."""
    return PurePath(path).name.split(".")[0]


def item_name(prompt: Prompt) -> str:
    """The id under which the question table knows a prompt."""
    return str(prompt.reference.get("item", prompt.id.rpartition("/")[2]))
