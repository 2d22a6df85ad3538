"""Official file names: from samples to what a benchmark's own scripts read, and from files to samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from unicodedata import normalize

from nova_eval.errors import UsageError
from nova_eval.records import Part, Prompt, SampleKey

T = TypeVar("T")

SIDE = 2  # samples along a side of a picture that samples share, unless said otherwise
SINGLE = "--set sampler.grid=1 (of import: --grid 1)"  # how to say that samples share no picture


class Names(Protocol):
    """How a benchmark's own scripts name media. ``prompts`` is always the whole suite, in its order."""

    @property
    def pattern(self) -> str:
        """What a name looks like, for messages."""
        ...

    @property
    def side(self) -> int:
        """Samples along a side of the picture that all samples of a prompt share; 1 where each has a file."""
        ...

    @property
    def folder(self) -> str:
        """Where the media lie below the folder that an export fills."""
        ...

    @property
    def read_officially(self) -> Collection[str]:
        """The endings of files that the official scripts read."""
        ...

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """Matches files, given relative to ``folder``, with samples of the suite. Media are not opened."""
        ...

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        """The relative path of each sample, given its file's ending. Samples that share a picture share a path."""
        ...

    def refusal(self, prompt: Prompt, index: int) -> str:
        """Why no file can have the sample's name, "" where one can."""
        ...

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        """Files that the official scripts expect beside the media of these samples."""
        ...

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        """What a message calls a sample."""
        ...

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        """Where none of the media ``paths`` is of the suite: what was found, and what was expected."""
        ...


LARGEST_INDEX = 99_999
"""A larger number in a name is a time or a seed, and counts no samples."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which files carry the name of which sample: ``files`` in listing order (several where folders repeat a name).

    ``grids`` are the files that hold all samples of a prompt as one square picture of pictures. ``unclear`` are files
    that may be samples, each with why nothing says of which prompt; they are in no other part. ``notes`` say, a line
    each, how names were read where that is not plain.
    """

    files: Mapping[SampleKey, tuple[str, ...]]
    extra: tuple[str, ...]
    grids: frozenset[str] = field(default=frozenset())
    unclear: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A file says that it is ``key``; of several such files those with the smallest ``distance`` are believed."""

    key: SampleKey
    path: str
    distance: int = 0


def settled(claims: Iterable[Claim], extra: Iterable[str], grids: Iterable[str] = ()) -> Assignment:
    """The nearest claims on each sample; a file none of whose claims is among them is extra."""
    by_key: dict[SampleKey, list[Claim]] = {}
    paths: dict[str, None] = {}
    for claim in claims:
        if claim.key.index <= LARGEST_INDEX:
            by_key.setdefault(claim.key, []).append(claim)
        paths[claim.path] = None
    files = {}
    for key, group in by_key.items():
        best = min(claim.distance for claim in group)
        files[key] = tuple(claim.path for claim in group if claim.distance == best)
    used = {path for group in files.values() for path in group}
    return Assignment(files, (*extra, *(path for path in paths if path not in used)), frozenset(grids) & used)


def counted_from_zero(assigned: Assignment, wanted: Collection[SampleKey]) -> Assignment:
    """The same with samples that are counted from 1 read as if from 0, or a note where that cannot be known.

    They are where no file is a sample 0, and some are beyond the samples ``wanted`` of their prompt. Parts of a grid
    are counted by nobody.
    """
    files = {key: paths for key, paths in assigned.files.items() if assigned.grids.isdisjoint(paths)}
    wanted_of = Counter(key.prompt_id for key in wanted)
    if not wanted_of.keys() & {key.prompt_id for key in files} or any(key.index == 0 for key in files):
        return assigned
    last = max(key.index for key in files if key.prompt_id in wanted_of)
    if not any(key.index >= wanted_of[key.prompt_id] for key in files if key.prompt_id in wanted_of):
        note = f"no file is sample 0: if they count from 1, say so with --samples-per-prompt {last}"
        return replace(assigned, notes=(*assigned.notes, note))
    parts = {key: paths for key, paths in assigned.files.items() if key not in files}
    counted = {SampleKey(key.prompt_id, key.index - 1): paths for key, paths in files.items()}
    note = f"no file is sample 0: samples are counted from 1, so 1 is read as sample 0, {last} as sample {last - 1}"
    return replace(assigned, files={**parts, **counted}, notes=(*assigned.notes, note))


class Texts:
    """The texts of a suite, by which a name states its prompt."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._exact = {prompt.text: prompt.id for prompt in prompts}
        self._composed = unambiguous((composed(prompt.text), prompt.id) for prompt in prompts)
        self._folded = unambiguous((folded(prompt.text), prompt.id) for prompt in prompts)

    def find(self, text: str) -> tuple[str, int] | None:
        """The prompt that ``text`` means, and how far it is from the prompt's own text.

        0: equal; 1: equal but for Unicode normalisation (macOS); 2: but for case too, unless two prompts differ by case
        only. ``None`` for any other text.
        """
        found = (self._exact.get(text), self._composed.get(composed(text)), self._folded.get(folded(text)))
        return next(((prompt_id, step) for step, prompt_id in enumerate(found) if prompt_id is not None), None)


def composed(text: str) -> str:
    """Equal for texts that differ in Unicode normalisation only."""
    return normalize("NFC", text)


def folded(text: str) -> str:
    """Equal for texts that differ in case or normalisation only."""
    return composed(composed(text).casefold())


def unambiguous(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The mapping of texts that only one thing has."""
    owners: dict[str, list[T]] = {}
    for text, owner in pairs:
        owners.setdefault(text, []).append(owner)
    return {text: found[0] for text, found in owners.items() if len(found) == 1}


def check_distinct(names: Mapping[SampleKey, str]) -> None:
    """UsageError where two samples have one name."""
    owners: dict[str, SampleKey] = {}
    for key, name in names.items():
        other = owners.setdefault(name, key)
        if other != key:
            raise UsageError(
                f"the prompts {other.prompt_id!r} and {key.prompt_id!r} share the file name {name!r}",
                remedy="give each its own text",
            )


def case_collisions(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that are one file where the file system ignores case, as on most macOS and Windows disks."""
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(names):
        other = first.setdefault(folded(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def part_of_grid(width: int, height: int, index: int, side: int = SIDE) -> Part:
    """Where sample ``index`` lies in a grid of ``width`` × ``height`` pixels: rows first."""
    row, column = divmod(index, side)
    return column * (width // side), row * (height // side), width // side, height // side
