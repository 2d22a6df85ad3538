"""The log of a run, ``logs/run.log``: a line an event, with its time, its process and its worker. Nothing reads it."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nova_eval.engines.units import Event
from nova_eval.errors import CorruptStoreError, printable
from nova_eval.progress import Progress
from nova_eval.runs.run import Run

DRIVER = "driver"
"""Who tells of the run as a whole."""


class RunLog:
    """Appends to the log of a run; several processes may. A log that cannot be written ends no run."""

    def __init__(self, opened: Run) -> None:
        self._store = opened.store
        self._process = f"{socket.gethostname()}:{os.getpid()}"
        self._say = None if opened.light else opened.say
        self._loaded: set[str] = set()

    def write(self, text: str, worker: str = DRIVER) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = printable(f"{time}  {self._process}  {worker}  {' '.join(text.split())}")
        with suppress(OSError, CorruptStoreError):
            path = self._store.inside("logs/run.log")
            path.parent.mkdir(exist_ok=True)
            _append(path, f"{line}\n".encode())

    def tell(self, event: Event, bar: Progress) -> None:
        """Writes what a worker tells, shows on ``bar`` what it is at, and says once of each model that it is loaded."""
        if event.kind == "is at":
            bar.note(event.text)
            return
        if event.kind == "loads":
            bar.note(event.text)
            if self._say is not None and event.text not in self._loaded:
                self._loaded.add(event.text)
                self._say(event.text)
        self.write(event.text, event.worker)


def _append(path: Path, line: bytes) -> None:
    number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        os.write(number, line)  # in one piece, so that lines of several processes stay whole
    finally:
        os.close(number)
