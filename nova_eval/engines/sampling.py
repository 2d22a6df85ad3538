"""What a sampler makes of prompts: frames, or the reason why there are none. One bad sample takes no other along."""

from __future__ import annotations

from collections.abc import Sequence
from traceback import clear_frames
from typing import Any

import numpy as np

from nova_eval.errors import MediaError, NovaEvalError, brief
from nova_eval.protocols import Frames, Sampler
from nova_eval.records import Prompt


def frames_of(sampler: Sampler, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames | str]:
    """One uint8 (T, H, W, 3) array a prompt, or why there is none.

    A batch that fails is made again one by one: a sample is independent of its batch by contract. Raises NovaEvalError
    where no sample can be made after this: bad settings, a missing prerequisite.
    """
    made = _made(sampler, prompts, seeds)
    if not isinstance(made, str):
        return [one if _are_frames(one) else f"sampler returned {_kind(one)}, not uint8 (T, H, W, 3)" for one in made]
    if len(prompts) == 1:
        return [made]
    return [frames_of(sampler, [prompt], [seed])[0] for prompt, seed in zip(prompts, seeds, strict=True)]


def _made(sampler: Sampler, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Any] | str:
    """One thing a prompt, whatever it is, or why not."""
    try:
        made: Any = sampler.sample(prompts, seeds)
        if isinstance(made, str) or not isinstance(made, Sequence | np.ndarray):
            raise TypeError(f"the sampler returned {_kind(made)}, not one array a prompt")
        if len(made) != len(prompts):
            raise ValueError(f"the sampler returned {len(made)} results for {len(prompts)} prompts")
        return list(made)
    except Exception as error:
        if isinstance(error, NovaEvalError) and not isinstance(error, MediaError):
            raise
        clear_frames(error.__traceback__)  # what the sampler held in memory is needed to try again
        return f"sampler failed: {brief(error)}"


def _are_frames(made: object) -> bool:
    if not isinstance(made, np.ndarray) or made.dtype != np.uint8:
        return False
    return made.ndim == 4 and made.shape[-1] == 3 and made.size > 0


def _kind(made: Any) -> str:
    """What was returned, for a reader who must mend it: ``float32 (1, 8, 8, 3)``, ``list``, ``None``."""
    if made is None:
        return "None"
    return f"{made.dtype} {tuple(made.shape)}" if hasattr(made, "shape") else type(made).__name__
