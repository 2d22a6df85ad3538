"""Technical quality and looks of a frame from plain measurements: noise, sharpness, exposure, color, composition."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.styles import luma


class Measures(NamedTuple):
    """``noise`` in grey levels; ``sharpness`` 0 … 1 (steepness of edges); ``contrast`` 0 … 1; ``clean`` 0 … 1."""

    noise: float
    sharpness: float
    contrast: float

    @property
    def clean(self) -> float:
        """1 without noise, near 0 at a standard deviation of 25 grey levels."""
        return float(np.exp(-((self.noise / 9.0) ** 1.2)))


def measure(frame: Frames) -> Measures:
    """The measurements of one (H, W, 3) frame."""
    import cv2

    grey = luma(frame).astype(np.float32)
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    second = np.abs(cv2.filter2D(grey, cv2.CV_32F, mask))[1:-1, 1:-1]
    noise = float(np.median(second)) / 0.6745 / 6.0
    kernel = np.ones((5, 5), np.uint8)
    extent = cv2.dilate(grey, kernel) - cv2.erode(grey, kernel)
    across = np.pad(np.abs(np.diff(grey, axis=1)), ((0, 0), (0, 1)))
    down = np.pad(np.abs(np.diff(grey, axis=0)), ((0, 1), (0, 0)))
    step = cv2.dilate(np.maximum(across, down), kernel)
    edges = extent > max(12.0, 0.5 * float(np.percentile(extent, 98)))
    steepness = float(np.median(step[edges] / extent[edges])) if edges.any() else 0.0
    low, high = np.percentile(grey, (1, 99))
    return Measures(noise, float(np.clip((steepness - 0.22) / 0.5, 0, 1)), float(np.clip((high - low) / 130.0, 0, 1)))


def quality(m: Measures) -> float:
    """Technical quality, 0 … 100: sharp edges, no noise, enough contrast."""
    return 100.0 * m.clean * (0.08 + 0.62 * m.sharpness + 0.22 * m.contrast)


def aesthetic(frame: Frames, covered: NDArray[np.bool_], m: Measures) -> float:
    """Looks, 0 … 10: lively but few colors, clear contrast and lines, and a subject (``covered``) near the middle."""
    r, g, b = (frame[..., c].astype(np.float32) for c in range(3))
    one, other = r - g, 0.5 * (r + g) - b
    colorful = np.hypot(one.std(), other.std()) + 0.3 * np.hypot(one.mean(), other.mean())
    lively = float(np.clip(colorful / 55.0, 0, 1))
    cells = np.bincount((frame.reshape(-1, 3) >> 5).astype(np.int64) @ np.array([64, 8, 1]), minlength=512)
    share = np.sort(cells)[::-1] / cells.sum()
    order = float(np.clip((share[:6].sum() - 0.1) / 0.7, 0, 1))
    subject = 0.6
    if 0.01 < covered.mean() < 0.5:
        ys, xs = np.nonzero(covered)
        off = np.hypot(xs.mean() / covered.shape[1] - 0.5, ys.mean() / covered.shape[0] - 0.5)
        subject = float(np.clip(1.15 - 1.6 * off, 0, 1))
    return (
        8.0 * m.clean * (0.08 + 0.22 * lively + 0.18 * order + 0.15 * m.contrast + 0.17 * m.sharpness + 0.12 * subject)
    )
