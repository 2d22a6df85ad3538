"""A worker process on this machine, as whoever started it sees it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from nova_eval.engines.serving import serve
from nova_eval.engines.units import Ended, Role
from nova_eval.errors import PrerequisiteError

_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # what the system does to a process when memory is short


class Process:
    """Started when it is made, to do ``work``, which can be pickled, at its end of the pipe. ``about``: what to tell.

    PrerequisiteError where it cannot be started.
    """

    def __init__(self, work: Callable[[Connection], None], name: str, device: str, role: Role = "any") -> None:
        self.name, self.role, self.device, self.up = name, role, device, True
        context = get_context("spawn")
        self.pipe: Connection
        self.pipe, there = context.Pipe()
        self._process = context.Process(target=serve, args=(there, work, os.getpid()), daemon=True)
        try:
            with _signals_later(), _without_main():
                self._process.start()
        except OSError as error:
            raise PrerequisiteError(f"cannot start a worker process: {error}", remedy="use fewer --workers") from error
        there.close()
        self.about = f"started on {device}, process {self._process.pid}"

    def give(self, what: Any) -> None:
        """Hands it something to do; ``None`` asks it to leave. That it is dead is noticed when it is heard."""
        with suppress(OSError):
            self.pipe.send(what)

    def hear(self) -> Any:
        """What it said, ``None`` where it said nothing; ``Ended`` once it has ended and all it said is heard."""
        try:
            lives = self._process.is_alive()
            if self.pipe.poll():
                return self.pipe.recv()
        except Exception:  # the pipe is at its end, or what came through it is nothing
            lives = False
        if lives:
            return None
        self._process.join(5.0)  # its pipe is at its end: so is it, or soon
        self.kill()
        killed = self._process.exitcode in _KILLED
        how = f"exit code {self._process.exitcode}{', as where memory is short' if killed else ''}"
        return Ended(f"the worker process ended unexpectedly ({how})", memory=killed)

    def join(self, seconds: float) -> None:
        """Waits for its end."""
        self._process.join(seconds)

    def kill(self) -> bool:
        """Ends it, and waits for no more than a moment; whether it still lived."""
        alive = self._process.is_alive()
        if alive:
            self._process.kill()
            self._process.join(5.0)
        self.pipe.close()
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
