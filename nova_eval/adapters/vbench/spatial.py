"""spatial_relationship: are two objects beside, or above, each other?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import TypeAlias

from nova_eval.adapters.rule import ask, mean, scored, unscored
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames, too_short
from nova_eval.protocols import Asking, Detection, Detector, Item
from nova_eval.records import Score

Box: TypeAlias = tuple[float, float, float, float]

OFFICIAL_DIRECTION_IS_IGNORED = True
"""Left counts as right and top as bottom: only the axis is looked at, and any two boxes of the two classes make a pair,
two of the same class too (vbench/spatial_relationship.py ``get_position_score``, ``check_generate``). Corrected: one
box of each object, on the side that the prompt says."""

OFFICIAL_RELATIONS = (("on the right of", "on the left of"), ("on the bottom of", "on the top of"))
"""The official test is whether the relation is a *substring* of one of these: ``"left of"`` is horizontal, and so is
``"on the"`` or an empty relation."""

_SIDES: Mapping[str, tuple[int, int]] = {  # which center coordinate, and the sign of (b − a) along it
    "on the left of": (0, 1),
    "on the right of": (0, -1),
    "on the top of": (1, 1),
    "on the bottom of": (1, -1),
}


def position_score(relation: str, first: Sequence[float], second: Sequence[float], iou_threshold: float = 0.1) -> float:
    """1 when the boxes lie along the relation's axis, 0 when not; overlapping ones score ``iou_threshold / IoU``.

    Raises ZeroDivisionError for two boxes without area, as the official function does.
    """
    overlap = iou(first, second)
    dx, dy = (abs(difference) for difference in _between_centers(first, second))
    horizontal, vertical = OFFICIAL_RELATIONS
    if any(relation in name for name in horizontal):
        along, across = dx, dy
    elif any(relation in name for name in vertical):
        along, across = dy, dx
    else:
        return 0.0
    if along <= across:
        return 0.0
    return 1.0 if overlap < iou_threshold else iou_threshold / overlap


def iou(first: Sequence[float], second: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    width = max(0, min(first[2], second[2]) - max(first[0], second[0]))
    height = max(0, min(first[3], second[3]) - max(first[1], second[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return width * height / (areas[0] + areas[1] - width * height)


def spatial_relationship(
    item: Item, *, frames: int | None = 16, direction_is_ignored: bool = OFFICIAL_DIRECTION_IS_IGNORED
) -> Asking[Score]:
    """The mean over frames of the best pair's score, 0 for a frame without a pair, weighted by frames."""
    name_a, name_b, relation = (
        auxiliary(item.prompt, "spatial_relationship", field) for field in ("object_a", "object_b", "relationship")
    )
    if not all(isinstance(value, str) for value in (name_a, name_b, relation)):
        return unscored(item, "spatial_relationship", "the prompt lacks two objects and a relationship")
    if not direction_is_ignored and relation not in _SIDES:
        return unscored(item, "spatial_relationship", f"unknown relationship {relation!r}")
    looked_at = middle_frames(item.clip, frames)
    if not len(looked_at):
        return too_short(item, "spatial_relationship", 1)
    results = []
    for found in (yield from ask(Detector.detect, looked_at)):
        pairs: Iterable[tuple[Box, Box]]
        if direction_is_ignored:
            pairs = combinations(_boxes(found, {name_a, name_b}), 2)
        else:
            pairs = _directed_pairs(_boxes(found, {name_a}), _boxes(found, {name_b}), relation)
        try:
            results.append(max((position_score(relation, a, b) for a, b in pairs), default=0.0))
        except ZeroDivisionError:
            return unscored(item, "spatial_relationship", "the overlap of two boxes without area is undefined")
    return scored(item, "spatial_relationship", mean(results), len(results), {"frame_results": results})


def _boxes(found: Sequence[Detection], names: set[str]) -> list[Box]:
    """Whole-pixel boxes (truncated) of the detections with one of ``names``."""
    boxes: list[Box] = []
    for detection in found:
        if detection.label in names:
            x0, y0, x1, y1 = (int(side) for side in detection.box)
            boxes.append((x0, y0, x1, y1))
    return boxes


def _directed_pairs(boxes_a: Sequence[Box], boxes_b: Sequence[Box], relation: str) -> Iterator[tuple[Box, Box]]:
    """Pairs of different boxes, both with an area, of which the first lies on the side that ``relation`` says."""
    axis, sign = _SIDES[relation]
    for a, b in product(boxes_a, boxes_b):
        solid = all(box[0] < box[2] and box[1] < box[3] for box in (a, b))
        if solid and sign * _between_centers(a, b)[axis] > 0:
            yield a, b


def _between_centers(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    dx = (second[0] + second[2]) / 2 - (first[0] + first[2]) / 2
    dy = (second[1] + second[3]) / 2 - (first[1] + first[3]) / 2
    return dx, dy
