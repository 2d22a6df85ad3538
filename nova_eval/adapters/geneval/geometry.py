"""Where one box lies relative to another, and how far they overlap. Source: evaluation/evaluate_images.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Box: TypeAlias = Sequence[float] | NDArray[Any]

_NEGLIGIBLE = 1e-3  # pixels


def relative_position(a: Box, b: Box, threshold: float = 0.1) -> list[str]:
    """Where A lies as seen from B: none, one or two of left of, right of, above, below; sorted.

    The offset of the centers is shortened on each axis by ``threshold`` times the two boxes' sizes, and divided by its
    full length; a relation needs more than half. y grows downwards. Computed in the boxes' own precision.
    """
    corners = np.array([a, b]).reshape(2, 2, 2)
    center_a, center_b = corners.mean(axis=1)
    size_a, size_b = np.abs(corners[:, 1] - corners[:, 0])
    offset = center_a - center_b
    shortened = np.maximum(np.abs(offset) - threshold * (size_a + size_b), 0) * np.sign(offset)
    if np.all(np.abs(shortened) < _NEGLIGIBLE):
        return []
    x, y = shortened / np.linalg.norm(offset)
    held = {"left of": x < -0.5, "right of": x > 0.5, "above": y < -0.5, "below": y > 0.5}
    return sorted(relation for relation, holds in held.items() if holds)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes that include their last pixel; 0 for two boxes without one."""
    shared = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = _area(a) + _area(b) - shared
    return float(shared / union) if union else 0.0


def _area(box: Box) -> float:
    return max(box[2] - box[0] + 1, 0) * max(box[3] - box[1] + 1, 0)
