"""Reading a frame: which sprites it shows, where, and at which place. From pixels alone, at any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.shape_bank import Silhouette, bank, correlate, silhouette
from nova_eval.sprites.tones import BODIES, PLAIN, SPRITE_TONES, color_codes, tone_table
from nova_eval.sprites.vocabulary import COLORS, SHAPES

WORKING_SIDE = 96  # larger frames are reduced to this shorter side before they are read
LEAST_WORKING_SIDE = 40  # … and smaller ones enlarged to this
RECOGNISED = 0.80  # least correlation with a template that is called by its name
LEAST_AREA = 0.0035  # of the frame; smaller specks are not objects
LEAST_SIDE = 0.07  # of the frame's shorter side
COLOR_NAMES = tuple(COLORS)


@dataclass(frozen=True, slots=True)
class Seen:
    """One sprite: lengths in units of the frame's shorter side, ``box`` in pixels of the frame, angle in degrees.

    ``radius`` is that of the circle the shape is inscribed in.
    """

    shape: str
    color: str
    texture: str
    box: tuple[float, float, float, float]
    score: float
    x: float
    y: float
    radius: float
    angle: float
    mask: NDArray[np.bool_]  # within the box, at working size
    corner: tuple[int, int]  # (left, top) of the mask in the working frame

    @property
    def size(self) -> str:
        """``"small"`` or ``"large"``."""
        return "small" if self.radius < 0.14 else "large"


@dataclass(frozen=True, slots=True)
class FrameReading:
    """What one frame shows. ``covered`` marks pixels of sprites at working size; ``places`` gives each place 0 … 1."""

    objects: tuple[Seen, ...]
    places: dict[str, float]
    histogram: NDArray[np.float32]
    covered: NDArray[np.bool_]
    small: Frames

    @property
    def place(self) -> str | None:
        """The place, ``None`` on a plain backdrop or where none is recognised."""
        name = max(self.places, key=self.places.__getitem__)
        return name if self.places[name] >= 0.5 and name != PLAIN else None


def full_mask(seen: Seen, working: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of ``seen`` in a frame of ``size`` (H, W) that was read at ``working`` (h, w)."""
    import cv2

    mask = np.zeros(working, np.uint8)
    left, top = seen.corner
    mask[top : top + seen.mask.shape[0], left : left + seen.mask.shape[1]] = seen.mask
    if working == size:
        return mask.astype(np.bool_)
    resized: NDArray[np.bool_] = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST).astype(np.bool_)
    return resized


def working_copies(frames: Frames) -> Frames:
    """The frames with their shorter side between ``LEAST_WORKING_SIDE`` and ``WORKING_SIDE``."""
    import cv2

    height, width = frames.shape[1:3]
    side = min(height, width)
    if LEAST_WORKING_SIDE <= side <= WORKING_SIDE:
        return frames
    scale = (WORKING_SIDE if side > WORKING_SIDE else LEAST_WORKING_SIDE) / side
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.stack([cv2.resize(frame, size, interpolation=kind) for frame in frames])


def read_frames(frames: Frames) -> list[FrameReading]:
    """One reading per frame of (N, H, W, 3)."""
    table = tone_table()
    small = working_copies(frames)
    codes = color_codes(small)
    tones = table.nearest[codes]
    sprite = (tones < SPRITE_TONES) & table.near[codes]
    certain = table.certain[codes]
    found = [_components(small[i], sprite[i], tones[i], certain[i]) for i in range(len(small))]
    outlines = [each.silhouette for masks in found for each in masks]
    scores = correlate(np.stack([each.patch for each in outlines])) if outlines else np.zeros((0, 1), np.float32)
    scale = (frames.shape[2] / small.shape[2], frames.shape[1] / small.shape[1])
    readings, cursor = [], 0
    for i, masks in enumerate(found):
        rows = scores[cursor : cursor + len(masks)]
        cursor += len(masks)
        objects = [seen for mask, row in zip(masks, rows, strict=True) if (seen := _name(mask, row, scale))]
        objects.sort(key=lambda seen: -seen.score)
        readings.append(_frame_reading(small[i], tones[i], certain[i], sprite[i], objects))
    return readings


