"""Media of one's own: a table's names, or names made of a prompt's text or id and a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from nova_eval.adapters.names import Assignment, Claim, Texts, composed, folded, settled, unambiguous
from nova_eval.adapters.prompt_files import SIDE_ENDINGS
from nova_eval.records import Prompt, SampleKey

FILES = "files"
"""The key of a prompt's reference: the media that were named for it, the first being sample 0."""

_NUMBERED = re.compile(r"(.*)[-_/]([0-9]+)", re.DOTALL)
_POSITION = re.compile(r"custom/([0-9]{4,})")


@dataclass(frozen=True, slots=True)
class OwnNames:
    """``Names`` of media with ``endings``, whose prompts may say which they are."""

    endings: Collection[str]
    pattern: ClassVar[str] = "as the prompts' file says, '{prompt}-{index}' or '{id}-{index}'"
    side: ClassVar[int] = 1
    folder: ClassVar[str] = "media"

    @property
    def read_officially(self) -> Collection[str]:
        return self.endings

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        """A name that a prompt gives counts before one that states a text or an id.

        A number alone is no id where ids only count prompts, unless there is a file of number 0: nobody can tell
        whether 0001 is the first or the second.
        """
        media: list[str] = []
        beside: list[str] = []
        for path in paths:
            (media if PurePosixPath(path).suffix.lower() in self.endings else beside).append(path)
        named = _named(prompts, media)
        texts = Texts([prompt for prompt in prompts if prompt.text])
        ids = _ids(prompts, media)
        claims: list[Claim] = []
        extra = [path for path in beside if PurePosixPath(path).suffix.lower() not in SIDE_ENDINGS]
        numbered: dict[str, list[tuple[int, str]]] = {}
        for path in media:
            if path in named:
                claims.append(Claim(named[path], path))
            elif (owner := _owner(path, texts, ids)) is None:
                extra.append(path)
            else:
                numbered.setdefault(owner[0], []).append((owner[1], path))
        has_files = {prompt.id for prompt in prompts if FILES in prompt.reference}
        for prompt_id, found in numbered.items():
            if prompt_id in has_files:
                extra += [path for _, path in found]
            else:
                claims += [Claim(SampleKey(prompt_id, number), path) for number, path in found]
        return settled(claims, extra)

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        """The name that a table gives, else id and index."""
        by_id = {prompt.id: prompt for prompt in prompts}
        return {key: self._name(by_id[key.prompt_id], key.index, ending) for key, ending in endings.items()}

    def _name(self, prompt: Prompt, index: int, ending: str) -> str:
        files = prompt.reference.get(FILES, ())
        if index < len(files):
            inside = [part for part in PurePosixPath(files[index]).parts if part not in ("/", "..", ".")]
            return PurePosixPath(*inside).with_suffix(ending).as_posix()
        return f"{prompt.id.partition('/')[2].replace('/', '-')}-{index}{ending}"

    def refusal(self, prompt: Prompt, index: int) -> str:
        return ""

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        return {}

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        by_id = {prompt.id: prompt for prompt in prompts}

        def label(key: SampleKey) -> str:
            prompt = by_id.get(key.prompt_id)
            files = prompt.reference.get(FILES, ()) if prompt else ()
            if key.index < len(files):
                return str(files[key.index])
            return f"{(prompt.text if prompt else '') or key.prompt_id}-{key.index}"

        return label

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        wanted = self.label(prompts)(SampleKey(prompts[0].id, 0)) if prompts else self.pattern
        return f"found {paths[0]!r}, expected names such as {wanted!r}"


def _named(prompts: Sequence[Prompt], media: Sequence[str]) -> dict[str, SampleKey]:
    """The media that prompts name: by the path below the folder, else by a name that only one of them has.

    A name is meant as it is written. Only where no file is called so does another way to write its letters count, and
    then case, each where it leaves no choice.
    """
    wanted = {
        SampleKey(prompt.id, index): str(file).removeprefix("./")
        for prompt in prompts
        for index, file in enumerate(prompt.reference.get(FILES, ()))
    }
    found: dict[str, SampleKey] = {}
    done: set[SampleKey] = set()
    for form in (str, composed, folded, _name, lambda path: folded(_name(path))):
        if len(done) == len(wanted):
            break
        there = unambiguous((form(path), path) for path in media)
        asked = unambiguous((form(file), key) for key, file in wanted.items() if key not in done)
        pairs = {key: there[name] for name, key in asked.items() if name in there and there[name] not in found}
        done |= pairs.keys()
        found |= {path: key for key, path in pairs.items()}
    return found


def _name(path: str) -> str:
    return PurePosixPath(path).name


def _ids(prompts: Sequence[Prompt], media: Sequence[str]) -> dict[str, str]:
    """Prompts by what a name can say of their ids."""
    count_only = all(
        (match := _POSITION.fullmatch(prompt.id)) and int(match[1]) == place for place, prompt in enumerate(prompts)
    )
    if count_only:
        stems = {PurePosixPath(path).stem for path in media} | {PurePosixPath(path).parts[0] for path in media}
        starts = {match[1] for stem in stems if (match := re.fullmatch(r"([0-9]+)(?:[-_][0-9]+)?", stem))}
        if not any(int(number) == 0 for number in starts):
            return {}
    return unambiguous((folded(prompt.id.partition("/")[2]), prompt.id) for prompt in prompts)


def _owner(path: str, texts: Texts, ids: Mapping[str, str]) -> tuple[str, int] | None:
    """The prompt and number that a name states: ``x``, ``x-3``, ``x_3``, ``x/3`` or ``x/samples/3``."""
    stem = PurePosixPath(path).with_suffix("").as_posix()
    inside = PurePosixPath(stem.replace("/samples/", "/"))
    for said in dict.fromkeys((inside.name, stem, "/".join(inside.parts[-2:]))):
        if (owner := _of(said, texts, ids)) is not None:
            return owner, 0
        match = _NUMBERED.fullmatch(said)
        if match and (owner := _of(match[1], texts, ids)) is not None:
            return owner, int(match[2])
    return None


def _of(said: str, texts: Texts, ids: Mapping[str, str]) -> str | None:
    found = texts.find(said)
    return found[0] if found else ids.get(folded(said))
