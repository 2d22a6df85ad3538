"""One setting at several values: what it does to scores, motion and time."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nova_eval.checks.bench.options import SweepBench
from nova_eval.errors import unknown
from nova_eval.media import read
from nova_eval.packages import require
from nova_eval.report import curves
from nova_eval.report.curves import Curve, Panel
from nova_eval.runs import pipeline
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome


@dataclass(frozen=True, slots=True)
class Point:
    """One value of the setting: its run, the metrics by name, seconds a sample, and the mean motion score of clips.

    ``motion`` is in pixels a frame at 480 lines, the unit in which NOVA is told how much to move; None for images.
    """

    value: str
    run: str
    metrics: Mapping[str, float | None]
    seconds: float | None
    motion: float | None


def measure(
    asked: SweepBench, open_run: Callable[[str], Run], say: Callable[[str], None] = lambda text: None
) -> list[Point]:
    """A point a value; ``open_run`` opens the run that an override ``key=value`` asks for. Finished runs are reused.

    Writes ``<setting>.csv`` and ``<setting>.svg`` where a folder for them is given.
    """
    if asked.output is not None:
        require("a figure", "matplotlib")
    key, values = asked.setting
    points = [_point(value, open_run(f"{key}={value}"), f"{key} = {value}", say) for value in values]
    shown_of(asked, points)
    if asked.output is not None:
        for path in write(asked.output, asked, points):
            say(f"wrote {path}")
    return points


def _point(value: str, opened: Run, what: str, say: Callable[[str], None]) -> Point:
    say(f"{what}: {opened.name}")
    outcome = pipeline.run(opened)
    latency = outcome.summary.latency
    return Point(
        value=value,
        run=outcome.summary.run,
        metrics={metric.name: metric.value for metric in outcome.summary.metrics},
        seconds=latency.seconds_per_sample if latency else None,
        motion=_motion(opened, outcome),
    )


def shown_of(asked: SweepBench, points: Sequence[Point]) -> Sequence[str]:
    """The metrics asked for, all with a value where none is; UsageError for one without."""
    measured = list(dict.fromkeys(name for p in points for name, value in p.metrics.items() if value is not None))
    for name in asked.show:
        if name not in measured:
            raise unknown("metric", name, measured)
    return asked.show or measured


def _motion(opened: Run, outcome: Outcome) -> float | None:
    """Mean motion score of the run's clips, scaled to 480 lines."""
    from nova_eval.nova.motion import motion_score

    clips = [sample for sample in outcome.samples.values() if sample.frames > 1]
    if not clips:
        return None
    scores = [motion_score(read(opened.store.folder / clip.path).frames) * 480 / clip.height for clip in clips]
    return statistics.fmean(scores)


def lines(asked: SweepBench, points: Sequence[Point]) -> str:
    """A Markdown table of the metrics shown, motion and seconds, one row a value."""
    (key, _), metrics = asked.setting, shown_of(asked, points)
    head = [key, *metrics, "motion", "seconds a sample"]
    rows = [
        [p.value, *(_shown(p.metrics.get(m)) for m in metrics), _shown(p.motion), _shown(p.seconds)] for p in points
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---:"] * len(head), *rows))


def write(folder: Path, asked: SweepBench, points: Sequence[Point]) -> list[Path]:
    """``<setting>.csv`` with every metric, and ``<setting>.svg`` with a curve a metric shown; the paths written."""
    key, _ = asked.setting
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{key}.csv"
    names = list(dict.fromkeys(name for point in points for name in point.metrics))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([key, *names, "motion", "seconds"])
        for point in points:
            writer.writerow([point.value, *(point.metrics.get(name) for name in names), point.motion, point.seconds])
    figure = folder / f"{key}.svg"
    panels = _panels(points, shown_of(asked, points))
    places = key.removeprefix("sampler.").replace("_", " ")
    curves.draw(figure, panels, [point.value for point in points], places, salt=key)
    return [table, figure]


def _panels(points: Sequence[Point], metrics: Sequence[str]) -> list[Panel]:
    scores = [Curve(name, [point.metrics.get(name) for point in points]) for name in metrics]
    panels = [
        Panel("score", scores, from_zero=True),
        Panel("seconds a sample", [Curve("", [point.seconds for point in points])], from_zero=True),
    ]
    if any(point.motion is not None for point in points):
        panels.insert(1, Panel("motion score", [Curve("", [point.motion for point in points])], from_zero=True))
    return panels


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
