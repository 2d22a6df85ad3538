"""Locks between processes that work on one run. The operating system holds them, so no dead process ever does.

Where a file system knows no locks, what the holder wrote into the file is believed: that it lives, by its process
number, the moment that process started, and the boot of its machine.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.errors import NovaEvalError, PrerequisiteError

try:
    import fcntl
except ImportError:  # no such locks here: holders are believed
    fcntl = None  # type: ignore[assignment]

_WAIT_SECONDS = 60.0
_ANOTHER = "wait for it, end it, or take another --shard"
_MOST = 4096  # bytes of what a holder says of itself


class _Process(TypedDict, total=False):
    """What a holder says of itself."""

    host: str
    pid: int
    boot: str
    space: str
    started: str
    since: str


@contextmanager
def waiting(path: Path, seconds: float = _WAIT_SECONDS) -> Iterator[bool]:
    """Holds ``path`` for the block, waiting at most ``seconds`` for others; whether it is held."""
    with _opened(path) as number:
        deadline = time.monotonic() + seconds
        while (held := _taken(number)) is False and time.monotonic() < deadline:
            time.sleep(0.05)
        yield held is True


@contextmanager
def claimed(path: Path, what: str, remedy: str = _ANOTHER) -> Iterator[None]:
    """Holds ``path`` for the block. PrerequisiteError, which says who holds it and since when, where another does."""
    with _opened(path) as number:
        _refuse_if_taken(path, number, what, remedy)
        _write(number, {**_myself(), "since": datetime.now(UTC).isoformat(timespec="seconds")})
        try:
            yield
        finally:
            _write(number, {})


def check_free(path: Path, what: str) -> None:
    """PrerequisiteError, as ``claimed`` raises it, where somebody holds ``path``."""
    with _opened(path) as number:
        _refuse_if_taken(path, number, what)


def is_claimed(path: Path) -> bool:
    """Whether somebody who may be alive says that it holds ``path``. Nothing is taken or written."""
    try:
        with path.open("rb") as stream:
            holder = _holder(stream.fileno())
    except OSError:
        return False
    return bool(holder) and not _is_gone(holder)


def _refuse_if_taken(path: Path, number: int, what: str, remedy: str = _ANOTHER) -> None:
    taken, holder = _taken(number), _holder(number)
    if taken is False or (taken is None and holder and not _is_gone(holder)):
        told = "process {pid} on {host}, since {since}".format(**_UNKNOWN | {**holder})
        raise PrerequisiteError(
            f"{what} is being worked on by {told}",
            remedy=f"{remedy}{'' if taken is False else f'; or remove {path}'}",
        )


_UNKNOWN: dict[str, Any] = {"pid": "?", "host": "an unknown host", "since": "an unknown time"}


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write {path}: {error.strerror or error}", remedy="fix permissions or use another --results"
        ) from error
    try:
        yield number
    finally:
        os.close(number)  # which gives the lock back


def _taken(number: int) -> bool | None:
    """Whether the lock is ours now; ``None`` where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EWOULDBLOCK, errno.EACCES) else None
    return True


def _holder(number: int) -> _Process:
    try:
        return reading.json_text(os.pread(number, _MOST, 0) or b"{}", "the lock", _Process)
    except (OSError, NovaEvalError):
        return {}


def _write(number: int, told: dict[str, Any]) -> None:
    with suppress(OSError):  # it is for readers; the lock is held without it
        os.ftruncate(number, 0)
        os.pwrite(number, json.dumps(told).encode() if told else b"", 0)


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "boot": _boot(),
        "space": _space(),
        "started": _started(os.getpid()),
    }


def _is_gone(holder: _Process) -> bool:
    """Whether a holder surely lives no more: another boot of this host, or a number that is another process's now."""
    if holder.get("host") != socket.gethostname():
        return False
    if holder.get("boot") != _boot():
        return True
    if holder.get("space") != _space():  # another container under the same name: its numbers mean nothing here
        return False
    pid = holder.get("pid")
    return (_started(pid) if isinstance(pid, int) else "") != holder.get("started")


def _boot() -> str:
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def _space() -> str:
    """Which numbering of processes this one is in: containers of one host have their own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process started, in ticks since boot; "" where there is none, where it has ended, or it cannot be told."""
    facts = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return facts[19] if len(facts) > 19 and facts[0] not in ("Z", "X") else ""


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
