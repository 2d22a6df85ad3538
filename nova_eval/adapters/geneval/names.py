"""GenEval's folders: ``00412/samples/00003.png`` beside ``00412/metadata.jsonl``, which says what was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from nova_eval.adapters.names import Assignment, Claim, Texts, settled
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

_SAMPLE = re.compile(r"((?:.*/)?([0-9]+))/samples/([0-9]+)(\.[^./]+)")
_BESIDE = re.compile(r"(?:.*/)?[0-9]+/(?:metadata\.jsonl|grid\.[a-z]+)")
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

        Samples of a folder whose metadata is of no prompt of the suite are extra. Metadata and grids are not.
        """
        listed = list(paths)
        texts, places = Texts(prompts), [prompt.id for prompt in prompts]
        described = {path.removesuffix("/metadata.jsonl") for path in listed if path.endswith("/metadata.jsonl")}
        owners: dict[str, str | None] = {}
        claims: list[Claim] = []
        extra: list[str] = []
        for path in listed:
            name = _SAMPLE.fullmatch(path)
            if name is None or name[4].lower() not in self.endings:
                extra += [] if _BESIDE.fullmatch(path) else [path]
                continue
            if name[1] not in owners:
                text = _asked_for(folder / name[1] / "metadata.jsonl") if name[1] in described else None
                number = int(name[2])
                by_number = places[number] if number < len(places) else None
                owners[name[1]] = by_number if text is None else (texts.find(text) or (None,))[0]
            owner = owners[name[1]]
            if owner is None:
                extra.append(path)
            else:
                claims.append(Claim(SampleKey(owner, int(name[3])), path))
        return settled(claims, extra)

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
        return f"found {paths[0]!r}, expected names such as {official_name(0, 0, PurePosixPath(paths[0]).suffix)!r}"


def official_name(place: int, index: int, suffix: str = ".png") -> str:
    """Where the official evaluator looks for a sample of the prompt at ``place`` in the suite (from 0)."""
    return f"{place:05d}/samples/{index:05d}{suffix}"


def official_metadata(prompt: Prompt) -> dict[str, object]:
    """The object of a prompt's ``metadata.jsonl``, keys in the official order."""
    clauses = {key: [_ordered(clause) for clause in prompt.reference[key]] for key in _clause_lists(prompt)}
    return {"tag": prompt.tags[0], **clauses, "prompt": prompt.text}


def _clause_lists(prompt: Prompt) -> list[str]:
    return [key for key in ("include", "exclude") if key in prompt.reference]


def _ordered(clause: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: clause[key] for key in _ORDER if key in clause}
    return known | {key: value for key, value in clause.items() if key not in known}


def _asked_for(path: Path) -> str | None:
    """The prompt that a metadata file names; ``None`` for what is no such file."""
    try:
        text = json.loads(path.read_text(encoding="utf-8"))["prompt"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return text if isinstance(text, str) else None
