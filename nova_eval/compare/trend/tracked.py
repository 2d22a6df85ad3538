"""Which points of a series trackers have: each is told once, and one that a tracker missed is told later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from nova_eval import files, reading
from nova_eval.compare.trend.outcome import line
from nova_eval.compare.trend.points import Point, best
from nova_eval.compare.trend.trend import Trend
from nova_eval.compare.verdicts import Verdict
from nova_eval.errors import CorruptStoreError
from nova_eval.identity import canonical_json
from nova_eval.trackers import Shown, Tracker, Tracking

Samples = Callable[[Point], Sequence[Shown]]


def track(tracking: Tracking, trend: Trend, samples: Samples) -> None:
    """Tells every tracker the points that it does not have, and what stands for the whole series now."""
    path = trend.folder / "tracked.json"
    known: dict[str, list[str]] = {}
    if path.exists():
        known = reading.json_file(path, dict[str, list[str]], error=CorruptStoreError, remedy="remove it")
    axis = trend.config.name
    for place, point in enumerate(trend.points):
        name = f"{point.name} {point.look} {point.reference}"
        open_ = [text for text in tracking if name not in known.get(text, ())]
        if not open_:
            continue
        step = point.step if point.step is not None else 1 + max((p.step or 0 for p in trend.points[:place]), default=0)
        done = tracking.each(partial(_tell, trend, point, step, samples), open_)
        for text in done:
            known.setdefault(text, []).append(name)
        if done:
            files.write(path, f"{canonical_json(known)}\n")
            tracking.each(lambda tracker: tracker.summary(axis, _summary(trend)), done)


def _tell(trend: Trend, point: Point, step: int, samples: Samples, tracker: Tracker) -> None:
    axis = trend.config.name
    tracker.log(axis, step, _numbers(point))
    if not point.problem and (found := samples(point)):
        tracker.media(axis, step, found)


def _numbers(point: Point) -> dict[str, float]:
    """Of a checkpoint its metrics and how many are worse or better; of one that was passed over that it was."""
    kind = f"{point.kind}/" if point.kind else ""
    if point.problem:
        return {f"{kind}passed over": 1.0}
    found = {f"{kind}{name}": value.value for name, value in point.values.items() if value.value is not None}
    verdicts = [claim.verdict for claim in point.against.values()]
    counts = {f"{kind}established {v}": float(verdicts.count(v)) for v in (Verdict.WORSE, Verdict.BETTER)}
    return {**found, **(counts if verdicts else {})}


def _summary(trend: Trend) -> dict[str, str | float]:
    leader = best([point for point in trend.points if not point.problem], trend.config)
    told: dict[str, str | float] = {f"verdict of {point.name}": line(trend, point) for point in trend.points}
    return {**told, **({"best": leader.name} if leader else {})}
