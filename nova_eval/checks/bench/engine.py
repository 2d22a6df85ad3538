"""What an engine costs a unit: everything but the work itself, with samples and scores that cost nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nova_eval.checks.bench.options import EngineBench
from nova_eval.checks.bench.store import open_null, seconds_of
from nova_eval.runs.pipeline import begin, engine_for, sample, score


@dataclass(frozen=True, slots=True)
class Row:
    """Seconds until the workers were up and had done a unit each; then milliseconds of wall time a unit."""

    engine: str
    workers: int
    start_s: float
    sampling_ms: float
    scoring_ms: float


def measure(asked: EngineBench, say: Callable[[str], None]) -> list[Row]:
    """A row an engine and number of workers."""
    rows = []
    for engine in asked.engines:
        for workers in asked.workers:
            say(f"{engine}, {workers} workers")
            with tempfile.TemporaryDirectory() as folder:
                rows.append(_row(Path(folder) / "run", engine, workers, asked))
    return rows


def _row(folder: Path, engine: str, workers: int, asked: EngineBench) -> Row:
    opened = open_null(
        folder,
        (asked.units + workers) * asked.batch,
        engine=engine,
        workers=workers,
        batch=asked.batch,
        address=asked.address,
    )
    first = replace(opened, wanted=opened.wanted[: workers * asked.batch])
    begin(opened)
    with engine_for(opened) as at_work:
        start = seconds_of(lambda: sample(first, at_work))
        sampling = seconds_of(lambda: sample(opened, at_work))
        start += seconds_of(lambda: score(first, at_work))
        scoring = seconds_of(lambda: score(opened, at_work))
    return Row(engine, workers, start, 1000 * sampling / asked.units, 1000 * scoring / asked.units)


def lines(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    names = ("engine", "workers", "start_s", "sampling_ms", "scoring_ms")
    told = [
        (row.engine, f"{row.workers}", f"{row.start_s:.1f}", f"{row.sampling_ms:.1f}", f"{row.scoring_ms:.1f}")
        for row in rows
    ]
    cells = [names, ("---", *("---:" for _ in names[1:])), *told]
    return "\n".join("| " + " | ".join(row) + " |" for row in cells)
