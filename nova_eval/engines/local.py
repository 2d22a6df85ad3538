"""One process per device on this machine. Units are handed out as workers ask; a worker that dies is replaced."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

from nova_eval.engines.units import Job, Unit, UnitReport
from nova_eval.engines.worker import Worker
from nova_eval.errors import NovaEvalError, PrerequisiteError

_LIVES = 2  # how often a unit is handed out before it counts as failed
_GRACE_SECONDS = 30.0


class LocalEngine:
    """A context manager over ``len(devices)`` workers; with one device the work is done in this process."""

    def __init__(self, job: Job, devices: Sequence[str]) -> None:
        self._job = job
        self._devices = list(devices)
        self._here: Worker | None = None
        self._processes: dict[Connection, tuple[BaseProcess, str]] = {}

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here is not None:
            self._here.close()
        for pipe, (process, _) in self._processes.items():
            with suppress(OSError):
                pipe.send(None)  # finish the unit at hand, then leave
            process.join(_GRACE_SECONDS if error is None else 5.0)
            if process.is_alive():
                process.kill()
                process.join()
            pipe.close()
        self._processes.clear()

    def run(self, units: Iterator[Unit]) -> Iterator[UnitReport]:
        """Does every unit and yields a report as each is finished. Raises NovaEvalError where going on is pointless."""
        if len(self._devices) == 1:
            self._here = self._here or Worker(replace(self._job, device=self._devices[0]))
            yield from map(self._here.do, units)
        else:
            yield from self._run_processes(units)

    def _run_processes(self, units: Iterator[Unit]) -> Iterator[UnitReport]:
        again: deque[tuple[Unit, int]] = deque()
        busy: dict[Connection, tuple[Unit, int]] = {}

        def hand_out(pipe: Connection) -> None:
            unit, lives = again.popleft() if again else (next(units, None), _LIVES)
            if unit is not None:
                busy[pipe] = (unit, lives)
                with suppress(BrokenPipeError):  # a dead worker is noticed when its pipe is read
                    pipe.send(unit)

        while len(self._processes) < len(self._devices):
            self._start(self._devices[len(self._processes)])
        for pipe in list(self._processes):
            hand_out(pipe)
        while busy:
            for pipe in [ready for ready in wait(list(busy)) if isinstance(ready, Connection)]:
                unit, lives = busy.pop(pipe)
                try:
                    answer: UnitReport | NovaEvalError = pipe.recv()
                except EOFError:
                    reason, device = self._bury(pipe)
                    if lives > 1:
                        again.append((unit, lives - 1))
                    else:
                        yield UnitReport(len(unit), len(unit), reason)
                    hand_out(self._start(device))
                    continue
                if isinstance(answer, NovaEvalError):
                    raise answer
                yield answer
                hand_out(pipe)
            idle = [pipe for pipe in self._processes if pipe not in busy]
            for pipe in idle[: len(again)]:
                hand_out(pipe)

    def _start(self, device: str) -> Connection:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(
            target=_serve, args=(there, replace(self._job, device=device), os.getpid()), daemon=True
        )
        try:
            process.start()
        except OSError as error:
            raise PrerequisiteError(f"cannot start a worker process: {error}", remedy="use --workers 1") from error
        there.close()
        self._processes[here] = (process, device)
        return here

    def _bury(self, pipe: Connection) -> tuple[str, str]:
        """Why a worker died, and the device that is free now."""
        process, device = self._processes.pop(pipe)
        process.join()
        pipe.close()
        return f"the worker process ended unexpectedly (exit code {process.exitcode})", device


def _serve(pipe: Connection, job: Job, parent: int) -> None:
    """The life of a worker process: units in, reports out, until the parent says stop or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    _die_with(parent)
    worker: Worker | None = None
    try:
        while (unit := pipe.recv()) is not None:
            answer: Any
            try:
                worker = worker or Worker(job)
                answer = worker.do(unit)
            except NovaEvalError as error:
                answer = error
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is gone; every finished row is on disk
    finally:
        if worker is not None:
            worker.close()


def _die_with(parent: int) -> None:
    """Makes this process end at once when its parent is killed, so that no orphan works beside the next run (Linux)."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed before we asked
            os._exit(1)
