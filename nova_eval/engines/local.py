"""One process per device on this machine. Units are handed out as workers ask; a worker that dies is replaced.

What kills its worker twice, or keeps it beyond the time limit, is a row with the reason, and what lay beside it in its
unit is done. Work that is the product's own, and light, is done in this process (``here``), for as long as no unit of
it is late: that one and the rest go to processes, which can be ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType, TracebackType

from nova_eval import files
from nova_eval.engines.alarm import Late, alarm, silence
from nova_eval.engines.remains import Remains
from nova_eval.engines.serving import READY, Fault, serve
from nova_eval.engines.units import Event, Job, SampleUnit, Tell, Unit, UnitReport, untold
from nova_eval.engines.worker import Worker
from nova_eval.errors import NovaEvalError, PrerequisiteError

_LIVES = 2  # how often a sample may end its worker before it counts as failed
_DEATHS = 16  # how many workers in a row may end before going on is pointless
_GRACE_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 1.0  # at workers whose end is not heard of, as a process that they left holds their pipe


@dataclass(slots=True, eq=False)
class _Process:
    """A worker process and the unit it is at. ``ready``: it has loaded what the unit needs."""

    process: BaseProcess
    pipe: Connection
    device: str
    name: str
    unit: Unit | None = None
    lives: int = _LIVES
    since: float = 0.0
    ready: bool = False


class LocalEngine:
    """A context manager over at most ``len(devices)`` workers; ``here`` does the work in this process instead.

    ``unit_timeout``: the seconds that a worker may be at one unit, loading included; 0 is for ever.
    """

    def __init__(self, job: Job, devices: Sequence[str], *, here: bool = False, unit_timeout: float = 0.0) -> None:
        self._job = replace(job, folder=job.folder.absolute())
        self._free = deque(devices)
        self._tell: Tell = untold
        self._here = Worker(replace(self._job, device=devices[0]), self._heard) if here else None
        self._seconds = unit_timeout or float("inf")
        self._processes: list[_Process] = []
        self._again: deque[tuple[Unit, int]] = deque()
        self._remains = Remains(self._job)
        self._started = 0
        self._deaths = self._stillborn = 0  # workers in a row that ended, before they were ready

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here is not None:
            self._here.close()
        self._remains.close()
        for worker in self._processes:
            with suppress(OSError):
                worker.pipe.send(None)  # finish the unit at hand, then leave
        deadline = time.monotonic() + (_GRACE_SECONDS if error is None else 1.0)
        for worker in self._processes:
            worker.process.join(max(0.0, deadline - time.monotonic()))
        killed = [_killed(worker) for worker in self._processes]
        if any(killed):
            files.sweep(self._job.folder)
        self._processes.clear()

    def run(self, units: Iterator[Unit], tell: Tell = untold) -> Iterator[UnitReport]:
        """Does every unit and yields a report as each is finished. Raises NovaEvalError where going on is pointless.

        ``tell`` hears what each worker is at.
        """
        self._tell = tell
        if self._here is not None:
            yield from self._done_here(self._here, units)
        while self._hand_out(units):
            for worker in self._heard_of():
                yield from self._answer_of(worker)

    def _heard(self, event: Event) -> None:
        self._tell(event)

    def _done_here(self, worker: Worker, units: Iterator[Unit]) -> Iterator[UnitReport]:
        """Does units until there are none, or until one is late."""
        for unit in units:
            since = time.monotonic()
            self._tell(Event("worker-1", f"begins {_described(unit)}"))
            try:
                with alarm(self._seconds):
                    report = worker.do(unit)
            except Late:
                silence()
                worker.close()
                self._here = None
                pieces = self._remains.of(unit)
                self._again.extend((piece, 1) for piece in pieces)
                report = UnitReport(len(unit) - len(pieces))
            self._tell(Event("worker-1", _told(report, time.monotonic() - since)))
            yield report
            if self._here is None:
                return

    def _hand_out(self, units: Iterator[Unit]) -> bool:
        """Gives idle workers, and as many new ones as there are devices and units for, a unit. Whether any works."""
        idle = [worker for worker in self._processes if worker.unit is None]
        while idle or self._free:
            unit, lives = self._again.popleft() if self._again else (next(units, None), _LIVES)
            if unit is None:
                break
            worker = idle.pop() if idle else self._start(self._free.popleft())
            worker.unit, worker.lives, worker.since, worker.ready = unit, lives, time.monotonic(), False
            self._tell(Event(worker.name, f"begins {_described(unit)}"))
            with suppress(OSError):  # a dead worker is noticed when its pipe is read
                worker.pipe.send(unit)
        return any(worker.unit is not None for worker in self._processes)

    def _heard_of(self) -> list[_Process]:
        """The workers that said something, ended, or are late; waits for one of them, but never long."""
        busy = [worker for worker in self._processes if worker.unit is not None]
        late = min(worker.since for worker in busy) + self._seconds - time.monotonic()
        spoke = wait([worker.pipe for worker in busy], max(0.0, min(_LOOK_EVERY_SECONDS, late)))
        return [
            worker for worker in busy if worker.pipe in spoke or self._late(worker) or not worker.process.is_alive()
        ]

    def _late(self, worker: _Process) -> bool:
        return time.monotonic() - worker.since > self._seconds

    def _answer_of(self, worker: _Process) -> Iterator[UnitReport]:
        try:
            answer = worker.pipe.recv() if worker.pipe.poll() else None
        except Exception:  # the pipe is at its end, or what came through it is nothing
            answer = None
        if answer == READY:
            worker.ready, self._stillborn = True, 0
        elif isinstance(answer, NovaEvalError):
            raise answer
        elif isinstance(answer, Event):
            self._tell(answer)
        elif isinstance(answer, UnitReport):
            worker.unit, self._deaths = None, 0
            self._tell(Event(worker.name, _told(answer, time.monotonic() - worker.since)))
            yield answer
        elif isinstance(answer, Fault):
            yield from self._failed(worker, answer.reason)
        else:
            yield from self._failed(worker, self._bury(worker))

    def _failed(self, worker: _Process, reason: str) -> Iterator[UnitReport]:
        """Has what is left of a unit done again, sample by sample; what has no life left becomes a row."""
        unit, lives, worker.unit = worker.unit, worker.lives, None
        assert unit is not None
        self._tell(Event(worker.name, f"failed: {reason}"))
        if not worker.ready:
            self._stillborn += 1
            if self._stillborn >= _LIVES:
                raise PrerequisiteError(f"{reason} while it loaded what it needs", remedy="see what it said above")
            self._again.append((unit, lives))
            return
        self._deaths += 1
        if self._deaths >= _DEATHS:
            raise PrerequisiteError(f"{_DEATHS} workers in a row failed, the last: {reason}")
        pieces = self._remains.of(unit)
        if done := len(unit) - len(pieces):
            yield UnitReport(done)
        if lives == 1 and pieces:
            pieces, report = self._remains.give_up(pieces, reason)
            yield report
        self._again.extend((piece, max(1, lives - 1)) for piece in pieces)

    def _start(self, device: str) -> _Process:
        context = get_context("spawn")
        here, there = context.Pipe()
        job = replace(self._job, device=device)
        self._started += 1
        name = f"worker-{self._started}"
        process = context.Process(target=serve, args=(there, job, os.getpid(), name), daemon=True)
        try:
            with _signals_later(), _without_main():
                process.start()
        except OSError as error:
            raise PrerequisiteError(f"cannot start a worker process: {error}", remedy="use fewer --workers") from error
        there.close()
        worker = _Process(process, here, device, name)
        self._tell(Event(name, f"started on {device}, process {process.pid}"))
        self._processes.append(worker)
        return worker

    def _bury(self, worker: _Process) -> str:
        """Why a worker ended, or had to; its device is free now."""
        self._processes.remove(worker)
        self._free.append(worker.device)
        late = self._late(worker) and worker.process.is_alive()
        if not late:
            worker.process.join(5.0)  # its pipe is at its end: so is it, or soon
        _killed(worker)
        if late:
            return f"the worker took longer than {self._seconds:g} s (--unit-timeout)"
        return f"the worker process ended unexpectedly (exit code {worker.process.exitcode})"


def _described(unit: Unit) -> str:
    """``"sampling 8: vbench/0001/0 … vbench/0002/2"``."""
    keys = unit.keys if isinstance(unit, SampleUnit) else tuple(sample.key for sample, _ in unit.work)
    verb = "sampling" if isinstance(unit, SampleUnit) else "scoring"
    ends = [f"{key.prompt_id}/{key.index}" for key in dict.fromkeys((keys[0], keys[-1]))]
    return f"{verb} {len(keys)}: {' … '.join(ends)}"


def _told(report: UnitReport, seconds: float) -> str:
    failed = f", {report.failed} failed, the last with: {report.last_failure}" if report.failed else ""
    return f"did {report.done} in {seconds:.2f} s{failed}"


def _killed(worker: _Process) -> bool:
    """Ends a process, and waits for no more than a moment; whether it still lived."""
    alive = worker.process.is_alive()
    if alive:
        worker.process.kill()
        worker.process.join(5.0)
    worker.pipe.close()
    return alive


@contextmanager
def _signals_later() -> Iterator[None]:
    """Ctrl-C and SIGTERM come after the block; a process started in it has them blocked until it unblocks them."""
    resource_tracker.ensure_running()  # it would unblock them when it is started with the first process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _without_main() -> Iterator[None]:
    """A process started in the block does not run the caller's script again, which may have no guard against that."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
