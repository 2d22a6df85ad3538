"""One setting at several values: what it does to scores, motion and time."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval.errors import UsageError
from nova_eval.media import read
from nova_eval.packages import needed_by
from nova_eval.runs import pipeline
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome

Say = Callable[[str], None]


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


def split(over: str) -> tuple[str, list[str]]:
    """``"sampler.guidance_scale=1,2,4"`` → the setting and its values. UsageError for anything else."""
    key, equals, values = over.partition("=")
    found = [value.strip() for value in values.split(",") if value.strip()]
    if not key or not equals or len(found) < 2:
        raise UsageError(
            f"--over {over!r} does not give a setting several values", remedy="such as sampler.guidance_scale=1,2,4"
        )
    return key.strip(), found


def measure(over: str, open_run: Callable[[str], Run], say: Say) -> Iterator[Point]:
    """A point a value; ``open_run`` opens the run that an override ``key=value`` asks for. Finished runs are reused."""
    key, values = split(over)
    for value in values:
        opened = open_run(f"{key}={value}")
        say(f"{key} = {value}: {opened.name}")
        outcome = pipeline.run(opened)
        latency = outcome.summary.latency
        yield Point(
            value=value,
            run=outcome.summary.run,
            metrics={metric.name: metric.value for metric in outcome.summary.metrics},
            seconds=latency.seconds_per_sample if latency else None,
            motion=_motion(opened, outcome),
        )


def _motion(opened: Run, outcome: Outcome) -> float | None:
    """Mean motion score of the run's clips, scaled to 480 lines."""
    from nova_eval.nova.motion import motion_score

    clips = [sample for sample in outcome.samples.values() if sample.frames > 1]
    if not clips:
        return None
    scores = [motion_score(read(opened.store.folder / clip.path).frames) * 480 / clip.height for clip in clips]
    return statistics.fmean(scores)


def lines(over: str, points: Sequence[Point], metrics: Sequence[str]) -> str:
    """A Markdown table of ``metrics``, motion and seconds, one row a value."""
    key, _ = split(over)
    head = [key, *metrics, "motion", "seconds a sample"]
    rows = [
        [p.value, *(_shown(p.metrics.get(m)) for m in metrics), _shown(p.motion), _shown(p.seconds)] for p in points
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---:"] * len(head), *rows))


def write(folder: Path, over: str, points: Sequence[Point], metrics: Sequence[str]) -> list[Path]:
    """``<setting>.csv`` with every metric, and ``<setting>.svg`` with a curve a metric; the paths written."""
    key, _ = split(over)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{key}.csv"
    names = list(dict.fromkeys(name for point in points for name in point.metrics))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([key, *names, "motion", "seconds"])
        for point in points:
            writer.writerow([point.value, *(point.metrics.get(name) for name in names), point.motion, point.seconds])
    figure = folder / f"{key}.svg"
    _draw(figure, key, points, metrics)
    return [table, figure]


def _draw(path: Path, key: str, points: Sequence[Point], metrics: Sequence[str]) -> None:
    with needed_by("a figure"):
        import matplotlib as mpl
        from matplotlib.figure import Figure

    panels: list[tuple[str, dict[str, list[float | None]]]] = [
        ("score", {name: [point.metrics.get(name) for point in points] for name in metrics}),
        ("seconds a sample", {"": [point.seconds for point in points]}),
    ]
    if any(point.motion is not None for point in points):
        panels.insert(1, ("motion score", {"": [point.motion for point in points]}))
    with mpl.rc_context({"svg.hashsalt": key, "font.size": 8}):
        figure = Figure(figsize=(3.4 * len(panels), 2.8), layout="constrained")
        places = range(len(points))
        all_axes: Any = figure.subplots(1, len(panels))
        for axes, (title, curves) in zip(all_axes, panels, strict=True):
            for name, values in curves.items():
                axes.plot(places, [float("nan") if v is None else v for v in values], "o-", ms=3, label=name)
            axes.set_xticks(places, [point.value for point in points])
            axes.set_xlabel(key.removeprefix("sampler.").replace("_", " "))
            axes.set_ylabel(title)
            axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        all_axes[0].legend(fontsize=6, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
