"""GenEval's folders: ``00412/samples/00003.png`` beside ``00412/metadata.jsonl``, which says what was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.adapters.geneval import metadata
from nova_eval.adapters.geneval.metadata import Owners
from nova_eval.adapters.names import Assignment, Claim, settled
from nova_eval.errors import UsageError
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

_SAMPLE = re.compile(r"((?:.*/)?([0-9]+))/samples/([0-9]+)(\.[^./]+)")
_METADATA = re.compile(r"((?:.*/)?[0-9]+)/(?i:metadata\.jsonl?)")
_BESIDE = re.compile(r"(?:.*/)?[0-9]+/(?i:metadata\.jsonl?|grid\.[a-z]+)")
_ORDER = ("class", "count", "color", "position")


@dataclass(frozen=True, slots=True)
class GenEvalNames:
    """``Names`` of one folder a prompt."""

    endings: Collection[str] = IMAGE_SUFFIXES
    pattern: ClassVar[str] = "'{prompt, 5 digits}/samples/{index, 5 digits}.png'"
    side: ClassVar[int] = 1
    folder: ClassVar[str] = "images"
    read_officially: ClassVar[Collection[str]] = frozenset({".png"})

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """A folder's metadata.jsonl decides which prompt it is, as for the official evaluator; without one its number.

        Samples of a folder whose metadata is of no prompt of the suite are extra; those of one whose metadata cannot
        be read, or whose number says nothing, are unclear. Metadata and grids are neither.
        """
        listed = list(paths)
        samples = {path: name for path in listed if (name := _SAMPLE.fullmatch(path)) and self._is_image(name[4])}
        beside = {match[1]: path for path in listed if (match := _METADATA.fullmatch(path))}
        owners = _owners(prompts, {name[1]: int(name[2]) for name in samples.values()}, beside, folder)
        claims: list[Claim] = []
        extra: list[str] = []
        unclear: dict[str, str] = {}
        for path in listed:
            if path not in samples:
                extra += [] if _BESIDE.fullmatch(path) else [path]
                continue
            owner = owners[samples[path][1]]
            if isinstance(owner, Unclear):
                unclear[path] = owner.reason
            elif owner is None:
                extra.append(path)
            else:
                claims.append(Claim(SampleKey(owner, int(samples[path][3])), path))
        return replace(settled(claims, extra), unclear=unclear)

    def _is_image(self, suffix: str) -> bool:
        return suffix.lower() in self.endings

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        places = {prompt.id: place for place, prompt in enumerate(prompts)}
        return {key: official_name(places[key.prompt_id], key.index, ending) for key, ending in endings.items()}

    def refusal(self, prompt: Prompt, index: int) -> str:
        return ""

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        """Every prompt's metadata.jsonl, as the official generator writes it."""
        wanted = {key.prompt_id for key in keys}
        return {
            f"{place:05d}/metadata.jsonl": json.dumps(official_metadata(prompt)).encode()
            for place, prompt in enumerate(prompts)
            if prompt.id in wanted
        }

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        places = {prompt.id: place for place, prompt in enumerate(prompts)}
        return lambda key: official_name(places[key.prompt_id], key.index) if key.prompt_id in places else str(key)

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        named = next((path for path in paths if _SAMPLE.fullmatch(path)), None)
        if named is not None:
            return (
                f"{named!r} is named rightly, but the metadata.jsonl of its folder has tag and clauses of no prompt, "
                f"or its number is not among 00000 to {len(prompts) - 1:05d}"
            )
        return f"found {paths[0]!r}, expected names such as {official_name(0, 0, PurePosixPath(paths[0]).suffix)!r}"


class _Clauses(TypedDict, total=False):
    include: list[dict[str, Any]]
    exclude: list[dict[str, Any]]


class Unclear(NamedTuple):
    """Nothing says which prompt a folder is."""

    reason: str


def _owners(
    prompts: Sequence[Prompt], numbers: Mapping[str, int], beside: Mapping[str, str], folder: Path
) -> dict[str, str | Unclear | None]:
    """The prompt of each folder, ``None`` for one of another suite. ``beside`` has the metadata of those with some."""
    known, places = Owners(prompts), {prompt.id: place for place, prompt in enumerate(prompts)}
    owners: dict[str, str | Unclear | None] = {}
    for name, path in beside.items():
        if name in numbers:
            owners[name] = _described(known, folder, path, [prompt.id for prompt in prompts], numbers[name])
    told = {numbers[name] - places[owner] for name, owner in owners.items() if isinstance(owner, str)}
    alone = {number for name, number in numbers.items() if name not in beside}
    first = _first_number(told, alone, len(prompts))
    for name, number in numbers.items():
        if name in owners:
            continue
        if first is None:
            owners[name] = Unclear(
                f"{name} has no metadata.jsonl, and the numbers of these folders are not the places of their prompts"
                if told
                else f"{name} has no metadata.jsonl, and without a folder 00000 numbers may count from 0 or from 1"
            )
        else:
            owners[name] = prompts[number - first].id if 0 <= number - first < len(prompts) else None
    return owners


def _described(known: Owners, folder: Path, path: str, ids: Sequence[str], number: int) -> str | Unclear | None:
    try:
        choices = known.of(metadata.read(folder / path))
    except UsageError as error:
        return Unclear(f"{path} {error}")
    if len(choices) < 2:
        return choices[0] if choices else None
    if number < len(ids) and ids[number] in choices:
        return ids[number]
    return Unclear(f"{path} is of {len(choices)} prompts alike")


def _first_number(told: Collection[int], alone: Collection[int], count: int) -> int | None:
    """The number of the suite's first prompt where folders have nothing but their number; ``None`` where unknown.

    ``told`` are the numbers of the first prompt that folders with metadata imply, ``alone`` the numbers without.
    """
    if told:
        return next(iter(told)) if len(told) == 1 else None
    if 0 in alone or 1 not in alone or len(alone) == 1:
        return 0
    return 1 if max(alone) == count else None


def official_name(place: int, index: int, suffix: str = ".png") -> str:
    """Where the official evaluator looks for a sample of the prompt at ``place`` in the suite (from 0)."""
    return f"{place:05d}/samples/{index:05d}{suffix}"


def official_metadata(prompt: Prompt) -> dict[str, object]:
    """The object of a prompt's ``metadata.jsonl``, keys in the official order."""
    told = reading.typed(dict(prompt.reference), f"the reference of the prompt {prompt.id}", _Clauses)
    found: dict[str, object] = {"tag": prompt.tags[0] if prompt.tags else ""}
    for key in ("include", "exclude"):
        if key in told:
            found[key] = [_ordered(clause) for clause in told[key]]
    return found | {"prompt": prompt.text}


def _ordered(clause: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: clause[key] for key in _ORDER if key in clause}
    return known | {key: value for key, value in clause.items() if key not in known}
