"""Which frames of a clip the sixteen rules look at, and what the suite stores beside a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from nova_eval.adapters.rule import count, unscored
from nova_eval.errors import MediaError
from nova_eval.media.videos import Size
from nova_eval.protocols import Footage, Frames, Item
from nova_eval.records import Prompt, Score

OFFICIAL_FRAMES_ARE_NOT_TURNED = True
"""OpenCV 4.11 ignores the orientation that a video declares. Corrected: frames lie as every viewer shows them."""


def too_short(item: Item, metric: str, needed: int) -> Score:
    """The row for a clip with fewer frames than the rule can work on."""
    return unscored(item, metric, f"the clip has {count(len(item.clip), 'frame')}, the rule needs {needed}")


def opencv_clip(item: Item, *, frames_are_not_turned: bool = OFFICIAL_FRAMES_ARE_NOT_TURNED) -> Footage:
    """The item's clip as OpenCV 4.11 reads it, which takes all colors for BT.601 and does not turn frames.

    Four rules are published with that reader (vbench/temporal_flickering.py, motion_smoothness.py, dynamic_degree.py,
    static_filter.py); the others, with decord, follow the file in both.
    """
    return item.clip.as_opencv(shown=not frames_are_not_turned)


def middle_indices(wanted: int, length: int) -> list[int]:
    """The middle frame of each of ``wanted`` equal parts; a shorter clip gives every frame, then repeats its last."""
    if wanted > 0 and length < 1:
        raise MediaError("the clip has no frame")
    edges = np.linspace(0, length, min(wanted, length) + 1).astype(int).tolist()
    indices = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    return indices + indices[-1:] * (wanted - len(indices))


def middle_frames(clip: Footage, wanted: int | None, size: Size | None = None) -> Frames:
    """``wanted`` frames by the middle rule, or all of them for ``None``, at ``size`` (None: as they are).

    No frame gives no frame.
    """
    if not len(clip):
        return clip.frames
    indices = range(len(clip)) if wanted is None else middle_indices(wanted, len(clip))
    return clip.take(indices) if size is None else clip.at_size(*size, indices)


def auxiliary(prompt: Prompt, dimension: str, field: str | None = None) -> Any:
    """What the suite stores beside a prompt for ``dimension``; ``None`` when it stores nothing.

    ``{"object": x}``, ``{"object_class": {"object": x}}`` and scene's ``{"scene": {"scene": {"scene": x}}}`` are all
    found in the wild: wrappers named like the dimension are taken off, then ``field`` is read.
    """
    value: Any = prompt.reference
    while isinstance(value, Mapping) and dimension in value:
        value = value[dimension]
    if field is not None:
        return value.get(field) if isinstance(value, Mapping) else None
    return None if isinstance(value, Mapping) else value