@dataclass(frozen=True, slots=True)
class _Component:
    mask: NDArray[np.uint8]  # cropped
    tones: NDArray[np.uint8]  # cropped
    pixels: Frames  # cropped
    left: int
    top: int
    side: int  # shorter side of the working frame
    silhouette: Silhouette


def _components(
    frame: Frames, sprite: NDArray[np.bool_], tones: NDArray[np.uint8], certain: NDArray[np.bool_]
) -> list[_Component]:
    import cv2

    height, width = sprite.shape
    # Between a white stripe and a dark one a pixel is as pale as a backdrop: close such gaps.
    closed = cv2.morphologyEx(sprite.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=4)
    least = max(12, LEAST_AREA * height * width)
    components = []
    for number in range(1, count):
        left, top, w, h, area = (int(value) for value in stats[number])
        if not least <= area <= 0.6 * height * width or min(w, h) < LEAST_SIDE * min(height, width):
            continue
        window = (slice(top, top + h), slice(left, left + w))
        inside = labels[window] == number
        if certain[window][inside].mean() < 0.65:
            continue
        mask = inside.astype(np.uint8)
        components.append(
            _Component(mask, tones[window], frame[window], left, top, min(height, width), silhouette(mask))
        )
    return components[:12]


def _name(component: _Component, scores: NDArray[np.float32], scale: tuple[float, float]) -> Seen | None:
    best = int(scores.argmax())
    if scores[best] < RECOGNISED:
        return None
    mask, outline = component.mask, component.silhouette
    votes = np.bincount(component.tones[mask > 0], minlength=SPRITE_TONES)
    bodies, shades = votes[:BODIES], votes[BODIES : 2 * BODIES] + votes[2 * BODIES : SPRITE_TONES]
    color = int(bodies.argmax()) if bodies.sum() >= 0.3 * shades.sum() else int(shades.argmax())
    height, width = mask.shape
    left, top = component.left * scale[0], component.top * scale[1]
    return Seen(
        shape=SHAPES[int(bank().shapes[best])],
        color=COLOR_NAMES[color],
        texture=_texture(component, color),
        box=(left, top, left + width * scale[0], top + height * scale[1]),
        score=float(scores[best]),
        x=(component.left + outline.x + 0.5) / component.side,
        y=(component.top + outline.y + 0.5) / component.side,
        radius=outline.radius / component.side / float(bank().radii[best]),
        angle=float(bank().angles[best]),
        mask=mask > 0,
        corner=(component.left, component.top),
    )


def _texture(component: _Component, color: int) -> str:
    """Which pattern the shaded pixels make, by their share of the inside and whether they run in one direction."""
    import cv2

    inside = cv2.erode(component.mask, np.ones((3, 3), np.uint8), borderValue=0) > 0
    if inside.sum() < 20:
        return "plain"
    body, shade = (np.array(tone, np.float32) for tone in COLORS[COLOR_NAMES[color]])
    axis = (shade - body) / float(((shade - body) ** 2).sum())
    shaded = np.clip((component.pixels.astype(np.float32) - body) @ axis, 0, 1)
    share = float(shaded[inside].mean())
    if share < 0.11:
        return "plain"
    core = cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) > 0
    core = core if core.sum() >= 20 else inside
    down, across = cv2.Sobel(shaded, cv2.CV_32F, 0, 1)[core], cv2.Sobel(shaded, cv2.CV_32F, 1, 0)[core]
    energy = float((down**2).sum() + (across**2).sum())
    difference, product = float((across**2 - down**2).sum()), 2 * float((across * down).sum())
    if np.hypot(difference, product) > 0.5 * energy:
        return "striped"
    return "dotted" if share < 0.37 else "checked"


def _frame_reading(
    frame: Frames,
    tones: NDArray[np.uint8],
    certain: NDArray[np.bool_],
    sprite: NDArray[np.bool_],
    objects: Sequence[Seen],
) -> FrameReading:
    table = tone_table()
    counted = certain & ~sprite
    histogram = np.bincount(tones[counted], minlength=table.count).astype(np.float32)
    open_ = max(int((~sprite).sum()), 1)
    histogram /= open_
    places = {}
    for name, members in table.places.items():
        explained = float(histogram @ members)
        shown = np.minimum(1.0, table.essential[name] @ histogram / 0.05)
        places[name] = explained * (float(shown.mean()) if len(shown) else 1.0)
    return FrameReading(tuple(objects), places, histogram, sprite, frame)
