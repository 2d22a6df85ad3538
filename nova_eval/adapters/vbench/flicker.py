"""temporal_flickering: how much neighboring frames of a still scene differ. Pixels only, no judge."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nova_eval.adapters.rule import scored
from nova_eval.adapters.vbench.frames import OFFICIAL_FRAMES_ARE_NOT_TURNED, opencv_clip, too_short
from nova_eval.protocols import Item
from nova_eval.records import Score


def temporal_flickering(item: Item, *, frames_are_not_turned: bool = OFFICIAL_FRAMES_ARE_NOT_TURNED) -> Score:
    """(255 − mean over pairs of the mean absolute difference) / 255.

    Means are float32 sums over BGR bytes, as the official code takes them. Source: vbench/temporal_flickering.py.
    One frame has no pair; the official code gives NaN there.
    """
    if len(item.clip) < 2:
        return too_short(item, "temporal_flickering", 2)
    clip = opencv_clip(item, frames_are_not_turned=frames_are_not_turned)
    frames = (frame for run in clip.runs() for frame in run)
    differences = [_mean_difference(first, second) for first, second in pairwise(frames)]
    value = (255.0 - np.mean(np.array(differences, dtype=np.float32)).item()) / 255.0
    return scored(item, "temporal_flickering", value)


def _mean_difference(first: np.ndarray, second: np.ndarray) -> np.float32:
    blue_first = np.abs(first.astype(np.int16) - second)[..., ::-1]
    return np.float32(np.mean(np.ascontiguousarray(blue_first, dtype=np.float32)))
