"""What was found of each checkpoint of a series, as one file of JSON lines says it, which is replaced whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nova_eval import files, reading
from nova_eval.errors import CorruptStoreError
from nova_eval.identity import canonical_json

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


@dataclass(frozen=True, slots=True)
class Value:
    """A metric in raw units, with its 95 % interval where there is one."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What is established of one metric beside another side: ``Finding`` without what it was made from.

    ``p_worse`` and ``p_better`` are corrected for all metrics, and for all that the series has looked at.
    """

    verdict: str
    difference: float | None
    low: float | None
    high: float | None
    p_worse: float | None
    p_better: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint that was tested, or ``problem``, for which it was passed over.

    ``name``, ``kind``, ``stage``, ``step``, ``state`` and ``changed`` are as ``nova.series.Saved`` has them. ``run`` is
    the run of its samples and scores, ``identity`` what makes them. ``reference`` tells one accepted reference from the
    next ("" without one), ``look`` counts the tests beside the same one, and ``share`` is what this one could spend of
    5 %. ``best`` is the best checkpoint before it ("" where there was none).
    """

    name: str
    kind: str = ""
    stage: str = ""
    step: int | None = None
    state: str = ""
    changed: float = 0.0
    run: str = ""
    identity: str = ""
    reference: str = ""
    look: int = 0
    share: float = 0.0
    values: Mapping[str, Value] = field(default_factory=dict)
    against: Mapping[str, Claim] = field(default_factory=dict)
    best: str = ""
    against_best: Mapping[str, Claim] = field(default_factory=dict)
    complete: bool = False
    problem: str = ""


def read(path: Path) -> list[Point]:
    """The points of a series in the order in which they were tested; none where there is no file."""
    how: reading.How = {"error": CorruptStoreError, "remedy": "move it away: what is finished of the runs stays"}
    if not path.exists():
        return []
    return [point for _, point in reading.json_lines(reading.text(path, **how), str(path), Point, **how)]


def write(path: Path, points: Sequence[Point]) -> None:
    """Replaces the file as a whole."""
    files.write(path, "".join(f"{canonical_json(point)}\n" for point in points))


def in_order(points: Sequence[Point]) -> list[Point]:
    """As they were written by the training: stage by stage, step by step."""
    began: dict[str, float] = {}
    for point in points:
        began[point.stage] = min(began.get(point.stage, point.changed), point.changed)
    return sorted(points, key=lambda p: (began[p.stage], p.stage, p.step is None, p.step or 0, p.name))


def best(points: Sequence[Point], config: BenchmarkConfig) -> Point | None:
    """The one with the highest score of those that were tested, the first of equals."""
    known = [(score, point) for point in points if (score := standing(point, config)) is not None]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def standing(point: Point, config: BenchmarkConfig) -> float | None:
    """The benchmark's headline score; the mean of all dimensions, each in its own range, where that is not known.

    ``None`` where a dimension is not known either, or nothing is.
    """
    headline = point.values.get(config.headline)
    if headline is not None and headline.value is not None:
        return headline.value
    parts = []
    for name, found in point.values.items():
        if (dimension := config.dimensions.get(name)) is None:
            continue
        if found.value is None:
            return None
        part = (found.value - dimension.minimum) / (dimension.maximum - dimension.minimum)
        parts.append(part if dimension.higher_is_better else 1 - part)
    return sum(parts) / len(parts) if parts else None


def with_state(points: Sequence[Point], name: str, identity: str, state: str) -> list[Point] | None:
    """The points with another state of the files of a checkpoint whose samples are the same; ``None`` without one."""
    same = [
        place for place, point in enumerate(points) if identity and (point.name, point.identity) == (name, identity)
    ]
    if not same:
        return None
    return [replace(point, state=state) if place in same else point for place, point in enumerate(points)]
