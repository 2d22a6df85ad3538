"""How strongly a frame shows each appearance style, 0 … 1, from its colors and edges alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.styles import BLUEPRINT, CURVES, NEON_NIGHT, cell_size, curve_table, luma

TOLERANCE = 11.0  # mean RGB deviation at which a frame no longer lies on a style's color curve


def style_score(frame: Frames, style: str) -> float:
    """How strongly one (H, W, 3) frame shows ``style``, 0 … 1. An ordinary frame scores near 0, one of one tone 0."""
    import cv2

    side = min(frame.shape[:2])
    small = frame if side <= 96 else cv2.resize(frame, None, fx=96 / side, fy=96 / side, interpolation=cv2.INTER_AREA)
    grey = luma(small).ravel()
    varied = float(np.clip(grey.std() / 4.0, 0, 1))
    if style == "pixel_art":
        return varied * _blockiness(frame)
    pixels = small.reshape(-1, 3).astype(np.float32)
    match style:
        case "sketch" | "monochrome":
            paper = float(np.percentile(grey, 70)) >= 226
            return varied * _on_curve(pixels, grey, "monochrome") * (paper == (style == "sketch"))
        case "blueprint":
            return varied * _on_segment(pixels, *(np.array(tone, np.float32) for tone in BLUEPRINT))
        case "neon":
            return varied * _neon(pixels)
    return varied * _on_curve(pixels, grey, style)


def _neon(pixels: NDArray[np.float32]) -> float:
    """1 where colored light stands on night."""
    dark = float((np.abs(pixels - np.array(NEON_NIGHT, np.float32)).max(1) < 26).mean())
    lit = float(((pixels.max(1) > 90) & (np.ptp(pixels, axis=1) > 60)).mean())
    return float(np.clip(dark / 0.45, 0, 1) * np.clip(lit / 0.02, 0, 1) * (dark + lit > 0.5))


def _on_curve(pixels: NDArray[np.float32], grey: NDArray[np.uint8], style: str) -> float:
    deviation = np.abs(pixels - _color_at(style)[grey]).mean()
    return float(np.clip(1.5 * (1 - deviation / TOLERANCE), 0, 1))


@lru_cache(maxsize=len(CURVES))
def _color_at(style: str) -> NDArray[np.float32]:
    """(256, 3): the color of each brightness on the style's curve."""
    table = curve_table(style)
    brightness = np.maximum.accumulate(luma(table))
    colors: NDArray[np.float32] = table[np.searchsorted(brightness, np.arange(256)).clip(0, 255)].astype(np.float32)
    return colors


def _on_segment(pixels: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]) -> float:
    axis = high - low
    along = np.clip((pixels - low) @ axis / float(axis @ axis), 0, 1)
    deviation = np.abs(pixels - (low + along[:, None] * axis)).mean()
    return float(np.clip(1.5 * (1 - deviation / TOLERANCE), 0, 1) * np.clip((0.6 - np.median(along)) / 0.3, 0, 1))


def _blockiness(frame: Frames) -> float:
    """1 where all change happens on the grid of pixel-art cells, 0 where the grid is no different from elsewhere."""
    cell = cell_size(*frame.shape[:2])
    grey = luma(frame).astype(np.float32)
    on, off = [], []
    for steps in (np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0)).T):
        border = (np.arange(steps.shape[1]) + 1) % cell == 0
        if border.any() and not border.all():
            on.append(float(steps[:, border].mean()))
            off.append(float(steps[:, ~border].mean()))
    if not on or np.mean(on) < 1.0:
        return 0.0
    return float(np.clip(1.25 * (1 - 2.0 * np.mean(off) / np.mean(on)), 0, 1))
