"""Progress of long work and of downloads on stderr: live bars on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from nova_eval.errors import printable

_PLAIN_LINE_EVERY_SECONDS = 10.0


class Progress(Protocol):
    def advance(self, done: int, failed: int = 0) -> None:
        """Counts finished items."""
        ...

    def note(self, text: str) -> None:
        """What is being done now."""
        ...


def talk(text: str) -> None:
    """Says one thing on stderr, at once."""
    print(printable(text), file=sys.stderr, flush=True)


def once(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says each line the first time."""
    said: set[str] = set()

    def tell(text: str) -> None:
        if text not in said:
            said.add(text)
            say(text)

    return tell


@contextmanager
def progress(label: str, total: int, unit: str, *, quiet: bool = False) -> Iterator[Progress]:
    """Shows ``label``, how many of ``total`` are done, the rate and the time left; nothing when nothing is to do."""
    if quiet or not total:
        yield _Silent()
    elif sys.stderr.isatty():
        with _bar(label, total, unit) as bar:
            yield bar
    else:
        lines = _Lines(label, total, unit)
        yield lines
        lines.finish()


class Transfer(NamedTuple):
    """How far a file is: ``state`` is ``"present"``, ``"fetching"`` or ``"done"``; ``total`` is 0 while unknown."""

    name: str
    state: str
    bytes: int
    total: int


@contextmanager
def transfers() -> Iterator[Callable[[Transfer], None]]:
    """Shows every file that is on its way, several at once: a bar each on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        with _transfer_bars() as show:
            yield show
    else:
        yield _TransferLines()


class _Silent:
    def advance(self, done: int, failed: int = 0) -> None:
        return None

    def note(self, text: str) -> None:
        return None


class _Lines:
    def __init__(self, label: str, total: int, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = self._failed = 0
        self._note = ""
        self._started = self._last = time.monotonic()

    def advance(self, done: int, failed: int = 0) -> None:
        self._done += done
        self._failed += failed
        self._say_now_and_then()

    def note(self, text: str) -> None:
        self._note = text
        self._say_now_and_then()

    def _say_now_and_then(self) -> None:
        if time.monotonic() - self._last >= _PLAIN_LINE_EVERY_SECONDS:
            self._last = time.monotonic()
            self._say(left=True)

    def finish(self) -> None:
        self._say(left=False)

    def _say(self, *, left: bool) -> None:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = self._done / elapsed
        text = f"{self._label} {self._done}/{self._total}, {rate:.1f} {self._unit}/s"
        if self._failed:
            text += f", {self._failed} failed"
        if left and rate:
            text += f", {clock_text((self._total - self._done) / rate)} left"
        elif not left:
            text += f", took {clock_text(elapsed)}"
        if left and self._note:
            text += f"; {self._note}"
        _line(text)


def _line(text: str) -> None:
    print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rate]}} {unit}/s"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total, rate="–", failed="", note="")

        class _Task:
            failures = 0

            def advance(self, done: int, failed: int = 0) -> None:
                self.failures += failed
                speed = bar.tasks[task].speed
                bar.update(
                    task,
                    advance=done,
                    rate=f"{speed:.1f}" if speed else "–",
                    failed=f"[red]{self.failures} failed" if self.failures else "",
                )

            def note(self, text: str) -> None:
                bar.update(task, note=printable(text))

        yield _Task()


class _TransferLines:
    def __init__(self) -> None:
        self._started: dict[str, tuple[float, int]] = {}  # when, and how many bytes an earlier call had left
        self._said: dict[str, float] = {}

    def __call__(self, step: Transfer) -> None:
        now = time.monotonic()
        began, first = self._started.setdefault(step.name, (now, step.bytes))
        if step.state == "done":
            _line(f"{step.name} {size_text(step.bytes)}, took {clock_text(now - began)}")
        elif step.state == "fetching" and now - self._said.setdefault(step.name, began) >= _PLAIN_LINE_EVERY_SECONDS:
            self._said[step.name] = now
            rate = (step.bytes - first) / max(now - began, 1e-9)
            whole = f" of {size_text(step.total)}" if step.total else ""
            left = f", {clock_text((step.total - step.bytes) / rate)} left" if step.total and rate else ""
            text = f"{step.name} {size_text(step.bytes)}{whole}, {size_text(rate)}/s{left}"
            _line(text)


@contextmanager
def _transfer_bars() -> Iterator[Callable[[Transfer], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        shown: dict[str, Any] = {}

        def show(step: Transfer) -> None:
            if step.state == "present":
                return
            if step.name not in shown:
                shown[step.name] = bar.add_task(step.name, total=None)
            bar.update(shown[step.name], completed=step.bytes, total=step.total or None)

        yield show


def size_text(count: float) -> str:
    """A number of bytes in words, in steps of a thousand: 12.5 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} bytes"


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
