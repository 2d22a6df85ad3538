"""The line of requests before the judges, who look at one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from nova_eval.service.bounds import Bounds

T = TypeVar("T")


@dataclass
class Place:
    """A request's place in the line, and the bytes that it may bring."""

    size: int
    left: bool = False


class Line(Generic[T]):
    """Bounded in requests and in bytes. A request is in it from its head until nobody works on it any more."""

    def __init__(self, work: Callable[[bytearray, str], T], bounds: Bounds) -> None:
        self._work, self._bounds = work, bounds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="judges")
        self._lock = Lock()
        self._places: list[Place] = []
        self._waiting: set[Future[T]] = set()
        self._since: float | None = None
        self.closed = False

    def enter(self, size: int) -> Place | None:
        """A place for a request of ``size`` bytes; ``None`` where the line is full."""
        with self._lock:
            held = sum(place.size for place in self._places)
            if len(self._places) >= self._bounds.queue or held + size > self._bounds.held_bytes:
                return None
            self._places.append(Place(size))
            return self._places[-1]

    def leave(self, place: Place) -> None:
        """Gives a place back; a second time does nothing."""
        with self._lock:
            if not place.left:
                place.left = True
                self._places = [other for other in self._places if not other.left]

    def submit(self, place: Place, content: bytearray, form: str) -> Future[T]:
        """What the work will give. One that is cancelled while it waits is never begun."""
        future = self._pool.submit(self._timed, content, form)
        with self._lock:
            self._waiting.add(future)
        future.add_done_callback(lambda done: self._over(place, done))
        return future

    def close(self) -> None:
        """Cancels what waits; what is at work ends."""
        self.closed = True
        with self._lock:
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()
        self._pool.shutdown(wait=False)

    @property
    def length(self) -> int:
        """Requests that wait or are at work."""
        return len(self._places)

    @property
    def bytes(self) -> int:
        """That they hold, or may."""
        with self._lock:
            return sum(place.size for place in self._places)

    @property
    def at_work_seconds(self) -> float:
        """Since when the judges look at the same sample; 0 where at none."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def _timed(self, content: bytearray, form: str) -> T:
        self._since = time.monotonic()
        try:
            return self._work(content, form)
        finally:
            self._since = None

    def _over(self, place: Place, future: Future[T]) -> None:
        with self._lock:
            self._waiting.discard(future)
        self.leave(place)
