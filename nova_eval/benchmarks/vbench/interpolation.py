"""motion_smoothness: how well the odd frames are predicted from the even ones."""

from __future__ import annotations

import numpy as np

from nova_eval.benchmarks.vbench.rule import mean, scored, too_short
from nova_eval.protocols import FrameInterpolator, Item
from nova_eval.records import Score

_PAIRS_AT_ONCE = 8  # bounds memory; a judge's answer for one pair does not depend on the others


def motion_smoothness(item: Item, judge: FrameInterpolator) -> Score:
    """(255 − mean over odd frames of the mean absolute error of the predicted frame) / 255.

    Each odd frame is predicted from its two even neighbours; the last of an even number of frames has only one and is
    unused. Source: vbench/motion_smoothness.py.
    """
    if len(item.clip) < 3:
        return too_short(item, "motion_smoothness", 3)
    even, odd = item.clip.frames[::2], item.clip.frames[1::2]
    errors: list[float] = []
    for start in range(0, len(even) - 1, _PAIRS_AT_ONCE):
        first = even[start : start + _PAIRS_AT_ONCE][: len(even) - 1 - start]
        second = even[start + 1 : start + 1 + len(first)]
        predicted = judge.interpolate(first, second)
        error = np.abs(predicted.astype(np.int16) - odd[start : start + len(first)])
        errors += error.mean(axis=(1, 2, 3)).tolist()
    return scored(item, "motion_smoothness", (255.0 - mean(errors)) / 255.0)
