"""Following a training: every checkpoint that it leaves is sampled, scored and tested, once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nova_eval.compare.sides import Side, of_run
from nova_eval.compare.trend import tables
from nova_eval.compare.trend.points import Point
from nova_eval.compare.trend.trend import Trend
from nova_eval.errors import NovaEvalError
from nova_eval.identity import digest
from nova_eval.nova.series import KINDS, Saved, Settling, saved_in
from nova_eval.progress import once
from nova_eval.runs import pipeline
from nova_eval.runs.run import Run

Open = Callable[[Saved], Run]
"""The run of a checkpoint whose weights load; nothing is written. NovaEvalError where they do not."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Following:
    """How a training is followed. Times in seconds: ``settle`` is how long a checkpoint must have been as it is,
    ``poll`` how long nothing is looked at, ``idle`` after how long without a new checkpoint the watch ends.

    With ``once`` it ends when all is tested that is there. ``base`` is where parts come from that a checkpoint lacks.
    """

    base: str = ""

    once: bool = False
    newest_first: bool = False
    kinds: Collection[str] = KINDS
    settle: float = 10.0
    poll: float = 30.0
    idle: float = float("inf")


@dataclass
class Clock:
    """The time as files have it, a time that only grows, and waiting."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def scored(opened: Run) -> Side:
    """A run once it is sampled and scored."""
    pipeline.run(opened)
    return of_run(opened.store.folder)


class Watch:
    """Tests the checkpoints below ``training``: each is opened, then run, which gives its side of a comparison.

    A folder that is not there yet is waited for. UsageError where it is none of a training.
    """

    def __init__(
        self,
        training: Path,
        trend: Trend,
        how: Following,
        *,
        open: Open,
        run: Callable[[Run], Side] = scored,
        say: Say,
        clock: Clock | None = None,
    ) -> None:
        self._training, self._trend, self._open, self._run = training, trend, open, run
        self._how, self._say, self._clock = how, say, clock or Clock()
        self._say_once = once(say)
        self._settling = Settling(how.settle)
        saved_in(training)

    def follow(self) -> Iterator[Point]:
        """Each checkpoint once it is tested and on disk, until there is no more to wait for."""
        clock, how = self._clock, self._how
        last, until = clock.monotonic(), None
        while True:
            due, writing = self.look()
            if due:
                if (found := self.test(due[0])) is not None:
                    yield found
                last, until = clock.monotonic(), None
                continue
            if how.once:
                until = clock.monotonic() + how.settle if until is None else until
                if not writing or clock.monotonic() >= until:
                    return
            elif clock.monotonic() - last >= how.idle:
                return
            clock.sleep(max(0.05, min(how.poll, how.settle) if writing else how.poll))

    def look(self) -> tuple[list[Saved], list[Saved]]:
        """The checkpoints that are to be tested, in their order, and those that are still being written."""
        clock = self._clock
        if not self._training.exists():
            then = "nothing is tested" if self._how.once else "waiting for it"
            self._say_once(f"no folder {self._training} yet: {then}")
        new = [one for one in self._saved() if not self._trend.knows(one.name, one.state)]
        ready = [self._settling.settled(one, clock.now(), clock.monotonic()) for one in new]
        due = [one for one, is_ready in zip(new, ready, strict=True) if is_ready]
        writing = [one for one, is_ready in zip(new, ready, strict=True) if not is_ready]
        for one in writing:
            self._say_once(f"{one.name} is still being written")
        return due[::-1] if self._how.newest_first else due, writing

    def test(self, one: Saved) -> Point | None:
        """Samples, scores and compares a checkpoint; ``None`` where its samples are those that were tested.

        What does not load is a point with the reason. NovaEvalError where a test cannot be done for another reason.
        """
        point = Point(one.name, one.kind, one.stage, one.step, one.state, one.changed)
        try:
            opened = self._open(one)
        except NovaEvalError as error:
            return self._added(replace(point, problem=str(error)))
        if self._trend.same(one.name, opened.identity, one.state):
            return None
        self._say(f"testing {one.name}: {opened.name}")
        try:
            side = self._run(opened)
        except NovaEvalError:
            if one in self._saved():
                raise
            self._say_once(f"{one.name} changed while it was sampled: left for later")
            return None
        return self._added(replace(point, identity=opened.identity), side)

    def _added(self, point: Point, side: Side | None = None) -> Point:
        found = self._trend.add(point, side)
        tables.write(self._trend, self._say_once)
        return found

    def _saved(self) -> list[Saved]:
        """Those asked for. Another base is another state: what did not load may load with it."""
        base = f"-{digest(self._how.base)[:4]}" if self._how.base else ""
        found = [one for one in saved_in(self._training) if one.kind in self._how.kinds]
        return [replace(one, state=f"{one.state}{base}") for one in found]
