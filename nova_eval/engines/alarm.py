"""Wakes the main thread from work that takes too long."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_SECONDS = 1.0  # what is left may wait for something, too


class Late(KeyboardInterrupt):
    """The time is up: whoever is at work lets go of it, as at Ctrl-C."""


def can_wake() -> bool:
    """Whether ``alarm`` wakes this thread: only the main one can be."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises Late in the block after so many seconds, and again until it is left; never without an end."""
    if seconds == float("inf") or not can_wake():
        yield
        return
    ended = False

    def wake(number: int, frame: FrameType | None) -> None:
        if not ended:
            raise Late

    before = signal.signal(signal.SIGALRM, wake)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        yield
        ended = True
    finally:
        ended = True
        silence()
        signal.signal(signal.SIGALRM, before)


def silence() -> None:
    """No alarm comes any more, also where it struck at the very end of the block."""
    signal.setitimer(signal.ITIMER_REAL, 0)
