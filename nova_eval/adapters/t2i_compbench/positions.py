"""How well two boxes stand in a relation, from 0 to 1. Source: UniDet_eval/{2D,3D}_spatial_eval.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from nova_eval.adapters.t2i_compbench import single_precision
from nova_eval.protocols import Floats

RELATIONS_2D = (
    *("on side of", "next to", "near", "on the left of", "on the right of", "on the bottom of", "on the top of"),
    "on top of",
)
"""The first of these that a prompt contains is its relation, wherever it stands."""

RELATIONS_3D = ("in front of", "behind", "hidden")

OFFICIAL_ON_TOP_OF_NEVER_HOLDS = True
""""on top of" is recognised and scores 0 for any two boxes, where "on the top of" scores. Corrected: they are one."""

OFFICIAL_NEAR_ON_ONE_AXIS_IS_NEAR = True
"""Objects are near when they are less than 150 pixels apart horizontally *or* vertically, so two ends of a row are.
Corrected: on both axes."""

OFFICIAL_DEPTH_IS_SLICED_BY_COLUMNS_FIRST = True
"""The depth map, stored by rows, is cut as ``[x0:x1, y0:y1]``: the region of the box mirrored at the diagonal. Where
that lies outside of a map that is no square, its mean is undefined and no relation holds. Corrected: the box itself."""

_NEAR = 150  # pixels of the official frame
_LITTLE_OVERLAP, _MUCH_OVERLAP = 0.1, 0.5
_BESIDE = frozenset({"next to", "on side of", "near"})
_SIDES: Mapping[str, tuple[int, int]] = {  # axis, and the sign of (b − a) along it
    "on the left of": (0, 1),
    "on the right of": (0, -1),
    "on the top of": (1, 1),
    "on the bottom of": (1, -1),
}

Box = Sequence[float]


def relation_in(text: str, relations: Sequence[str]) -> str | None:
    """The first of ``relations`` that the text contains."""
    return next((relation for relation in relations if relation in text), None)


def position_2d(
    relation: str | None,
    a: Box,
    b: Box,
    *,
    on_top_of_never_holds: bool = OFFICIAL_ON_TOP_OF_NEVER_HOLDS,
    near_on_one_axis_is_near: bool = OFFICIAL_NEAR_ON_ONE_AXIS_IS_NEAR,
) -> float:
    """How far A is beside, or on the named side of, B.

    A side needs the larger part of the offset along its axis; boxes that overlap by 0.1 or more score ``0.1 / IoU``.
    Raises ZeroDivisionError for two boxes without area, as the official function does.
    """
    overlap = iou(a, b)
    offset = _offset(a, b)
    if relation in _BESIDE:
        apart = [abs(part) for part in offset]
        near = min(apart) if near_on_one_axis_is_near else max(apart)
        return 1.0 if near < _NEAR else _NEAR / max(apart)
    if relation == "on top of" and not on_top_of_never_holds:
        relation = "on the top of"
    if relation is None or relation not in _SIDES:
        return 0.0
    axis, sign = _SIDES[relation]
    along, across = sign * offset[axis], abs(offset[1 - axis])
    if along <= 0 or along <= across:
        return 0.0
    return 1.0 if overlap < _LITTLE_OVERLAP else _LITTLE_OVERLAP / overlap


def position_3d(
    relation: str | None,
    a: Box,
    b: Box,
    depth: Floats,
    *,
    columns_first: bool = OFFICIAL_DEPTH_IS_SLICED_BY_COLUMNS_FIRST,
) -> float:
    """How far A is in front of, or behind, B, by the mean nearness ``depth`` (H, W) of the two boxes.

    The boxes must overlap: by more than half for the full score, by less for twice their IoU; exactly half scores 0.
    """
    overlap = iou(a, b)
    if relation not in RELATIONS_3D:
        return 0.0
    difference = _nearness(depth, a, columns_first) - _nearness(depth, b, columns_first)
    holds = difference > 0 if relation == "in front of" else difference < 0
    if not holds or overlap <= 0 or overlap == _MUCH_OVERLAP:
        return 0.0
    return 1.0 if overlap > _MUCH_OVERLAP else overlap / _MUCH_OVERLAP


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return width * height / (area_a + area_b - width * height)


def _offset(a: Box, b: Box) -> tuple[float, float]:
    """From A's center to B's."""
    return (b[0] + b[2]) / 2 - (a[0] + a[2]) / 2, (b[1] + b[3]) / 2 - (a[1] + a[3]) / 2


def _nearness(depth: Floats, box: Box, columns_first: bool) -> float:
    x0, y0, x1, y1 = (int(side) for side in box)
    if not columns_first:
        region = depth[y0:y1, x0:x1]
        return float(np.mean(region, dtype=np.float64)) if region.size else math.nan
    region = depth[x0:x1, y0:y1]
    return single_precision.mean(region) if region.size else math.nan
