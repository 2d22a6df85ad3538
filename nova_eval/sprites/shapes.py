"""Outlines of the sprites in their own coordinates: x right, y down, fitting the unit circle.

A shape is a list of parts; a part is a list of closed contours filled by the even-odd rule, so a ring is one part of
two contours and a person is several parts of one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Contour = NDArray[np.float64]  # (points, 2)
Parts = list[list[Contour]]


def outline(shape: str, pose: float = 0.0) -> Parts:
    """The parts of ``shape``. ``pose`` is the phase of a person's stride in radians; other shapes ignore it."""
    if shape == "person":
        return _person(round(pose, 3))
    return _OUTLINES[shape]


def rotation(angle: float) -> NDArray[np.float64]:
    """The matrix that turns row vectors clockwise on screen by ``angle`` radians."""
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@lru_cache(maxsize=256)
def _person(pose: float) -> Parts:
    swing = 0.30 * np.sin(pose)
    hip, neck, shoulder = np.array((0.0, 0.22)), np.array((0.0, -0.44)), np.array((0.0, -0.30))
    limbs = [
        (neck, hip, 0.15),
        (hip, np.array((0.40 + swing * 0.6, 0.92)), 0.13),
        (hip, np.array((-0.40 + swing * 0.6, 0.92)), 0.13),
        (shoulder, np.array((0.56, 0.04 - swing)), 0.12),
        (shoulder, np.array((-0.56, 0.04 + swing)), 0.12),
    ]
    head = _arc(0.27) + np.array((0.0, -0.72))
    return [[head], *[[_capsule(start, end, width)] for start, end, width in limbs]]


def _star() -> Contour:
    angles = np.arange(10) * np.pi / 5 - np.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 1.12, 0.46)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def _cross() -> Contour:
    a, b = 0.34, 1.0
    quarter = np.array([(a, -b), (a, -a), (b, -a)])
    return np.concatenate([quarter @ rotation(turn * np.pi / 2) for turn in range(4)])


def _heart() -> Contour:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    contour: Contour = np.stack([x, y - 2.4], 1) / 15.5
    return contour


def _crescent() -> Contour:
    outer = np.linspace(np.pi * 0.22, np.pi * 1.78, 40)
    tip = np.array([np.cos(outer[0]), np.sin(outer[0])])
    centre = 0.5
    radius, reach = float(np.hypot(tip[0] - centre, tip[1])), float(np.arctan2(tip[1], tip[0] - centre))
    inner = np.linspace(2 * np.pi - reach, reach, 32)
    front = np.stack([np.cos(outer), np.sin(outer)], 1)
    back = np.stack([centre + radius * np.cos(inner), radius * np.sin(inner)], 1)
    contour: Contour = np.concatenate([front, back]) * 1.1 + np.array((0.2, 0.0))
    return contour


def _arc(radius: float, points: int = 40) -> Contour:
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _capsule(start: Contour, end: Contour, width: float) -> Contour:
    along = np.arctan2(*(end - start)[::-1])
    half = np.linspace(-np.pi / 2, np.pi / 2, 7)
    cap_end = end + width * np.stack([np.cos(along + half), np.sin(along + half)], 1)
    cap_start = start + width * np.stack([np.cos(along + np.pi + half), np.sin(along + np.pi + half)], 1)
    return np.concatenate([cap_end, cap_start])


_OUTLINES: dict[str, Parts] = {
    "circle": [[_arc(1.0)]],
    "ring": [[_arc(1.0), _arc(0.54)]],
    "square": [[np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.84]],
    "triangle": [[np.array([(0, -1.0), (1.0, 0.8), (-1.0, 0.8)])]],
    "diamond": [[np.array([(0, -1.1), (0.66, 0), (0, 1.1), (-0.66, 0)])]],
    "star": [[_star()]],
    "cross": [[_cross()]],
    "arrow": [[np.array([(-1.05, -0.3), (0.1, -0.3), (0.1, -0.85), (1.1, 0), (0.1, 0.85), (0.1, 0.3), (-1.05, 0.3)])]],
    "heart": [[_heart()]],
    "crescent": [[_crescent()]],
}
