"""What every engine promises of units and workers, wherever the workers are.

Units are handed out as workers ask. What is left of a unit whose worker ended is done again, sample by sample; what
ends its worker twice, or keeps it beyond the time limit, is a row with the reason, and what lay beside it is done.
Where memory is short, what is to be scored is tried again in halves, down to one sample and one frame at once; samples
are always made in the batches that their sampler was told.
Workers that end one after the other, or cannot load what they need, end the run in one line.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Protocol, Self

from nova_eval.engines.desk import Disk
from nova_eval.engines.remains import Remains
from nova_eval.engines.units import (
    ANY,
    Ended,
    Event,
    Fault,
    Job,
    Ready,
    Role,
    SampleUnit,
    ScoreUnit,
    Tell,
    Unit,
    UnitReport,
    untold,
)
from nova_eval.errors import NovaEvalError, PrerequisiteError
from nova_eval.plan import units

LIVES = 2  # how often a sample may end its worker before it counts as failed
DEATHS = 16  # how many workers in a row may end before going on is pointless
_LOOK_EVERY_SECONDS = 1.0  # at workers whose end is not heard of, as a process that they left holds their pipe

Later = Iterator[ScoreUnit | None]
"""Units that come to be while others are done: ``None`` while there is none, an end when no more can come."""


class Engine(Protocol):
    """The workers of a run. A context manager: none is left after it."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def workers(self) -> int:
        """How many units may be in work at once, as far as is known."""
        ...

    def run(self, units: Iterable[Unit], tell: Tell = untold, later: Later | None = None) -> Iterator[UnitReport]:
        """Does every unit and yields a report as each is finished. Raises NovaEvalError where going on is pointless.

        ``tell`` hears what each worker is at.
        """
        ...


class Hand(Protocol):
    """A worker: ``up`` once it can be given units. ``about`` is what to tell of it."""

    name: str
    role: Role
    about: str
    up: bool

    def give(self, unit: Unit) -> None: ...


class Crew(Protocol):
    """Where workers come from."""

    def start(self, role: Role) -> Hand | None:
        """A new worker that takes units of ``role``; ``None`` where there is no room for one."""
        ...

    def hear(self, hands: Sequence[Any], seconds: float) -> Sequence[tuple[Hand, Any]]:
        """What these said, each at most one thing; waits for one of them at most so long.

        A worker that comes up says so by ``up``, and may say nothing. What workers made is on disk before it is told.
        """
        ...

    def let_go(self, hand: Any) -> None:
        """Ends a worker, if it still lives, and frees its place."""
        ...

    def close(self, hands: Sequence[Any], *, orderly: bool) -> None: ...


@dataclass(slots=True, eq=False)
class _Post:
    """A worker and the unit it is at. ``ready`` is what it said when it had loaded what the unit needs."""

    hand: Hand
    unit: Unit | None = None
    lives: int = LIVES
    since: float = 0.0
    ready: Ready | None = None


