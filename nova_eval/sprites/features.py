"""What is measured of a frame besides its sprites: features whose cosine is likeness, colors in a mask, nearness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Floats, Frames, Mask
from nova_eval.sprites.reading import FrameReading, full_mask
from nova_eval.sprites.tones import BODIES, SPRITE_TONES, color_codes, tone_table
from nova_eval.sprites.vocabulary import COLORS, SHAPES

GRID = 8  # cells a side of the thumbnail
FLOOR = 4.0  # grey levels: thumbnails with less variation than this count as flat


def subject_features(reading: FrameReading) -> Floats:
    """(D,): the shapes and colors of the sprites, the surroundings and the light."""
    shapes = np.zeros(len(SHAPES), np.float32)
    for seen in reading.objects:
        shapes[SHAPES.index(seen.shape)] += 1
    tones = (
        tone_table().nearest[color_codes(reading.small[reading.covered])] if reading.objects else np.zeros(0, np.uint8)
    )
    colors = np.bincount(tones[tones < SPRITE_TONES] % BODIES, minlength=BODIES).astype(np.float32)
    return np.concatenate(
        [0.55 * _unit(shapes), 0.45 * _unit(colors), 0.45 * _thumbnail(reading), 0.35 * _light(reading.small)]
    )


def background_features(reading: FrameReading) -> Floats:
    """(D,): where the surroundings are light and dark, which backdrop tones they are made of, and the light."""
    tones = np.sqrt(reading.histogram[SPRITE_TONES:])
    return np.concatenate([0.6 * _thumbnail(reading), 0.6 * tones, 0.35 * _light(reading.small[uncovered(reading)])])


def color_name(frame: Frames, box: tuple[float, float, float, float], mask: Mask | None) -> str:
    """The commonest sprite color inside the mask, or the box where there is none; "" outside the frame."""
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    pixels = frame[mask] if mask is not None else frame[top:bottom, left:right].reshape(-1, 3)
    if not len(pixels):
        return ""
    tones = tone_table().nearest[color_codes(pixels)]
    votes = np.bincount(tones[tones < BODIES], minlength=BODIES)
    if not votes.any():
        votes = np.bincount(tones[tones < SPRITE_TONES] % BODIES, minlength=BODIES)
    name = tuple(COLORS)[int(votes.argmax())]
    return name if name != "gray" else "white" if pixels.mean() >= 128 else "black"


def nearness(reading: FrameReading, size: tuple[int, int]) -> Floats:
    """(H, W) in 0 … 1: the place from far (top) to 0.5 (bottom), sprites before it by their size."""
    near = np.repeat(np.linspace(0, 0.5, size[0], dtype=np.float32)[:, None], size[1], axis=1)
    for seen in sorted(reading.objects, key=lambda seen: seen.radius):
        near[full_mask(seen, reading.covered.shape, size)] = min(1.0, 0.6 + seen.radius)
    return near / np.float32(max(float(near.max()), 1e-6))


def _thumbnail(reading: FrameReading) -> Floats:
    """The uncovered picture as GRID × GRID colors around their mean, of unit length; flat pictures are alike."""
    import cv2

    open_ = uncovered(reading).astype(np.float32)
    weight = cv2.resize(open_, (GRID, GRID), interpolation=cv2.INTER_AREA)
    total = cv2.resize(reading.small * open_[..., None], (GRID, GRID), interpolation=cv2.INTER_AREA)
    mean = total.reshape(-1, 3).sum(0) / max(float(weight.sum()), 1e-6)
    row = (total.sum(1) + 0.1 * mean) / (weight.sum(1) + 0.1)[:, None]  # stands in for what is covered
    cells = (total + 0.3 * row[:, None]) / (weight[..., None] + 0.3) - mean
    flat = np.array([FLOOR * GRID * np.sqrt(3)], np.float32)
    return _unit(np.concatenate([cells.ravel(), flat]).astype(np.float32))


def uncovered(reading: FrameReading) -> Mask:
    """Where the place shows, clear of the blended rims of the sprites."""
    import cv2

    grown = cv2.dilate(reading.covered.astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(grown == 0)


def _light(pixels: Frames) -> Floats:
    """The mean color as unit vectors on a circle, one a channel: equal light, cosine 1."""
    turn = (pixels.reshape(-1, 3).mean(0) if pixels.size else np.zeros(3)) / 255.0 * np.pi * 0.9
    light: Floats = (np.concatenate([np.cos(turn), np.sin(turn)]) / np.sqrt(3)).astype(np.float32)
    return light


def _unit(vector: NDArray[np.float32]) -> Floats:
    length = float(np.linalg.norm(vector))
    result: Floats = (vector / length if length > 0 else vector).astype(np.float32)
    return result
