"""What a command does to files, counted over all its processes: a deed can strike at any step.

A step is a file opened for writing, a rename, a folder made or a file removed, each before it happens, and a sync,
before it and after all bytes were handed to the system.
"""

from __future__ import annotations

import errno
import mmap
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


class Step(NamedTuple):
    """``event`` is the name of an audit event, or "sync"; ``number`` is the open file's, where one is synced."""

    event: str
    path: str
    number: int | None = None


Deed = Callable[[Step], object]
"""Returns False where it has not struck after all."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PAIR = struct.Struct("qq")


@dataclass(frozen=True)
class Injection:
    """``deed`` at the ``at``-th step (from 0) on paths that hold ``where``; ``lasting``: and at every later one.

    ``who`` is "driver", "workers" or "all". As a preparation of a command it counts and strikes there.
    """

    folder: Path
    deed: Deed
    at: int
    where: str = ""
    who: str = "all"
    lasting: bool = False
    _shared: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, _PAIR.size), repr=False)

    @property
    def steps(self) -> int:
        """How many steps there were."""
        return int(_PAIR.unpack(self._shared[: _PAIR.size])[0])

    @property
    def struck(self) -> bool:
        return bool(_PAIR.unpack(self._shared[: _PAIR.size])[1])

    def __call__(self) -> None:
        root, driver, sync = str(self.folder.resolve()), os.getpid(), os.fsync

        def step(event: str, path: Any, number: int | None = None) -> None:
            name = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""
            wrong_process = self.who != "all" and (os.getpid() == driver) == (self.who == "workers")
            if wrong_process or not name.startswith(root) or self.where not in name[len(root) :]:
                return
            place, struck = _PAIR.unpack(self._shared[: _PAIR.size])
            strikes = place == self.at or (self.lasting and place > self.at)
            self._shared[: _PAIR.size] = _PAIR.pack(place + 1, int(struck or strikes))
            if strikes and self.deed(Step(event, name, number)) is False:
                self._shared[: _PAIR.size] = _PAIR.pack(place + 1, struck)

        def look(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "os.rename":
                step(event, arguments[1])
            elif event in ("os.mkdir", "os.remove") or (event == "open" and arguments[2] & _WRITING):
                step(event, arguments[0])

        def fsync(number: int) -> None:
            step("sync", os.readlink(f"/proc/self/fd/{number}"), number)
            sync(number)

        os.fsync = fsync  # type: ignore[assignment]
        sys.addaudithook(look)


def nothing(step: Step) -> None:
    """For counting steps."""


def kill(step: Step) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_driver(step: Step) -> None:
    """In a worker."""
    os.kill(os.getppid(), signal.SIGKILL)


def tear(step: Step) -> None:
    """Takes some of the last bytes back, as a process that is killed while it writes leaves them."""
    if step.number is not None and Path(step.path).is_file():
        size = os.fstat(step.number).st_size
        os.truncate(step.number, size - min(size, 1 + size % 37))


def tear_and_kill(step: Step) -> None:
    tear(step)
    kill(step)


def send(which: signal.Signals, *, group: bool = False) -> Deed:
    """A signal to this process, or as a terminal sends it: to all of the command."""
    return lambda step: os.killpg(0, which) if group else os.kill(os.getpid(), which)


def fail(code: int, *, torn: bool = False) -> Deed:
    """The system says that it cannot; ``torn``: after some bytes.

    A file is removed from a full disk all the same, and a run goes on without its logs.
    """

    def deed(step: Step) -> bool:
        if "/logs" in step.path or (step.event == "os.remove" and code in (FULL, QUOTA)):
            return False
        if torn:
            tear(step)
        raise OSError(code, os.strerror(code), step.path)

    return deed


FULL, QUOTA, READ_ONLY, BROKEN = errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO
