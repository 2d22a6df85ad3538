"""The frame in which the official detectors see an image, and in which distances are measured."""

from __future__ import annotations

import numpy as np

from nova_eval.protocols import Floats, Frames, Item

_SHORT, _LONG = 479, 480  # pixels
OFFICIAL_DEPTH_STEPS = 255  # depth is stored as eight-bit grey


def official_size(height: int, width: int) -> tuple[int, int]:
    """(H, W) with the shorter side 479, unless the longer one would exceed 480: then that is 480."""
    short, long = min(height, width), max(height, width)
    new_short, new_long = _SHORT, int(_SHORT * long / short)
    if new_long > _LONG:
        new_short, new_long = int(_LONG * new_short / new_long), _LONG
    return (new_short, new_long) if height <= width else (new_long, new_short)


def official_frame(frame: Frames) -> Frames:
    """An (H, W, 3) frame at the official size, resized as Pillow does."""
    from PIL import Image

    height, width = official_size(*frame.shape[:2])
    return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR))


def detector_frame(item: Item, *, resized: bool) -> Frames:
    """The (1, H, W, 3) frame that a detector looks at for an image: at the official size, or as it is."""
    frame = item.clip.frames[0]
    return (official_frame(frame) if resized else frame)[None]


def official_depth(depth: Floats) -> Floats:
    """(H, W) nearness in 0 … 1 → the same at the official size, in eight-bit steps."""
    from PIL import Image

    height, width = official_size(*depth.shape)
    grey = Image.fromarray((depth * OFFICIAL_DEPTH_STEPS).astype(np.uint8))
    resized = np.asarray(grey.resize((width, height), Image.Resampling.BILINEAR))
    return (resized / np.float32(OFFICIAL_DEPTH_STEPS)).astype(np.float32)
