"""Appearance styles: how a finished clip is redrawn. Most map brightness onto one curve through RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.vocabulary import RGB

# brightness 0 … 255 runs through these colors at equal steps
CURVES: dict[str, tuple[RGB, ...]] = {
    "monochrome": ((0, 0, 0), (255, 255, 255)),
    "sepia": ((40, 22, 8), (150, 108, 66), (250, 232, 200)),
    "thermal": ((8, 4, 40), (120, 10, 130), (225, 60, 50), (255, 165, 20), (255, 250, 190)),
    "night_vision": ((2, 14, 4), (20, 120, 30), (150, 255, 150)),
}
PAPER, PENCIL = 246, 70
NEON_NIGHT: RGB = (8, 6, 22)
BLUEPRINT: tuple[RGB, RGB] = ((24, 64, 140), (236, 244, 255))


def restyle(frames: Frames, style: str | None) -> Frames:
    """The clip (T, H, W, 3) redrawn in ``style``; ``None`` leaves it as it is."""
    if style is None:
        return frames
    if style in CURVES:
        return curve_table(style)[luma(frames)]
    if style == "pixel_art":
        return _pixel_art(frames)
    lines = _lines(frames)
    if style == "sketch":
        tone = PAPER - (PAPER - PENCIL) * lines - 18 * (1 - luma(frames) / 255.0)
        return np.repeat(np.clip(tone, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    if style == "blueprint":
        low, high = (np.array(tone, np.float32) for tone in BLUEPRINT)
        return (low + (high - low) * lines[..., None]).astype(np.uint8)
    if style == "neon":
        vivid = _vivid(frames)
        return (np.array(NEON_NIGHT, np.float32) * (1 - lines[..., None]) + vivid * lines[..., None]).astype(np.uint8)
    raise ValueError(f"no style {style!r}")


def curve_table(style: str) -> NDArray[np.uint8]:
    """The 256 colors of a curve style, dark to bright."""
    knots = np.array(CURVES[style], np.float64)
    at = np.linspace(0, len(knots) - 1, 256)
    return np.stack([np.interp(at, np.arange(len(knots)), knots[:, c]) for c in range(3)], 1).astype(np.uint8)


def luma(frames: Frames) -> NDArray[np.uint8]:
    """BT.601 brightness of (…, 3) frames."""
    weighted = frames.astype(np.uint16)
    return ((77 * weighted[..., 0] + 150 * weighted[..., 1] + 29 * weighted[..., 2]) >> 8).astype(np.uint8)


def cell_size(height: int, width: int) -> int:
    """The side of a pixel-art cell in pixels."""
    return max(2, round(min(height, width) / 20))


def pixelated(frame: Frames) -> Frames:
    """The frame as a grid of flat cells, each the mean of what it covers."""
    import cv2

    height, width = frame.shape[:2]
    cell = cell_size(height, width)
    rows, columns = -(-height // cell), -(-width // cell)
    padded = cv2.copyMakeBorder(frame, 0, rows * cell - height, 0, columns * cell - width, cv2.BORDER_REPLICATE)
    small = cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (columns * cell, rows * cell), interpolation=cv2.INTER_NEAREST)
    result: Frames = large[:height, :width]
    return result


def _pixel_art(frames: Frames) -> Frames:
    return np.stack([pixelated(frame) // 32 * 32 + 16 for frame in frames])


def _lines(frames: Frames) -> NDArray[np.float32]:
    """How much of a drawn line each pixel is, 0 … 1: where any channel changes."""
    import cv2

    strokes = []
    for frame in frames:
        smooth = cv2.GaussianBlur(frame, (3, 3), 0.7).astype(np.int16)
        across = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
        strokes.append(np.clip(across.max(axis=-1) / 160.0 - 0.12, 0, 1))
    return np.stack(strokes).astype(np.float32)


def _vivid(frames: Frames) -> NDArray[np.float32]:
    """Colors at full saturation and brightness; greys become cyan."""
    import cv2

    result = []
    for frame in frames:
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = np.where(hsv[..., 1] < 40, 90, hsv[..., 0])
        hsv[..., 1:] = (225, 255)
        result.append(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))
    return np.stack(result).astype(np.float32)
