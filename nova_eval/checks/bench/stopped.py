"""Judges of a server that hang or die while it is asked: their process is stopped, or killed, from outside (Linux)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nova_eval.errors import UsageError

_LOOK_EVERY_SECONDS = 0.02
_SIGNALS = (signal.SIGSTOP, signal.SIGKILL)  # one that hangs, one that dies


@contextmanager
def stopping(server: int, times: int, share_done: Callable[[], float]) -> Iterator[list[int]]:
    """During the block the judges of the process ``server`` hang, then die, and so on: ``times`` in all.

    They do so evenly over the work, of which ``share_done`` is done. The signals that were sent are in what is yielded.
    """
    if times and not Path("/proc/self/stat").exists():
        raise UsageError("judges are stopped on Linux alone", remedy="give --faults 0")
    sent: list[int] = []
    ended = threading.Event()

    def stop() -> None:
        for number in range(times):
            while share_done() < (number + 1) / (times + 1):
                if ended.wait(_LOOK_EVERY_SECONDS):
                    return
            while (process := judges_of(server)) is None:
                if ended.wait(_LOOK_EVERY_SECONDS):
                    return
            how = _SIGNALS[number % len(_SIGNALS)]
            with suppress(ProcessLookupError):
                os.kill(process, how)
                sent.append(how)

    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def judges_of(server: int) -> int | None:
    """The number of the process in which a server has its judges; ``None`` while there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
            if parent == server and b"spawn_main" in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except (OSError, ValueError):  # it has ended meanwhile
            continue
    return None
