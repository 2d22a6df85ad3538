"""Official file names: from a sample to its name, and from a listing of names back to the samples.

VBench names a video ``{prompt}-{index}.mp4``, in one folder or in one folder per dimension. Its own tools look names
up literally; here a name may also differ in Unicode normalisation (macOS) or in case, as long as only one prompt can be
meant. Names that were shortened or had their blanks replaced are not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from unicodedata import normalize

from nova_eval.errors import UsageError
from nova_eval.media import VIDEO_SUFFIXES
from nova_eval.records import Prompt, SampleKey

NAME_BYTES = 255  # what the usual file systems hold
_NUMBERED = re.compile(r"(.*)-(0|[1-9][0-9]*)", re.DOTALL)


def official_name(text: str, index: int, suffix: str = ".mp4") -> str:
    """VBench's name for sample ``index`` of the prompt ``text``. UsageError when no file can have it."""
    name = f"{text}-{index}{suffix}"
    length = len(name.encode())
    if "/" in name or "\0" in name:
        raise UsageError(f"the prompt {text!r} cannot be a file name: it contains a slash")
    if length > NAME_BYTES:
        raise UsageError(
            f"the file name of the prompt {text[:60]!r}… has {length} bytes; the official layout allows {NAME_BYTES}",
            remedy="leave this prompt out of the export: official tools cannot store it under its text",
        )
    return name


def export_names(prompts: Iterable[Prompt], keys: Iterable[SampleKey], suffix: str = ".mp4") -> dict[SampleKey, str]:
    """The official file name of every sample, for one flat folder. No two are equal."""
    texts = {prompt.id: prompt.text for prompt in prompts}
    names = {key: official_name(texts[key.prompt_id], key.index, suffix) for key in keys}
    owners: dict[str, SampleKey] = {}
    for key, name in names.items():
        other = owners.setdefault(name, key)
        if other != key:
            raise UsageError(f"the prompts {other.prompt_id!r} and {key.prompt_id!r} share the file name {name!r}")
    return names


def case_collisions(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that are one file where the file system ignores case, as on most macOS and Windows disks."""
    first: dict[str, str] = {}
    pairs = []
    for name in sorted(names):
        other = first.setdefault(_folded(name), name)
        if other != name:
            pairs.append((other, name))
    return pairs


def parse_name(path: str | PurePath) -> tuple[str, int] | None:
    """The prompt text and index that a video's name states, or ``None`` when it is no such name.

    Only the last ``-<digits>`` before a known video ending counts, so texts may hold hyphens and end in a full stop.
    """
    name = PurePath(path).name
    stem, dot, ending = name.rpartition(".")
    match = _NUMBERED.fullmatch(stem) if f"{dot}{ending.lower()}" in VIDEO_SUFFIXES else None
    return (match[1], int(match[2])) if match else None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which files carry the name of which sample: ``files`` in listing order (several where folders repeat a name)."""

    files: Mapping[SampleKey, tuple[str, ...]]
    extra: tuple[str, ...]


def assign(prompts: Sequence[Prompt], paths: Iterable[str]) -> Assignment:
    """Matches files (relative paths, any sub-folder) with samples of the suite.

    The exact text wins; then the same text in another Unicode normalisation; then in another case, unless two
    prompts differ by case only. A file that matches less well than another of the same sample is extra.
    """
    exact = {prompt.text: prompt.id for prompt in prompts}
    composed = _unambiguous((normalize("NFC", prompt.text), prompt.id) for prompt in prompts)
    folded = _unambiguous((_folded(prompt.text), prompt.id) for prompt in prompts)

    candidates: dict[SampleKey, list[tuple[int, str]]] = {}
    extra: list[str] = []
    for path in paths:
        name = parse_name(path)
        if name is None:
            extra.append(path)
            continue
        text, index = name
        steps = (exact.get(text), composed.get(normalize("NFC", text)), folded.get(_folded(text)))
        step = next((step for step, prompt_id in enumerate(steps) if prompt_id is not None), None)
        if step is None:
            extra.append(path)
        else:
            candidates.setdefault(SampleKey(str(steps[step]), index), []).append((step, path))

    files: dict[SampleKey, tuple[str, ...]] = {}
    for key, matches in candidates.items():
        best = min(step for step, _ in matches)
        files[key] = tuple(path for step, path in matches if step == best)
        extra.extend(path for step, path in matches if step != best)
    return Assignment(files, tuple(extra))


def _folded(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).casefold())


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The mapping of texts that only one prompt has."""
    owners: dict[str, str | None] = {}
    for text, prompt_id in pairs:
        owners[text] = prompt_id if text not in owners else None
    return {text: prompt_id for text, prompt_id in owners.items() if prompt_id is not None}
