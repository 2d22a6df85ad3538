"""One process a device on this machine.

Work that is the product's own, and light, is done in this process (``here``), for as long as no unit of it is late:
that one and the rest go to processes, which can be ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import wait
from types import TracebackType
from typing import Any, Self

from nova_eval import files
from nova_eval.engines.alarm import Late, alarm, silence
from nova_eval.engines.pool import Later, Pool, described, told
from nova_eval.engines.process import Process
from nova_eval.engines.questions import OutOfMemory
from nova_eval.engines.serving import Units
from nova_eval.engines.units import ANY, Event, Job, Role, ScoreUnit, Tell, Unit, UnitReport, untold
from nova_eval.engines.worker import Worker
from nova_eval.protocols import Sampler

_GRACE_SECONDS = 30.0


class Processes:
    """A crew of processes, at most one a place: a device, and the role of who works there."""

    def __init__(self, job: Job, places: Sequence[tuple[str, Role]]) -> None:
        self._job, self._free = job, list(places)
        self._started = 0

    def start(self, role: Role) -> Process | None:
        for place, (device, of) in enumerate(self._free):
            if of == role:
                del self._free[place]
                self._started += 1
                name = f"worker-{self._started}"
                return Process(Units(replace(self._job, device=device), name), name, device, role)
        return None

    def hear(self, hands: Sequence[Process], seconds: float) -> list[tuple[Process, Any]]:
        wait([hand.pipe for hand in hands], seconds)
        heard = [(hand, hand.hear()) for hand in hands]
        return [(hand, answer) for hand, answer in heard if answer is not None]

    def let_go(self, hand: Process) -> None:
        hand.kill()
        self._free.append((hand.device, hand.role))

    def close(self, hands: Sequence[Process], *, orderly: bool) -> None:
        for hand in hands:
            hand.give(None)  # finish the unit at hand, then leave
        deadline = time.monotonic() + (_GRACE_SECONDS if orderly else 1.0)
        for hand in hands:
            hand.join(max(0.0, deadline - time.monotonic()))
        if True in [hand.kill() for hand in hands]:
            files.sweep(self._job.folder)


class LocalEngine:
    """An ``Engine`` of at most ``len(devices)`` workers; ``here`` does the work in this process instead, with the
    sampler ``live`` where there is one.

    ``unit_timeout``: the seconds that a worker may be at one unit, loading included; 0 is for ever. ``roles`` are those
    of the devices, by default "any".
    """

    def __init__(
        self,
        job: Job,
        devices: Sequence[str],
        *,
        here: bool = False,
        unit_timeout: float = 0.0,
        roles: Sequence[Role] = (),
        live: Sampler | None = None,
    ) -> None:
        job = replace(job, folder=job.folder.absolute())
        roles = roles or ANY * len(devices)
        crew = Processes(job, list(zip(devices, roles, strict=True)))
        self._pool = Pool(job, crew, len(devices), roles=dict.fromkeys(roles), unit_timeout=unit_timeout)
        self._here = Worker(replace(job, device=devices[0]), self._heard, live=live) if here else None

    @property
    def workers(self) -> int:
        return self._pool.workers

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._here is not None:
            self._here.close()
        self._pool.__exit__(kind, error, trace)

    def run(self, units: Iterable[Unit], tell: Tell = untold, later: Later | None = None) -> Iterator[UnitReport]:
        self._pool.tell, units = tell, iter(units)
        if self._here is not None:  # alone at work: nothing comes to be beside it
            units, later = (unit for unit in chain(units, later or ()) if unit is not None), None
            yield from self._done_here(self._here, units)
        yield from self._pool.run(units, tell, later)

    def _heard(self, event: Event) -> None:
        self._pool.tell(event)

    def _done_here(self, worker: Worker, units: Iterator[Unit]) -> Iterator[UnitReport]:
        """Does units until there are none, or until one is late."""
        for unit in units:
            since = time.monotonic()
            self._pool.tell(Event("worker-1", f"begins {described(unit)}"))
            try:
                with alarm(self._pool.seconds):
                    report = worker.do(unit)
            except Late:
                silence()
                worker.close()
                self._here = None
                pieces, report = self._pool.remains.of(unit)
                self._pool.again.extend((piece, 1) for piece in pieces)
            except OutOfMemory as error:  # only where samples are scored
                worker.close()
                self._here = None
                self._pool.tell(Event("worker-1", f"failed: {error}"))
                assert isinstance(unit, ScoreUnit)
                yield from self._pool.halved(unit, "worker-1")
                return
            self._pool.tell(Event("worker-1", told(report, time.monotonic() - since)))
            yield report
            if self._here is None:
                return
