"""Sprites that stand before other sprites: where a recognised outline holds a second color, what shape that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Floats
from nova_eval.sprites.features import nearness
from nova_eval.sprites.reading import COLOR_NAMES, LEAST_AREA, RECOGNISED, FrameReading, Seen, full_mask
from nova_eval.sprites.shape_bank import bank, correlate, silhouette
from nova_eval.sprites.tones import BODIES, color_codes, tone_table
from nova_eval.sprites.vocabulary import SHAPES

RIM = 2  # pixels at the working size along an outline that show the farther sprite's own color
LEAST_SHARE = 0.12  # of the outline's area; less of another color is no sprite


@dataclass(frozen=True, slots=True)
class Layered:
    """The sprites of a frame, surest first. ``before`` pairs the places of a nearer and a farther one."""

    objects: tuple[Seen, ...]
    before: tuple[tuple[int, int], ...] = ()


def read_layers(reading: FrameReading, size: tuple[int, int]) -> Layered:
    """The sprites of ``reading``, and those that stand before them, in a frame of ``size`` (H, W)."""
    pairs = [(seen, _before(seen, reading, size)) for seen in reading.objects]
    objects = sorted((seen for pair in pairs for one in pair if (seen := one)), key=lambda seen: -seen.score)
    found: list[tuple[int, int]] = []
    for far, near in pairs:
        if near is not None:
            changed = _recolored(far, reading)
            objects[_place(objects, far)] = changed
            found.append((_place(objects, near), _place(objects, changed)))
    return Layered(tuple(objects), tuple(found))


def layered_nearness(reading: FrameReading, layers: Layered, size: tuple[int, int]) -> Floats:
    """``nearness`` in which what stands before something is nearer than all else."""
    near = nearness(reading, size) / 1.25
    for front, _ in layers.before:
        near[full_mask(layers.objects[front], reading.covered.shape, size)] = 1.0
    return near / np.float32(max(float(near.max()), 1e-6))


def stands_before(layers: Layered, near: Seen, far: Seen) -> bool:
    """Whether ``near`` covers a part of ``far``."""
    return any(layers.objects[a] is near and layers.objects[b] is far for a, b in layers.before)


def _before(seen: Seen, reading: FrameReading, size: tuple[int, int]) -> Seen | None:
    """The sprite inside the outline of ``seen``, where its color differs from that of the rim."""
    import cv2

    colors, core = _body_colors(seen, reading), _core(seen)
    _, other = _own_and_other(seen, reading)
    area = int((core & (colors == other)).sum())
    if area < max(LEAST_SHARE * seen.mask.sum(), LEAST_AREA * reading.covered.size):
        return None
    closed = cv2.morphologyEx((core & (colors == other)).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((2, 2), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    if len(stats) < 2:
        return None
    number = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    left, top, width, height = (int(value) for value in stats[number][:4])
    mask = (labels[top : top + height, left : left + width] == number).astype(np.uint8)
    outline = silhouette(mask)
    scores = correlate(outline.patch[None])[0]
    best = int(scores.argmax())
    if scores[best] < RECOGNISED:
        return None
    side = min(reading.covered.shape)
    x, y = seen.corner[0] + left, seen.corner[1] + top
    scale = (size[1] / reading.covered.shape[1], size[0] / reading.covered.shape[0])
    return replace(
        seen,
        shape=SHAPES[int(bank().shapes[best])],
        color=COLOR_NAMES[other],
        texture="plain",
        box=(x * scale[0], y * scale[1], (x + width) * scale[0], (y + height) * scale[1]),
        score=float(scores[best]),
        x=(x + outline.x + 0.5) / side,
        y=(y + outline.y + 0.5) / side,
        radius=outline.radius / side / float(bank().radii[best]),
        angle=float(bank().angles[best]),
        mask=mask > 0,
        corner=(x, y),
    )


def _recolored(seen: Seen, reading: FrameReading) -> Seen:
    """``seen`` in the color of its rim: what stands before it has a color of its own."""
    own, _ = _own_and_other(seen, reading)
    return replace(seen, color=COLOR_NAMES[own], texture="plain")


def _own_and_other(seen: Seen, reading: FrameReading) -> tuple[int, int]:
    """The two commonest colors inside the outline, first the one that makes its rim.

    A third, on the rim only, is a blend with the surroundings.
    """
    colors = _body_colors(seen, reading)
    second, first = np.argsort(np.bincount(colors[colors >= 0], minlength=BODIES), kind="stable")[-2:]
    rim = colors[seen.mask & ~_core(seen)]
    one, other = (
        (int(first), int(second)) if (rim == first).sum() >= (rim == second).sum() else (int(second), int(first))
    )
    return one, other


def _body_colors(seen: Seen, reading: FrameReading) -> NDArray[np.int64]:
    """(h, w) within the box of ``seen``: the number of the color whose body tone a pixel shows, −1 for none."""
    left, top = seen.corner
    height, width = seen.mask.shape
    pixels = reading.small[top : top + height, left : left + width]
    tones = tone_table().nearest[color_codes(pixels)].astype(np.int64)
    return np.where(seen.mask & (tones < BODIES), tones, -1)


def _core(seen: Seen) -> NDArray[np.bool_]:
    import cv2

    reach = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    core: NDArray[np.bool_] = cv2.erode(seen.mask.astype(np.uint8), reach, borderValue=0) > 0
    return core


def _place(objects: Sequence[Seen], wanted: Seen) -> int:
    return next(place for place, seen in enumerate(objects) if seen is wanted)
