"""What a sampler makes of prompts: frames, or the reason why there are none. One bad sample takes no other along."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from traceback import clear_frames
from typing import Any

import numpy as np

from nova_eval.errors import MediaError, NovaEvalError, UsageError, brief, is_interrupt
from nova_eval.identity import canonical_json
from nova_eval.protocols import Frames, MediaSource, Sampler, SamplerInfo
from nova_eval.records import Prompt

_MOST_FRAMES_A_SECOND = 1000


def frames_of(sampler: Sampler, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames | str]:
    """One uint8 (T, H, W, 3) array a prompt, or why there is none.

    A sampler of images may give (H, W, 3) or a picture of PIL for each; a clip may be a list of these. A batch that
    fails is made again one by one: a sample is independent of its batch by contract. Raises NovaEvalError where no
    sample can be made after this: bad settings, a missing prerequisite.
    """
    made = _made(sampler, prompts, seeds)
    if not isinstance(made, str):
        return [as_frames(one, sampler.info.modality) for one in made]
    if len(prompts) == 1:
        return [made]
    return [frames_of(sampler, [prompt], [seed])[0] for prompt, seed in zip(prompts, seeds, strict=True)]


def info_of(sampler: Any, name: str) -> SamplerInfo:
    """What a sampler says of itself. UsageError where no run can be named after it or no clip made of its frames."""
    info = getattr(sampler, "info", None)
    if not isinstance(info, SamplerInfo):
        raise UsageError(
            f"sampler {name!r} has no info that is a SamplerInfo", remedy="see nova_eval.protocols.Sampler"
        )
    try:
        canonical_json(info).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the info of sampler {name!r} is nothing that JSON can hold ({brief(error)})",
            remedy="use numbers that are finite, text, lists and mappings",
        ) from error
    finished = isinstance(sampler, MediaSource) or info.settings.get("imported") is True
    if info.modality == "video" and not finished:
        frame_rate(info)
    return info


def frame_rate(info: SamplerInfo) -> float:
    """Frames a second of a sampler's clips. UsageError for what no player could show."""
    if isinstance(info.fps, int | float) and 0 < info.fps <= _MOST_FRAMES_A_SECOND:
        return float(info.fps)
    raise UsageError(
        f"sampler states {info.fps!r} frames a second", remedy=f"above 0 and at most {_MOST_FRAMES_A_SECOND} can be"
    )


def _made(sampler: Sampler, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Any] | str:
    """One thing a prompt, whatever it is, or why not."""
    try:
        with _same_folder():
            made: Any = sampler.sample(prompts, seeds)
        if isinstance(made, str) or not isinstance(made, Sequence | np.ndarray):
            raise TypeError(f"the sampler returned {_kind(made)}, not one array a prompt")
        if len(made) != len(prompts):
            raise ValueError(f"the sampler returned {len(made)} results for {len(prompts)} prompts")
        found = list(made)
        if _overlap(found):
            raise ValueError("the sampler returned one piece of memory for several prompts")
        return found
    except BaseException as error:  # sys.exit and a KeyboardInterrupt of its own are failures like any other
        if is_interrupt(error) or (isinstance(error, NovaEvalError) and not isinstance(error, MediaError)):
            raise
        clear_frames(error.__traceback__)  # what the sampler held in memory is needed to try again
        return f"sampler failed: {brief(error)}"


@contextmanager
def _same_folder() -> Iterator[None]:
    """The current folder is after the block what it was before: rows and media go where they should."""
    here = os.open(".", os.O_RDONLY)
    try:
        yield
    finally:
        with suppress(OSError):  # whoever closes files that are not theirs has no folder to go back to
            os.fchdir(here)
            os.close(here)


def _overlap(made: Sequence[Any]) -> bool:
    """Whether two results are the same bytes: a sampler that fills one buffer for all shows the last prompt in all."""
    spans = [np.lib.array_utils.byte_bounds(one) for one in made if isinstance(one, np.ndarray) and one.size]
    others = [id(one) for one in made if one is not None and not isinstance(one, np.ndarray | str)]
    return len(set(spans)) < len(spans) or len(set(others)) < len(others)


def as_frames(made: Any, modality: str, who: str = "sampler returned") -> Frames | str:
    """uint8 (T, H, W, 3) of what ``frames_of`` takes for a sample, or why it is none, which begins with ``who``."""
    if isinstance(made, list | tuple):
        pictures = [picture for part in made if (picture := _picture(part)) is not None]
        if len(made) == len(pictures) > 0 and len({picture.shape for picture in pictures}) == 1:
            return np.stack(pictures)
    elif (picture := _picture(made)) is not None:
        if modality == "image":
            return picture[None]
        return f"{who} one picture, {_kind(made)}, where a clip is wanted"
    elif isinstance(made, np.ndarray) and (made.dtype, made.ndim, made.shape[-1:]) == (np.uint8, 4, (3,)) and made.size:
        return made
    return f"{who} {_kind(made)}, not uint8 (T, H, W, 3)"


def _picture(made: Any) -> Frames | None:
    """uint8 (H, W, 3) of such an array or of a picture of PIL; ``None`` of anything else."""
    if hasattr(made, "convert") and hasattr(made, "getbands"):
        made = np.asarray(made.convert("RGB"))
    if isinstance(made, np.ndarray) and made.dtype == np.uint8 and made.ndim == 3:
        return made if made.shape[-1] == 3 and made.size > 0 else None
    return None


def _kind(made: Any) -> str:
    """What was returned, for a reader who must mend it: ``float32 (1, 8, 8, 3)``, ``list``, ``None``."""
    if made is None:
        return "None"
    return f"{made.dtype} {tuple(made.shape)}" if hasattr(made, "shape") else type(made).__name__
