"""Dense motion between frames and the frame halfway between two, measured on pixels with OpenCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Floats, Frames
from nova_eval.sprites.styles import luma


def dense_flow(first: Frames, second: Frames) -> Floats:
    """Two (N, H, W, 3) → (N, H, W, 2) displacement of each pixel of ``first``, in pixels (x, y)."""
    estimator = _estimator()
    pairs = zip(luma(first), luma(second), strict=True)
    return np.stack([estimator.calc(one, other, None) for one, other in pairs]).astype(np.float32)


def halfway(first: Frames, second: Frames) -> Frames:
    """The frames midway between ``first`` and ``second``: both warped half of their flow."""
    forward, backward = dense_flow(first, second), dense_flow(second, first)
    result = np.empty_like(first)
    for i in range(len(first)):
        one, one_certain = _warp_half(first[i], forward[i], backward[i])
        other, other_certain = _warp_half(second[i], backward[i], forward[i])
        share = (one_certain / (one_certain + other_certain))[..., None]
        result[i] = np.clip(one * share + other * (1 - share) + 0.5, 0, 255).astype(np.uint8)
    return result


def _warp_half(
    frame: Frames, flow: NDArray[np.float32], reverse: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``frame`` moved half of ``flow``, and how far the two directions agree there (small where they do not)."""
    import cv2

    height, width = frame.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    disagreement = np.linalg.norm(
        flow + cv2.remap(reverse, xs + flow[..., 0], ys + flow[..., 1], cv2.INTER_LINEAR), axis=-1
    )
    back_x, back_y = xs - 0.5 * flow[..., 0], ys - 0.5 * flow[..., 1]
    moved = cv2.remap(frame, back_x, back_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    certain = np.exp(-cv2.remap(disagreement.astype(np.float32), back_x, back_y, cv2.INTER_LINEAR)) + 1e-3
    return moved.astype(np.float32), certain


def _estimator() -> Any:
    import cv2

    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    estimator.setFinestScale(0)
    estimator.setVariationalRefinementIterations(0)  # half the time, the same error on flat drawings
    return estimator
