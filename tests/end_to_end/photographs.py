"""Real H.264 clips of several sizes, rates and lengths, filmed over the photographs that ship with scikit-image."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

PHOTOGRAPHS = ("astronaut", "coffee", "cat", "rocket")
SHOTS = ((320, 240, 8, 16), (480, 320, 12, 33), (256, 256, 24, 25), (640, 360, 30, 20), (214, 160, 10, 9))


def film(path: Path, number: int) -> None:
    """Writes clip ``number``: a pan, a zoom or a cut between two photographs, in a size, rate and length of its own."""
    width, height, fps, frames = SHOTS[number % len(SHOTS)]
    first, second = _photograph(number), _photograph(number + 1)
    move = (_pan, _zoom, _cut)[number % 3]
    write(path, [move(first, second, t / (frames - 1), width, height) for t in range(frames)], fps)


def write(path: Path, frames: list[np.ndarray], fps: int) -> None:
    height, width, _ = frames[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))


def _photograph(number: int) -> np.ndarray:
    from skimage import data

    return np.asarray(getattr(data, PHOTOGRAPHS[number % len(PHOTOGRAPHS)])())[..., :3]


def _pan(first: np.ndarray, second: np.ndarray, time: float, width: int, height: int) -> np.ndarray:
    scene = cv2.resize(first, (width * 3 // 2, height * 3 // 2), interpolation=cv2.INTER_AREA)
    x, y = round(time * (scene.shape[1] - width)), round(time * (scene.shape[0] - height) / 2)
    return scene[y : y + height, x : x + width]


def _zoom(first: np.ndarray, second: np.ndarray, time: float, width: int, height: int) -> np.ndarray:
    side = round(min(first.shape[:2]) * (1 - 0.4 * time))
    y, x = (first.shape[0] - side) // 2, (first.shape[1] - side) // 2
    return cv2.resize(first[y : y + side, x : x + side], (width, height), interpolation=cv2.INTER_AREA)


def _cut(first: np.ndarray, second: np.ndarray, time: float, width: int, height: int) -> np.ndarray:
    return cv2.resize(first if time < 0.5 else second, (width, height), interpolation=cv2.INTER_AREA)