class Pool:
    """An ``Engine`` over a crew. ``roles`` are those that its workers have; ``unit_timeout`` as ``late`` tells."""

    def __init__(
        self,
        job: Job,
        crew: Crew,
        workers: int,
        *,
        disk: Disk | None = None,
        roles: Collection[Role] = ANY,
        unit_timeout: float = 0.0,
    ) -> None:
        self.workers = workers
        self.seconds = unit_timeout or float("inf")
        self._crew, self._roles = crew, tuple(roles)
        self._disk = disk or Disk(job.folder)
        self.remains = Remains(job, self._disk)
        self.again: deque[tuple[Unit, int]] = deque()
        self.tell: Tell = untold
        self._posts: list[_Post] = []
        self._deaths = self._stillborn = 0  # workers in a row that ended, before they were ready
        self._halvings = 0  # of the smallest unit that was scored after one had no room

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        hands, self._posts = [post.hand for post in self._posts], []
        self._crew.close(hands, orderly=error is None)
        self._disk.close()

    def run(self, units: Iterable[Unit], tell: Tell = untold, later: Later | None = None) -> Iterator[UnitReport]:
        self.tell = tell
        self._sources = (_Source(iter(units)), _Source(later or iter(())))
        while self._hand_out():
            waited_for = [post for post in self._posts if post.unit is not None or not post.hand.up]
            late = min((post.since for post in waited_for if post.unit is not None), default=float("inf"))
            patience = max(0.0, min(_LOOK_EVERY_SECONDS, late + self.seconds - time.monotonic()))
            told = self._crew.hear([post.hand for post in waited_for], patience)
            spoke = {id(hand) for hand, _ in told}
            for post in waited_for:
                if id(post.hand) not in spoke and post.unit is not None and self._late(post):
                    told = [*told, (post.hand, Ended(late_after(self.seconds)))]
            posts = {id(post.hand): post for post in waited_for}
            for hand, answer in told:
                yield from self._answered(posts[id(hand)], answer)

    def failed(self, unit: Unit, lives: int, reason: str) -> Iterator[UnitReport]:
        """Has what is left of a unit done again, sample by sample; what has no life left becomes a row."""
        pieces, report = self.remains.of(unit)
        if report.done:
            yield report
        if lives == 1 and pieces:
            pieces, report = self.remains.give_up(pieces, reason)
            yield report
        self.again.extend((piece, max(1, lives - 1)) for piece in pieces)

    def halved(self, unit: ScoreUnit, worker: str) -> Iterator[UnitReport]:
        """Has what is left of a unit scored in halves, by judges at half their batch: memory was short."""
        halves, report = self.remains.halves(unit)
        share = 2 ** (unit.halvings + 1)
        self.tell(Event(worker, f"memory was short: goes on with judges at 1/{share} of their batch", "halved"))
        if report.done:
            yield report
        self.again.extend((half, LIVES) for half in halves)

    def _hand_out(self) -> bool:
        """Gives idle workers, and as many new ones as there are units and room for, a unit. Whether there is more."""
        grown = True
        while grown:
            for post in [post for post in self._posts if post.hand.up and post.unit is None]:
                if (taken := self._take(post.hand.role)) is None:
                    continue
                post.unit, post.lives = taken
                post.since, post.ready = time.monotonic(), None
                self.tell(Event(post.hand.name, f"begins {described(post.unit)}"))
                post.hand.give(post.unit)
            grown = True in [self._grow(role) for role in self._roles]
        return any(post.unit is not None for post in self._posts) or any(self._waiting(role) for role in self._roles)

    def _grow(self, role: Role) -> bool:
        """Starts workers for units that nobody takes; whether one of them is up."""
        rising = sum(not post.hand.up and post.hand.role == role for post in self._posts)
        up = False
        while self._waiting(role, rising + 1) and (hand := self._crew.start(role)) is not None:
            self._posts.append(_Post(hand))
            self.tell(Event(hand.name, hand.about))
            rising, up = rising + 1, up or hand.up
        return up

    def _take(self, role: Role) -> tuple[Unit, int] | None:
        """The next unit for a worker of this role, with its lives."""
        for place, (unit, lives) in enumerate(self.again):
            if role != "score" or isinstance(unit, ScoreUnit):
                del self.again[place]
                return unit, lives
        for source in self._open_to(role):
            if source.ahead(1):
                first, *rest = self._fitting(source.take())
                self.again.extendleft((unit, LIVES) for unit in reversed(rest))
                return first, LIVES
        return None

    def _fitting(self, unit: Unit) -> Sequence[Unit]:
        """A fresh unit as memory has allowed others: cut into some, for judges at a part of their batch."""
        if isinstance(unit, SampleUnit) or not self._halvings:
            return (unit,)
        parts = units(unit.work, max(1, len(unit) >> self._halvings))
        return [replace(unit, work=work, halvings=self._halvings) for work in parts]

    def _waiting(self, role: Role, least: int = 1) -> bool:
        """Whether at least so many units wait for workers of this role."""
        again = sum(role != "score" or isinstance(unit, ScoreUnit) for unit, _ in self.again)
        return again + sum(source.ahead(least) for source in self._open_to(role)) >= least

    def _open_to(self, role: Role) -> Sequence[_Source]:
        units, later = self._sources
        if role == "score":
            return (later,)
        return (units, later) if role == "any" or not units.ahead(1) else (units,)

    def _late(self, post: _Post) -> bool:
        return time.monotonic() - post.since > self.seconds

    def _answered(self, post: _Post, answer: Any) -> Iterator[UnitReport]:
        if isinstance(answer, NovaEvalError):
            raise answer
        if isinstance(answer, Ready):
            post.ready, self._stillborn = answer, 0
        elif isinstance(answer, Event):
            self.tell(answer)
        elif isinstance(answer, UnitReport):
            if isinstance(post.unit, ScoreUnit):
                self._halvings = max(self._halvings, post.unit.halvings)
            post.unit, self._deaths = None, 0
            self.tell(Event(post.hand.name, told(answer, time.monotonic() - post.since)))
            yield answer
        elif isinstance(answer, Fault | Ended):
            yield from self._lost(post, answer)

    def _lost(self, post: _Post, how: Fault | Ended) -> Iterator[UnitReport]:
        """Has the unit of a worker that did not do it done again, or given up; the worker may be gone."""
        unit, post.unit = post.unit, None
        gone = isinstance(how, Ended) or how.spent
        self.tell(Event(post.hand.name, f"failed: {how.reason}", "gone" if gone else "unit"))
        if gone:
            self._posts.remove(post)
            self._crew.let_go(post.hand)
        if unit is None:
            return
        blameless = isinstance(how, Ended) and how.blameless
        if post.ready is None and not blameless:
            self._stillborn += 1
            if self._stillborn >= LIVES:
                raise PrerequisiteError(f"{how.reason} while it loaded what it needs", remedy="see what it said above")
            self.again.append((unit, post.lives))
            return
        if how.memory and isinstance(unit, ScoreUnit) and post.ready is not None:
            if len(unit) > 1 or post.ready.batch > 1:
                yield from self.halved(unit, post.hand.name)
                return
            post.lives = 1 if unit.halvings else post.lives  # less was tried already
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise PrerequisiteError(f"{DEATHS} workers in a row failed, the last: {how.reason}")
        if not blameless:
            yield from self.failed(unit, post.lives, how.reason)
            return
        pieces, report = self.remains.of(unit)
        if report.done:
            yield report
        self.again.extendleft((piece, post.lives) for piece in reversed(pieces))


