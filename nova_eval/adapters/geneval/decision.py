"""Whether an image shows what its prompt asks for, and why not. Source: evaluation/evaluate_images.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

import numpy as np

from nova_eval.adapters.geneval.geometry import iou, relative_position
from nova_eval.adapters.geneval.prompts import COLORS
from nova_eval.adapters.rule import ask, first_frame, scored
from nova_eval.protocols import Asking, ColorClassifier, Detection, Detector, Frames, Item
from nova_eval.records import Score

Objects: TypeAlias = Mapping[str, Sequence[Detection]]  # by class, surest first


@dataclass(frozen=True, slots=True)
class Limits:
    """Which detections count. Scores must lie above a threshold, not at it; ``max_overlap`` 1 keeps overlapping boxes.

    Counting asks for surer objects than the other tasks.
    """

    threshold: float = 0.3
    counting_threshold: float = 0.9
    max_objects: int = 16
    max_overlap: float = 1.0
    position_threshold: float = 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reasons`` are the clauses that fail, in order; an image without any is correct."""

    reasons: tuple[str, ...]

    @property
    def correct(self) -> bool:
        return not self.reasons


def image_score(
    item: Item,
    *,
    metric: str,
    limits: Limits = Limits(),
) -> Asking[Score]:
    """1 for a correct image, 0 for another; ``detail`` holds the reason and the boxes that counted."""
    (found,) = yield from ask(Detector.detect, first_frame(item), joined=True)
    objects = kept_objects(found, limits, counting=metric == "counting")
    verdict = yield from decide(item.prompt.reference, objects, item.clip.frames[0], limits)
    boxes = {name: [[*map(float, _box(o)), float(np.float32(o.score))] for o in kept] for name, kept in objects.items()}
    detail = {"reason": "\n".join(verdict.reasons), "details": boxes}
    return scored(item, metric, float(verdict.correct), detail=detail)


def kept_objects(found: Iterable[Detection], limits: Limits, *, counting: bool) -> Objects:
    """The detections that count, by class. Scores are compared in single precision, as the detector gives them."""
    threshold = np.float32(limits.counting_threshold if counting else limits.threshold)
    by_class: dict[str, list[Detection]] = {}
    for detection in found:
        if np.float32(detection.score) > threshold:
            by_class.setdefault(detection.label, []).append(detection)
    return {
        name: _without_overlap(sorted(group, key=lambda o: -o.score)[: limits.max_objects], limits.max_overlap)
        for name, group in by_class.items()
    }


def decide(
    asked: Mapping[str, Any],
    objects: Objects,
    frame: Frames,
    limits: Limits = Limits(),
) -> Asking[Verdict]:
    """Every clause of ``include`` must hold and none of ``exclude`` may.

    An ``include`` clause asks for ``count`` objects of a ``class``, all of a ``color`` where it names one, each of them
    in a ``position`` to each object of an earlier clause; only the ``count`` surest objects are looked at, so a red car
    beside a surer blue one does not make "a red car". A clause that failed is no target for a position.
    """
    reasons: list[str] = []
    groups: list[Sequence[Detection] | None] = []
    for clause in asked.get("include", ()):
        name, number = clause["class"], clause["count"]
        group, reason = objects.get(name, ())[:number], ""
        if len(group) < number:
            reason = f"expected {name}>={number}, found {len(group)}"
        elif "color" in clause:
            colors = yield from ask(ColorClassifier.colors, frame, group)
            reason = _wrong_colors(clause, colors) if colors.count(clause["color"]) < number else ""
        if "position" in clause and not reason:
            reason = _wrong_place(clause, group, groups, limits)
        groups.append(None if reason else group)
        reasons += [reason] if reason else []
    for clause in asked.get("exclude", ()):
        name, number = clause["class"], clause["count"]
        if (found := len(objects.get(name, ()))) >= number:
            reasons.append(f"expected {name}<{number}, found {found}")
    return Verdict(tuple(reasons))


def _wrong_colors(clause: Mapping[str, Any], colors: Sequence[str]) -> str:
    name, number, wanted = clause["class"], clause["count"], clause["color"]
    seen = ", ".join(f"{colors.count(color)} {color}" for color in COLORS if color in colors)
    return f"expected {wanted} {name}>={number}, found {colors.count(wanted)} {wanted}; and {seen}"


def _wrong_place(
    clause: Mapping[str, Any],
    group: Sequence[Detection],
    groups: Sequence[Sequence[Detection] | None],
    limits: Limits,
) -> str:
    name, (relation, target) = clause["class"], clause["position"]
    targets = groups[target]
    if targets is None:
        return f"no target for {name} to be {relation}"
    for subject, other in product(group, targets):
        held = relative_position(_box(subject), _box(other), limits.position_threshold)
        if relation not in held:
            return f"expected {name} {relation} target, found {' and '.join(held)} target"
    return ""


def _without_overlap(group: Sequence[Detection], limit: float) -> list[Detection]:
    """Greedily from the surest: what overlaps a kept box by ``limit`` or more goes."""
    if limit == 1:
        return list(group)
    kept: list[Detection] = []
    for candidate in group:
        if all(iou(_box(other), _box(candidate)) < limit for other in kept):
            kept.append(candidate)
    return kept


def _box(detection: Detection) -> np.ndarray:
    return np.array(detection.box, np.float32)
