"""How this benchmark's files are called: ``{place of the prompt}_{index}.png``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from nova_eval.adapters.names import Assignment, Claim, settled
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.records import Prompt, SampleKey

_NAME = re.compile(r"([0-9]+)_([0-9]+)")


@dataclass(frozen=True, slots=True)
class ExampleNames:
    """``nova_eval.adapters.names.Names``."""

    endings: Collection[str] = IMAGE_SUFFIXES
    pattern: ClassVar[str] = "'{place}_{index}.png'"
    side: ClassVar[int] = 1
    folder: ClassVar[str] = "images"
    read_officially: ClassVar[Collection[str]] = frozenset({".png"})

    def assign(self, prompts: Sequence[Prompt], paths: Iterable[str], folder: Path) -> Assignment:
        claims: list[Claim] = []
        extra: list[str] = []
        for path in paths:
            name = PurePosixPath(path)
            match = _NAME.fullmatch(name.stem)
            if match and name.suffix.lower() in self.endings and int(match[1]) < len(prompts):
                claims.append(Claim(SampleKey(prompts[int(match[1])].id, int(match[2])), path))
            else:
                extra.append(path)
        return settled(claims, extra)

    def official(self, prompts: Sequence[Prompt], endings: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
        label = self.label(prompts)
        return {key: f"{label(key)}{ending}" for key, ending in endings.items()}

    def refusal(self, prompt: Prompt, index: int) -> str:
        return ""

    def beside(self, prompts: Sequence[Prompt], keys: Iterable[SampleKey]) -> dict[str, bytes]:
        return {}

    def label(self, prompts: Sequence[Prompt]) -> Callable[[SampleKey], str]:
        places = {prompt.id: place for place, prompt in enumerate(prompts)}
        return lambda key: f"{places[key.prompt_id]}_{key.index}"

    def hint(self, prompts: Sequence[Prompt], paths: Sequence[str]) -> str:
        return f"found {paths[0]!r}, expected names such as '0_0.png'"
