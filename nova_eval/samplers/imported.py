"""Samples that were put into a run: what is left of their model is its name, maybe a digest of its weights and what it
said of itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn
from unicodedata import category

from nova_eval.errors import MediaError, UsageError, quoted
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt

_UNSHOWN = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, halves of a letter, ends of lines and paragraphs
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # change the direction of what follows


def shown_as_it_is(name: str) -> bool:
    """Whether a name can stand in a row, a table and a terminal without changing them."""
    return not any(category(letter) in _UNSHOWN or letter in _TURNING for letter in name)


class ImportedSampler:
    """Names the run of a model whose samples were imported, or made by a sampler in hand. It cannot make any.

    Parameters
    ----------
    model
        What the model is called.
    modality
        image or video.
    weights
        A digest of the model's weights, where they are known.
    fps
        The rate at which clips are shown, where it is known.
    settings
        What a sampler in hand said of its settings.
    """

    light = True

    def __init__(
        self,
        model: str,
        modality: str = "video",
        weights: str = "",
        fps: float = 0.0,
        settings: dict[str, Any] | None = None,
    ) -> None:
        if not any(letter.isalnum() for letter in model) or not shown_as_it_is(model):
            raise UsageError(
                f"{model!r} cannot name a model", remedy="give a name of one line with a letter or a digit"
            )
        told = {"imported": True, **(settings or {})}
        self.info = SamplerInfo(model, modality, weights, fps if modality == "video" else 0.0, told)

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        return [self._absent(prompt) for prompt in prompts]

    def _absent(self, prompt: Prompt) -> NoReturn:
        raise MediaError(
            f"no sample of {quoted(prompt.text)} was imported",
            remedy="add the file to its folder and run `import` again",
        )
