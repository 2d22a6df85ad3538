"""One stage of a run's work as it is shown: a bar, the log, and a note of how far it is for `status`."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from nova_eval import files
from nova_eval.engines.units import Event, UnitReport
from nova_eval.errors import NovaEvalError
from nova_eval.progress import Progress, progress
from nova_eval.runs import peaks
from nova_eval.runs.log import RunLog
from nova_eval.runs.run import Run

NOTES = "logs/status-{}-of-{}.json"
"""Where a shard notes how far it is. No run needs it, and none ends where it cannot be written."""
_EVERY_SECONDS = 2.0


class Stage:
    """Hears of what workers are at and of units that are done."""

    def __init__(self, opened: Run, label: str, total: int, bar: Progress) -> None:
        self._opened, self._bar = opened, bar
        self._log = RunLog(opened)
        self._workers: dict[str, dict[str, str]] = {}
        self.last_failure = ""
        self._peaks: dict[str, int] = {}
        self.halved = ""
        """What was told of it last when memory was short."""
        self._state: dict[str, Any] = {
            "process": f"{socket.gethostname()}:{os.getpid()}",
            "engine": opened.options.engine,
            "stage": label,
            "since": _now(),
            "total": total,
            "done": 0,
            "failed": 0,
        }
        self._began, self._noted = time.monotonic(), -float("inf")

    def tell(self, event: Event) -> None:
        """As ``Tell``: writes it into the log, and shows what is at work now."""
        self._log.tell(event, self._bar)
        if event.kind == "halved":
            self.halved = event.text
        elif event.kind == "gone":
            self._workers.pop(event.worker, None)
        else:
            self._workers[event.worker] = {"at": event.text, "since": _now()}
        self._note()

    def report(self, report: UnitReport) -> None:
        self._bar.advance(report.done, report.failed)
        self._state["done"] += report.done
        self._state["failed"] += report.failed
        self.last_failure = report.last_failure or self.last_failure
        if report.peak:
            what = peaks.SAMPLING if report.sampled else peaks.SCORING
            self._peaks[what] = max(report.peak, self._peaks.get(what, 0))
        self._note()

    def _note(self, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._noted < _EVERY_SECONDS:
            return
        self._noted = time.monotonic()
        told = {
            **self._state,
            "updated": _now(),
            "seconds": round(self._noted - self._began, 3),
            "last_failure": self.last_failure,
            "workers": self._workers,
        }
        store = self._opened.store
        with suppress(NovaEvalError, OSError):
            name = NOTES.format(*self._opened.options.part)
            files.write(files.inside(store.folder, name), json.dumps(told, ensure_ascii=True))

    def close(self) -> None:
        self._workers.clear()
        self._note(now=True)
        if self._peaks:
            peaks.remember(self._opened, self._peaks)
        for what, taken in self._peaks.items():
            self._log.write(f"{what} took at most {taken / 2**30:.2f} GiB of an accelerator")


@contextmanager
def stage(opened: Run, label: str, total: int, unit: str) -> Iterator[Stage]:
    """The stage ``label`` of ``total`` units of something; nothing is shown where nothing is to do."""
    with progress(label, total, unit) as bar:
        shown = Stage(opened, label, total, bar)
        try:
            yield shown
            if shown.halved:
                opened.say(f"{shown.halved}, which may change the last bits of some scores; see logs/run.log")
        finally:
            if total:
                shown.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
