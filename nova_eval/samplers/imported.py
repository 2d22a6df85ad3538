"""Samples that `import` has put into a run: the model's name is all that is left of their generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from nova_eval.errors import MediaError, UsageError
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt


class ImportedSampler:
    """Names the run of a model whose samples were imported. It cannot make any."""

    light = True

    def __init__(self, model: str, modality: str = "video") -> None:
        if not any(letter.isalnum() for letter in model) or not model.isprintable():
            raise UsageError(
                f"{model!r} cannot name a model", remedy="give a name of one line with a letter or a digit"
            )
        self.info = SamplerInfo(name=model, modality=modality, settings={"imported": True})

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        return [self._absent(prompt) for prompt in prompts]

    def _absent(self, prompt: Prompt) -> NoReturn:
        raise MediaError(
            f"no sample of {prompt.id} was imported", remedy="add the file to its folder and run `import` again"
        )
