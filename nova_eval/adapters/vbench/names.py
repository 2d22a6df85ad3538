"""VBench's file names: ``{prompt}-{index}.mp4``, in one folder or in one folder per dimension.

VBench's own tools look names up literally; here a name may also differ in Unicode normalisation (macOS) or in case, as
long as only one prompt can be meant. Names that were shortened or had their blanks replaced are not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePath, PurePosixPath
from typing import ClassVar

from nova_eval.adapters.names import Assignment, Claim, Texts, settled
from nova_eval.errors import UsageError
from nova_eval.identity import encoded
from nova_eval.media import VIDEO_SUFFIXES
from nova_eval.records import Prompt, SampleKey

NAME_BYTES = 255  # what the usual file systems hold
_NUMBERED = re.compile(r"(.*)-(0|[1-9][0-9]*)", re.DOTALL)
_PADDED = re.compile(r"(.*)-(0[0-9]+)", re.DOTALL)
_FARTHER = 3  # a number with zeros before it is believed after every other form of a name
_LOOKED_AT = 3  # names that the hint for a foreign folder tries


@dataclass(frozen=True, slots=True)
class VBenchNames:
    """``Names`` of videos, or of images where ``endings`` are theirs."""

    endings: Collection[str] = VIDEO_SUFFIXES
    pattern: ClassVar[str] = "'{prompt}-{index}.mp4'"
    side: ClassVar[int] = 1
    folder: ClassVar[str] = "videos"
    read_officially: ClassVar[Collection[str]] = frozenset({".mp4", ".gif"})

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        return assign(prompts, paths, self.endings)

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        """UsageError for a prompt that no file can be named after."""
        texts = {prompt.id: prompt.text for prompt in prompts}
        return {key: official_name(texts[key.prompt_id], key.index, ending) for key, ending in endings.items()}

    def refusal(self, prompt: Prompt, index: int) -> str:
        return "" if storable(prompt.text, index) else f"a slash, or over {NAME_BYTES} bytes"

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        return {}

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        texts = {prompt.id: prompt.text for prompt in prompts}
        return lambda key: f"{texts.get(key.prompt_id, key.prompt_id)}-{key.index}"

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        texts = [prompt.text for prompt in prompts]
        for path in paths[:_LOOKED_AT]:
            text, _ = parse_name(path, self.endings) or (PurePosixPath(path).stem, 0)
            if near := get_close_matches(text, texts, n=1, cutoff=0.5):
                return f"{path!r} is nearest to {_expected(near[0], path)!r}"
        return f"found {paths[0]!r}, expected names such as {_expected(texts[0], paths[0])!r}" if texts else ""


def official_name(text: str, index: int, suffix: str = ".mp4") -> str:
    """VBench's name for sample ``index`` of the prompt ``text``. UsageError when no file can have it."""
    name = f"{text}-{index}{suffix}"
    length = len(encoded(name))
    if "/" in name or "\0" in name:
        raise UsageError(f"the prompt {text!r} cannot be a file name: it contains a slash")
    if length > NAME_BYTES:
        raise UsageError(
            f"the file name of the prompt {text[:60]!r}… has {length} bytes; official names allow {NAME_BYTES}",
            remedy="leave this prompt out of the export: official tools cannot store it under its text",
        )
    return name


def storable(text: str, index: int) -> bool:
    """Whether a file can have the name."""
    try:
        return bool(official_name(text, index))
    except UsageError:
        return False


def parse_name(path: str | PurePath, suffixes: Collection[str] = VIDEO_SUFFIXES) -> tuple[str, int] | None:
    """The prompt text and index that a file's name states, or ``None`` when it is no such name.

    Only the last ``-<digits>`` before a known ending counts, so texts may hold hyphens and end in a full stop.
    """
    name = PurePath(path).name
    stem, dot, ending = name.rpartition(".")
    match = _NUMBERED.fullmatch(stem) if f"{dot}{ending.lower()}" in suffixes else None
    return (match[1], int(match[2])) if match else None


def assign(prompts: Sequence[Prompt], paths: Iterable[str], suffixes: Collection[str] = VIDEO_SUFFIXES) -> Assignment:
    """Matches files (relative paths, any sub-folder) with samples of the suite.

    The exact text wins; then the same text in another Unicode normalisation; then in another case, unless two
    prompts differ by case only; then each with zeros before its number. A file that matches less well than another of
    the same sample is extra.
    """
    texts = Texts(prompts)
    claims: list[Claim] = []
    extra: list[str] = []
    for path in paths:
        pure = PurePosixPath(path)
        padded = _PADDED.fullmatch(pure.stem) if pure.suffix.lower() in suffixes else None
        name = (padded[1], int(padded[2])) if padded else parse_name(path, suffixes)
        found = None if name is None else texts.find(name[0])
        if name is None or found is None:
            extra.append(path)
        else:
            claims.append(Claim(SampleKey(found[0], name[1]), path, found[1] + (_FARTHER if padded else 0)))
    return settled(claims, extra)


def _expected(text: str, path: str) -> str:
    suffix = PurePosixPath(path).suffix
    return official_name(text, 0, suffix) if storable(text, 0) else "{prompt}-0" + suffix
