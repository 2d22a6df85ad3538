"""dynamic_degree, and the static filter of temporal_flickering: how far the fastest part of a frame moves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from nova_eval.adapters.rule import RATE_IS, ask, count, scored, unscored
from nova_eval.adapters.vbench.frames import OFFICIAL_FRAMES_ARE_NOT_TURNED, opencv_clip
from nova_eval.protocols import Asking, Floats, Footage, Item, OpticalFlow
from nova_eval.records import Score

OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION = True
"""The count that motion is compared with rounds to 0 for very short clips: two sampled frames are always dynamic, one
is never, and no clip of four frames or fewer is static (vbench/dynamic_degree.py ``check_move``, static_filter.py).
Corrected: the count is at least 1, and one frame is unscored."""

OFFICIAL_UNDEFINED_FLOW_IS_STILL = True
"""RAFT answers NaN below 128 padded pixels a side; NaN exceeds no threshold. Corrected: unscored."""

HIGHEST_RATE = 1000.0
"""Frames a second above which a rate is a mistake of the file."""

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
    *,
    short_clips_need_no_motion: bool = OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION,
    undefined_flow_is_still: bool = OFFICIAL_UNDEFINED_FLOW_IS_STILL,
    frames_are_not_turned: bool = OFFICIAL_FRAMES_ARE_NOT_TURNED,
    every_pair: bool = False,
) -> Asking[Score]:
    """1 when enough pairs of frames at about 8 fps move, else 0. Source: vbench/dynamic_degree.py.

    Pairs are looked at until the answer is known, or all of them with ``every_pair``.
    """
    if not 0 < item.clip.fps <= HIGHEST_RATE:
        return unscored(item, "dynamic_degree", f"the clip states {item.clip.fps:g} frames a second")
    frames = range(0, len(item.clip), stride(item.clip.fps))
    need = dynamic_need(len(frames))
    if not short_clips_need_no_motion:
        need = max(1, need)
    if len(frames) < (1 if short_clips_need_no_motion else 2):
        return unscored(item, "dynamic_degree", f"{count(len(frames), 'frame')} at 8 fps show no motion")
    threshold = dynamic_threshold(item.clip.height, item.clip.width)
    motion: list[float] = []
    moving = 0
    clip = opencv_clip(item, frames_are_not_turned=frames_are_not_turned)
    for some in _runs(frames):
        motion += yield from _pair_motion(clip, some, 0.05)
        moving = sum(value > threshold for value in motion)
        left = len(frames) - 1 - len(motion)
        if not every_pair and (moving >= need or moving + left < need):
            break
    if not undefined_flow_is_still and not all(map(math.isfinite, motion)):
        return unscored(item, "dynamic_degree", "the judge gave no finite flow")
    dynamic = bool(motion) and moving >= need
    detail = {"pair_motion": _plain(motion), "threshold": threshold, "need": need}
    if item.clip.rate_is:
        detail[RATE_IS] = item.clip.rate_is
    return scored(item, "dynamic_degree", float(dynamic), detail=detail)


def static_filter(
    item: Item,
    *,
    short_clips_need_no_motion: bool = OFFICIAL_SHORT_CLIPS_NEED_NO_MOTION,
    undefined_flow_is_still: bool = OFFICIAL_UNDEFINED_FLOW_IS_STILL,
    frames_are_not_turned: bool = OFFICIAL_FRAMES_ARE_NOT_TURNED,
    every_pair: bool = False,
) -> Asking[Score]:
    """1 when a clip is still enough for temporal_flickering, else 0. Source: static_filter.py.

    Not static when more than C neighboring pairs move farther than T, or when the step from first to last frame, or
    back, is farther than 2·T·C. That step is looked at first, then pairs until the answer is known (or all of them
    with ``every_pair``).
    """
    length = len(item.clip)
    if not length:
        return unscored(item, "static_filter", "the clip has no frame")
    threshold = static_threshold(item.clip.height, item.clip.width)
    allowance = static_allowance(length)
    if not short_clips_need_no_motion:
        allowance = max(1, allowance)
    clip = opencv_clip(item, frames_are_not_turned=frames_are_not_turned)
    ends = clip.take([0, length - 1])
    wrap = strongest_motion((yield from ask(OpticalFlow.flow, ends, ends[::-1])), 0.02)
    far = any(value > threshold * allowance * 2 for value in wrap)
    motion: list[float] = []
    if every_pair or not far:
        for some in _runs(range(length)):
            motion += yield from _pair_motion(clip, some, 0.02)
            if not every_pair and sum(value > threshold for value in motion) > allowance:
                break
    if not undefined_flow_is_still and not all(map(math.isfinite, motion + wrap)):
        return unscored(item, "static_filter", "the judge gave no finite flow")
    static = not far and sum(value > threshold for value in motion) <= allowance
    detail = {
        "pair_motion": _plain(motion),
        "wrap_motion": _plain(wrap),
        "threshold": threshold,
        "allowance": allowance,
    }
    return scored(item, "static_filter", float(static), detail=detail)


def _runs(places: range) -> Iterator[range]:
    """``places`` in runs of some pairs of neighbors; each begins with the last place of the one before."""
    for start in range(0, len(places) - 1, _PAIRS_AT_ONCE):
        yield places[start : start + _PAIRS_AT_ONCE + 1]


def _pair_motion(clip: Footage, places: range, share: float) -> Asking[list[float]]:
    """The motion of the pairs of neighbors among the frames at ``places``."""
    frames = clip.take(places)
    return strongest_motion((yield from ask(OpticalFlow.flow, frames[:-1], frames[1:])), share)


def _plain(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
