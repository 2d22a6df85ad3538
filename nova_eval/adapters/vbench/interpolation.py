"""motion_smoothness: how well the odd frames are predicted from the even ones."""

from __future__ import annotations

import numpy as np

from nova_eval.adapters.rule import ask, mean, scored
from nova_eval.adapters.vbench.frames import OFFICIAL_FRAMES_ARE_NOT_TURNED, opencv_clip, too_short
from nova_eval.protocols import Asking, FrameInterpolator, Item
from nova_eval.records import Score

_PAIRS_AT_ONCE = 8  # bounds memory; a judge's answer for one pair does not depend on the others


def motion_smoothness(item: Item, *, frames_are_not_turned: bool = OFFICIAL_FRAMES_ARE_NOT_TURNED) -> Asking[Score]:
    """(255 − mean over odd frames of the mean absolute error of the predicted frame) / 255.

    Each odd frame is predicted from its two even neighbors; the last of an even number of frames has only one and is
    unused. Source: vbench/motion_smoothness.py.
    """
    if len(item.clip) < 3:
        return too_short(item, "motion_smoothness", 3)
    clip = opencv_clip(item, frames_are_not_turned=frames_are_not_turned)
    last = (len(clip) - 1) // 2 * 2
    errors: list[float] = []
    for start in range(0, last, 2 * _PAIRS_AT_ONCE):
        frames = clip.take(range(start, min(start + 2 * _PAIRS_AT_ONCE, last) + 1))
        even, odd = frames[::2], frames[1::2]
        predicted = yield from ask(FrameInterpolator.interpolate, even[:-1], even[1:])
        errors += [np.abs(guess.astype(np.int16) - frame).mean() for guess, frame in zip(predicted, odd, strict=True)]
    return scored(item, "motion_smoothness", (255.0 - mean(errors)) / 255.0)
