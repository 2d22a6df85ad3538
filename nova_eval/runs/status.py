"""How far a run is, told from its folder alone: whoever works on it, wherever, and also when nobody does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from nova_eval import files, locks, reading
from nova_eval.errors import NovaEvalError
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.stage import NOTES
from nova_eval.runs.summary import summarise

_MOST_REASONS = 5


class _Note(TypedDict, total=False):
    process: str
    engine: str
    stage: str
    since: str
    updated: str
    seconds: float
    total: int
    done: int
    failed: int
    last_failure: str
    workers: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Share:
    """What a process that works on a run, or on one of its shards, noted of itself.

    ``rate`` is in steps a second, of ``stage``, of which ``done`` of ``total`` are done; ``seconds_left`` by that rate.
    """

    shard: str
    at_work: bool
    process: str
    engine: str
    stage: str
    updated: str
    done: int
    total: int
    failed: int
    rate: float | None
    seconds_left: float | None
    workers: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Status:
    """``failures`` are the most frequent reasons why samples or scores are not there, each with its number."""

    run: str
    folder: str
    at_work: bool
    samples: int
    wanted: int
    failed: int
    decided: int
    scores: int
    failures: tuple[tuple[str, int], ...]
    shares: tuple[Share, ...]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "failures": [{"reason": why, "number": number} for why, number in self.failures]}


def status(folder: Path) -> Status:
    """What is on disk of a run, and what those who are at work say."""
    opened = reopen(folder)
    _, absent = opened.samples()
    outcome = summarise(opened)
    coverage = outcome.summary.coverage
    wanted = set(opened.wanted)
    reasons = Counter(reason for key, reason in absent.items() if key in wanted)
    failed = reasons.total()
    reasons.update(row.reason for row in outcome.rows if not row.decided and row.key in outcome.samples)
    shares = tuple(_shares(opened))
    return Status(
        run=opened.name,
        folder=str(folder),
        at_work=any(share.at_work for share in shares),
        samples=outcome.summary.samples,
        wanted=len(wanted),
        failed=failed,
        decided=coverage.wanted - coverage.unscored,
        scores=coverage.wanted,
        failures=tuple(reasons.most_common(_MOST_REASONS)),
        shares=shares,
    )


def _shares(opened: Run) -> Iterator[Share]:
    for lock, part, parts in opened.store.shard_locks():
        at_work = locks.is_claimed(lock)
        note = _note(opened.store.folder, NOTES.format(part, parts))
        if not note and not at_work:
            continue
        total, done, seconds = note.get("total", 0), note.get("done", 0), note.get("seconds", 0.0)
        rate = done / seconds if done and seconds > 0 else None
        yield Share(
            shard=f"{part}/{parts}" if parts > 1 else "",
            at_work=at_work,
            process=note.get("process", ""),
            engine=note.get("engine", ""),
            stage=note.get("stage", ""),
            updated=note.get("updated", ""),
            done=done,
            total=total,
            failed=note.get("failed", 0),
            rate=rate and round(rate, 4),
            seconds_left=round((total - done) / rate, 1) if at_work and rate else None,
            workers=note.get("workers", {}) if at_work else {},
        )


def _note(folder: Path, name: str) -> _Note:
    try:
        return reading.json_file(files.inside(folder, name), _Note)
    except (NovaEvalError, OSError):
        return {}
