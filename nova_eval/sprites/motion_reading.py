"""Naming how a sprite moves and how the camera moves, from sampled frames of one clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.reading import FrameReading, Seen
from nova_eval.sprites.shape_bank import SYMMETRY
from nova_eval.sprites.styles import luma
from nova_eval.sprites.vocabulary import STILL

Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Track:
    """The main sprite over the frames that show it: lengths in shorter sides, angle in degrees, unwrapped."""

    shape: str
    share: float  # of the frames
    x: Curve
    y: Curve
    radius: Curve
    angle: Curve


def main_track(readings: Sequence[FrameReading]) -> Track | None:
    """The sprite that most frames show, ``None`` where fewer than two thirds of them agree on one."""
    votes = Counter(seen.shape for reading in readings for seen in reading.objects[:1])
    if not votes:
        return None
    shape = votes.most_common(1)[0][0]
    chosen: list[Seen] = []
    for reading in readings:
        matching = [seen for seen in reading.objects if seen.shape == shape]
        if matching:
            chosen.append(max(matching, key=lambda seen: seen.radius))
    if len(chosen) < max(3, len(readings) * 2 / 3):
        return None
    values = np.array([(seen.x, seen.y, seen.radius, seen.angle) for seen in chosen])
    angle = np.unwrap(values[:, 3], period=SYMMETRY.get(shape, 360))
    return Track(shape, len(chosen) / len(readings), values[:, 0], values[:, 1], values[:, 2], angle)


def name_motion(track: Track | None) -> str | None:
    """One of ``MOTIONS``, ``"still"``, or ``None`` without a track."""
    if track is None:
        return None
    wide, high = float(np.ptp(track.x)), float(np.ptp(track.y))
    if max(wide, high) > 0.11:
        return _path(track, wide, high)
    turn = float(np.ptp(_smooth(track.angle)))
    sizes = float(np.ptp(_smooth(track.radius)) / max(float(track.radius.mean()), 1e-6))
    if sizes > 0.24 and (turn < 45 or sizes > 0.45):
        steady = _steadiness(track.radius)
        if steady > 0.8:
            return "growing" if track.radius[-1] > track.radius[0] else "shrinking"
        return "pulsing"
    if turn > 30:
        return "spinning" if _steadiness(track.angle) > 0.8 and turn > 90 else "rocking"
    return STILL


def _path(track: Track, wide: float, high: float) -> str:
    if wide > 0.11 and high > 0.09:
        return "zigzagging" if _steadiness(track.x) > 0.85 else "circling"
    if wide > high:
        return "swaying"
    if _steadiness(track.y) > 0.85:
        return "rising" if track.y[-1] < track.y[0] else "falling"
    return "bouncing"


def _steadiness(curve: Curve) -> float:
    """|net change| / total change: 1 for a monotone curve, near 0 for one that returns."""
    curve = _smooth(curve)
    total = float(np.abs(np.diff(curve)).sum())
    return abs(float(curve[-1] - curve[0])) / total if total > 0 else 0.0


def _smooth(curve: Curve) -> Curve:
    """Medians of three: one misread frame is not a motion."""
    if len(curve) < 3:
        return curve
    inner = np.median(np.stack([curve[:-2], curve[1:-1], curve[2:]]), axis=0)
    return np.concatenate([curve[:1], inner, curve[-1:]])


# --- the camera -------------------------------------------------------------------------------------------------------


def name_camera(frames: Frames) -> str:
    """One of ``CAMERAS``: how the whole picture moves over the clip (N, H, W, 3)."""
    if len(frames) < 2:
        return "steady"
    sharp = _steepness(frames)
    zoom, x, y = _global_motion(_small_grey(frames)).T
    if sharp.max() > 1.62 * max(float(sharp.min()), 1e-6) and np.abs(np.cumsum(zoom)).max() < 0.25:
        return "focus"
    steps, net = float(np.hypot(x, y).mean()), float(np.hypot(x.sum(), y.sum()))
    if steps > 0.02 and net < 0.45 * steps * len(x):
        return "shaking"
    strengths = {
        "zoom_in": zoom.sum() / 0.20,
        "zoom_out": -zoom.sum() / 0.20,
        "pan_left": x.sum() / 0.14,
        "pan_right": -x.sum() / 0.14,
        "tilt_up": y.sum() / 0.14,
        "tilt_down": -y.sum() / 0.14,
    }
    name = max(strengths, key=strengths.__getitem__)
    return name if strengths[name] > 1 else "steady"


def _small_grey(frames: Frames) -> NDArray[np.float32]:
    import cv2

    height, width = frames.shape[1:3]
    scale = 64 / min(height, width)
    size = (round(width * scale), round(height * scale))
    return np.stack(
        [
            cv2.GaussianBlur(cv2.resize(luma(f), size, interpolation=cv2.INTER_AREA), (0, 0), 1.2).astype(np.float32)
            for f in frames
        ]
    )


def _steepness(frames: Frames) -> NDArray[np.float32]:
    """How steep the steepest edges of each frame are, relative to its contrast."""
    grey = luma(frames).astype(np.float32)
    across = np.abs(np.diff(grey, axis=2)).reshape(len(grey), -1)
    down = np.abs(np.diff(grey, axis=1)).reshape(len(grey), -1)
    edges = np.percentile(np.concatenate([across, down], axis=1), 98, axis=1)
    contrast = np.maximum(np.percentile(grey, 99, axis=(1, 2)) - np.percentile(grey, 1, axis=(1, 2)), 1)
    result: NDArray[np.float32] = (edges / contrast).astype(np.float32)
    return result


def _global_motion(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N-1, 3): per step log magnification and shift (x, y) in shorter sides, by robust Gauss-Newton alignment."""
    import cv2

    height, width = grey.shape[1:]
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    xs, ys = xs - (width - 1) / 2, ys - (height - 1) / 2
    half = min(height, width) / 2
    result = np.zeros((len(grey) - 1, 3))
    inner = (slice(4, -4), slice(4, -4))
    for step in range(len(grey) - 1):
        first, second = grey[step], grey[step + 1]
        estimate = np.zeros(3)
        for sigma in (2.5, 2.5, 2.5, 0.0, 0.0):
            one = cv2.GaussianBlur(first, (0, 0), sigma) if sigma else first
            magnify = np.exp(estimate[0])
            centre = np.array([(width - 1) / 2, (height - 1) / 2])
            offset = centre - magnify * centre + estimate[1:] * 2 * half
            matrix = np.array([[magnify, 0, offset[0]], [0, magnify, offset[1]]])
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            warped = cv2.warpAffine(second, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            warped = cv2.GaussianBlur(warped, (0, 0), sigma) if sigma else warped
            gx, gy = cv2.Sobel(warped, cv2.CV_32F, 1, 0)[inner] / 8, cv2.Sobel(warped, cv2.CV_32F, 0, 1)[inner] / 8
            residual = (one - warped)[inner]
            columns = np.stack(
                [(gx * xs[inner] + gy * ys[inner]).ravel(), gx.ravel() * 2 * half, gy.ravel() * 2 * half], 1
            )
            weights = 1 / np.maximum(np.abs(residual).ravel(), 6.0)
            weighted = columns * weights[:, None]
            normal = weighted.T @ columns + np.diag([1.0, 1.0, 1.0])
            change = np.linalg.solve(normal, weighted.T @ residual.ravel())
            estimate += np.clip(change, -0.08, 0.08)
        result[step] = estimate
    return result
