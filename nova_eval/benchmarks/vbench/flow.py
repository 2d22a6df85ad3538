"""dynamic_degree, and the static filter of temporal_flickering: how far the fastest part of a frame moves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nova_eval.benchmarks.vbench.rule import count, scored, unscored
from nova_eval.protocols import Floats, Frames, Item, OpticalFlow
from nova_eval.records import Score

OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION = True
"""The count that motion is compared with rounds to 0 for very short clips: two sampled frames are always dynamic, one
is never, and no clip of four frames or fewer is static (vbench/dynamic_degree.py ``check_move``, static_filter.py).
Corrected: the count is at least 1, and one frame is unscored."""

OFFICIAL_UNDEFINED_FLOW_IS_STILL = True
"""RAFT answers NaN below 128 padded pixels a side; NaN exceeds no threshold. Corrected: unscored."""

_PAIRS_AT_ONCE = 4  # bounds memory; a judge's answer for one pair does not depend on the others


def stride(fps: float) -> int:
    """Every how-manieth frame brings a clip to about 8 frames per second (ties to even)."""
    return max(1, round(fps / 8))


def dynamic_threshold(height: int, width: int) -> float:
    """The motion in pixels above which a pair of frames counts as moving."""
    return 6.0 * (min(height, width) / 256.0)


def dynamic_need(frames: int) -> int:
    """How many moving pairs make a clip of ``frames`` sampled frames dynamic (ties to even)."""
    return round(4 * (frames / 16.0))


def static_threshold(height: int, width: int) -> float:
    """The motion in pixels above which a pair of frames counts against a static clip."""
    return 3.0 * (min(height, width) / 256.0)


def static_allowance(frames: int) -> int:
    """How many moving pairs a static clip of ``frames`` frames may have (ties to even)."""
    return round(2 * (frames / 16.0))


def strongest_motion(flow: Floats, share: float) -> list[float]:
    """(N, h, w, 2) → for each pair the mean of the ``share`` largest displacements, NaN where there is none."""
    u, v = flow[..., 0], flow[..., 1]
    length = np.sqrt(np.square(u) + np.square(v)).reshape(len(flow), -1)
    largest = int(length.shape[1] * share)
    if largest == 0:
        return [math.nan] * len(flow)
    descending = -np.sort(np.partition(-length, largest - 1, axis=1)[:, :largest], axis=1)
    return [float(np.mean(row)) for row in descending]


def dynamic_degree(
    item: Item,
    judge: OpticalFlow,
    *,
    short_clips_need_no_motion: bool = OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION,
    undefined_flow_is_still: bool = OFFICIAL_UNDEFINED_FLOW_IS_STILL,
) -> Score:
    """1 when enough pairs of frames at about 8 fps move, else 0. Source: vbench/dynamic_degree.py."""
    frames = item.clip.frames[:: stride(item.clip.fps)]
    need = dynamic_need(len(frames))
    if not short_clips_need_no_motion:
        need = max(1, need)
    if len(frames) < (1 if short_clips_need_no_motion else 2):
        return unscored(item, "dynamic_degree", f"{count(len(frames), 'frame')} at 8 fps show no motion")
    motion = _pair_motion(judge, frames[:-1], frames[1:], 0.05)
    if not undefined_flow_is_still and not all(map(math.isfinite, motion)):
        return unscored(item, "dynamic_degree", "the judge gave no finite flow")
    threshold = dynamic_threshold(item.clip.height, item.clip.width)
    moving = sum(value > threshold for value in motion)
    dynamic = bool(motion) and moving >= need
    detail = {"pair_motion": _plain(motion), "threshold": threshold, "need": need}
    return scored(item, "dynamic_degree", float(dynamic), detail=detail)


def static_filter(
    item: Item,
    judge: OpticalFlow,
    *,
    short_clips_need_no_motion: bool = OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION,
    undefined_flow_is_still: bool = OFFICIAL_UNDEFINED_FLOW_IS_STILL,
) -> Score:
    """1 when a clip is still enough for temporal_flickering, else 0. Source: static_filter.py.

    Not static when more than C neighbouring pairs move farther than T, or when the step from first to last frame, or
    back, is farther than 2·T·C.
    """
    frames = item.clip.frames
    if not len(frames):
        return unscored(item, "static_filter", "the clip has no frame")
    motion = _pair_motion(judge, frames[:-1], frames[1:], 0.02)
    ends = frames[[0, -1]]
    wrap = _pair_motion(judge, ends, ends[::-1], 0.02)
    if not undefined_flow_is_still and not all(map(math.isfinite, motion + wrap)):
        return unscored(item, "static_filter", "the judge gave no finite flow")
    threshold = static_threshold(item.clip.height, item.clip.width)
    allowance = static_allowance(len(frames))
    if not short_clips_need_no_motion:
        allowance = max(1, allowance)
    moving = sum(value > threshold for value in motion)
    static = moving <= allowance and not any(value > threshold * allowance * 2 for value in wrap)
    detail = {
        "pair_motion": _plain(motion),
        "wrap_motion": _plain(wrap),
        "threshold": threshold,
        "allowance": allowance,
    }
    return scored(item, "static_filter", float(static), detail=detail)


def _pair_motion(judge: OpticalFlow, first: Frames, second: Frames, share: float) -> list[float]:
    motion: list[float] = []
    for start in range(0, len(first), _PAIRS_AT_ONCE):
        chosen = slice(start, start + _PAIRS_AT_ONCE)
        motion += strongest_motion(judge.flow(first[chosen], second[chosen]), share)
    return motion


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
