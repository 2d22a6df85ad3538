"""A run on more workers than there are: simulated from how long samples took, and from what the engine costs."""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import fmean

from nova_eval import files
from nova_eval.checks.bench.options import ScheduleBench
from nova_eval.errors import UsageError
from nova_eval.plan import cut
from nova_eval.runs.finding import find
from nova_eval.store import RunStore

GOOD = 0.95
_COLUMNS = ("workers", "units", "hours", "efficiency", "driver_busy")


@dataclass(frozen=True, slots=True)
class Row:
    """``efficiency``: the work over what all workers could have done until the end, start-up left aside.

    ``driver_busy`` is the share of the time for which the driver is at work on what comes back.
    """

    workers: int
    units: int
    hours: float
    efficiency: float
    driver_busy: float


def measure(asked: ScheduleBench) -> list[Row]:
    """A row a number of workers. Each sample takes as long as one of the run's, drawn at random, over their mean."""
    recorded = recorded_seconds(asked.run, asked.results)
    scale = (asked.seconds or fmean(recorded)) / fmean(recorded)
    random = Random(asked.seed)
    samples = [scale * random.choice(recorded) for _ in range(asked.samples)]
    return [_row(samples, workers, asked) for workers in asked.workers]


def recorded_seconds(run: str, results: Path) -> list[float]:
    """How long the samples of a run took. UsageError where nothing is known of it."""
    samples, _ = RunStore(find(run, results)).samples()
    if found := [sample.seconds for sample in samples.values() if sample.seconds > 0]:
        return sorted(found)
    raise UsageError(f"{run} knows no sample that took time", remedy="name a run that sampled")


def _row(samples: Sequence[float], workers: int, asked: ScheduleBench) -> Row:
    units = list(cut(samples, asked.batch, workers))
    end, busy = simulate(units, workers, asked.driver_ms / 1000)
    return Row(workers, len(units), (end + asked.start) / 3600, sum(samples) / (workers * end), busy / end)


def simulate(units: Iterable[Sequence[float]], workers: int, driver: float) -> tuple[float, float]:
    """When the last unit is on disk, and for how long the driver was at work, in seconds.

    Units, the seconds of each of their samples, are handed out in their order. The driver takes ``driver`` seconds for
    each sample that comes back, one unit after the other, and gives its worker the next only then.
    """
    left = iter(units)
    at_work = [(sum(unit), len(unit)) for _, unit in zip(range(workers), left, strict=False)]
    heapq.heapify(at_work)
    free = busy = 0.0
    while at_work:
        end, samples = heapq.heappop(at_work)
        free = max(free, end) + driver * samples
        busy += driver * samples
        if (unit := next(left, None)) is not None:
            heapq.heappush(at_work, (free + sum(unit), len(unit)))
    return free, busy


def limit(rows: Sequence[Row]) -> str:
    """Up to where workers are used well, of those that were looked at."""
    good = [row.workers for row in rows if row.efficiency >= GOOD]
    bad = [row.workers for row in rows if row.efficiency < GOOD]
    if not good:
        return f"below {GOOD:.0%} at {min(bad)} workers already"
    return f"{GOOD:.0%} or more up to {max(good)} workers" + (f", less at {min(bad)}" if bad else "")


def lines(rows: Sequence[Row]) -> str:
    """A Markdown table, and up to where it pays."""
    told = [
        (f"{row.workers}", f"{row.units}", f"{row.hours:.2f}", f"{row.efficiency:.1%}", f"{row.driver_busy:.1%}")
        for row in rows
    ]
    cells = [_COLUMNS, tuple("---:" for _ in _COLUMNS), *told]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells) + f"\n\nEfficiency {limit(rows)}."


def write(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """``schedule.csv`` and ``schedule.md``; the paths written."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in asdict(row).items()} for row in rows)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        files.write(folder / "schedule.csv", text.getvalue()),
        files.write(folder / "schedule.md", lines(rows) + "\n"),
    ]