class _Source:
    """Units in their order, some of them looked at ahead."""

    def __init__(self, units: Iterator[Unit | None]) -> None:
        self._units, self._ahead = units, deque[Unit]()

    def ahead(self, number: int) -> int:
        """How many units there are now, counted up to ``number``."""
        while len(self._ahead) < number and (unit := next(self._units, None)) is not None:
            self._ahead.append(unit)
        return min(number, len(self._ahead))

    def take(self) -> Unit:
        return self._ahead.popleft()


def late_after(seconds: float) -> str:
    """Why a worker that took longer is ended."""
    return f"the worker took longer than {seconds:g} s (--unit-timeout)"


def described(unit: Unit) -> str:
    """``"sampling 8: vbench/0001/0 … vbench/0002/2"``."""
    keys = unit.keys if isinstance(unit, SampleUnit) else tuple(sample.key for sample, _ in unit.work)
    verb = "sampling" if isinstance(unit, SampleUnit) else "scoring"
    ends = [f"{key.prompt_id}/{key.index}" for key in dict.fromkeys((keys[0], keys[-1]))]
    return f"{verb} {len(keys)}: {' … '.join(ends)}"


def told(report: UnitReport, seconds: float) -> str:
    failed = f", {report.failed} failed, the last with: {report.last_failure}" if report.failed else ""
    return f"did {report.done} in {seconds:.2f} s{failed}"
