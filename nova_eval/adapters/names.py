"""Which files carry the name of which sample, and how texts in names are compared with prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from unicodedata import normalize

from nova_eval.records import Prompt, SampleKey


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which files carry the name of which sample: ``files`` in listing order (several where folders repeat a name).

    ``grids`` are the files that hold all samples of a prompt as one square picture of pictures.
    """

    files: Mapping[SampleKey, tuple[str, ...]]
    extra: tuple[str, ...]
    grids: frozenset[str] = field(default=frozenset())


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
        by_key.setdefault(claim.key, []).append(claim)
        paths[claim.path] = None
    files = {}
    for key, group in by_key.items():
        best = min(claim.distance for claim in group)
        files[key] = tuple(claim.path for claim in group if claim.distance == best)
    used = {path for group in files.values() for path in group}
    return Assignment(files, (*extra, *(path for path in paths if path not in used)), frozenset(grids) & used)


class Texts:
    """The texts of a suite, by which a name states its prompt."""

    def __init__(self, prompts: Sequence[Prompt]) -> None:
        self._exact = {prompt.text: prompt.id for prompt in prompts}
        self._composed = _unambiguous((normalize("NFC", prompt.text), prompt.id) for prompt in prompts)
        self._folded = _unambiguous((folded(prompt.text), prompt.id) for prompt in prompts)

    def find(self, text: str) -> tuple[str, int] | None:
        """The prompt that ``text`` means, and how far it is from the prompt's own text.

        0: equal; 1: equal but for Unicode normalisation (macOS); 2: but for case too, unless two prompts differ by case
        only. ``None`` for any other text.
        """
        found = (self._exact.get(text), self._composed.get(normalize("NFC", text)), self._folded.get(folded(text)))
        return next(((prompt_id, step) for step, prompt_id in enumerate(found) if prompt_id is not None), None)


def folded(text: str) -> str:
    """Equal for texts that differ in case or normalisation only."""
    return normalize("NFC", normalize("NFC", text).casefold())


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The mapping of texts that only one prompt has."""
    owners: dict[str, str | None] = {}
    for text, prompt_id in pairs:
        owners[text] = prompt_id if text not in owners else None
    return {text: prompt_id for text, prompt_id in owners.items() if prompt_id is not None}
