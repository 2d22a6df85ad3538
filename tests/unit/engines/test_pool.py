"""The pool over workers that are told what to say: no process is needed to know who is given what."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from nova_eval.engines.desk import Disk
from nova_eval.engines.pool import DEATHS, Pool
from nova_eval.engines.units import Ended, Event, Fault, Ready, Role, SampleUnit, ScoreUnit, Unit, UnitReport
from nova_eval.errors import PrerequisiteError
from nova_eval.records import Sample, SampleKey

WELL = "does it"


class Told:
    """A worker that does each unit as its crew says; "does it" puts its rows on disk."""

    def __init__(self, crew: Crew, name: str, role: Role, *, up: bool) -> None:
        self.crew, self.name, self.role, self.up = crew, name, role, up
        self.about = "started"
        self.units: deque[Unit] = deque()

    def give(self, unit: Unit) -> None:
        assert self.up
        self.crew.given.append((self.name, unit))
        self.units.append(unit)

    def said(self) -> list[Any]:
        if not self.up:
            self.up = True
            return []
        unit = self.units.popleft()
        answer = self.crew.answers.popleft() if self.crew.answers else WELL
        if answer == WELL:
            return [Ready(), self.crew.done(unit)]
        if isinstance(answer, Fault | Ended):
            return [Ready(), answer]
        return list(answer)


class Crew:
    def __init__(self, disk: Disk, answers: Sequence[Any] = (), *, room: dict[Role, int], rising: bool = False) -> None:
        self.answers = deque(answers)
        self.given: list[tuple[str, Unit]] = []
        self._disk, self._room, self._rising = disk, room, rising
        self.hands: list[Told] = []
        self.names = 0

    def start(self, role: Role) -> Told | None:
        if sum(hand.role == role for hand in self.hands) >= self._room.get(role, 0):
            return None
        self.names += 1
        hand = Told(self, f"worker-{self.names}", role, up=not self._rising)
        self.hands.append(hand)
        return hand

    def hear(self, hands: Sequence[Told], seconds: float) -> list[tuple[Told, Any]]:
        return [(hand, answer) for hand in hands[:1] for answer in hand.said()]

    def let_go(self, hand: Told) -> None:
        self.hands.remove(hand)

    def close(self, hands: Sequence[Told], *, orderly: bool) -> None:
        self.hands.clear()

    def done(self, unit: Unit) -> UnitReport:
        if isinstance(unit, ScoreUnit):
            return UnitReport(len(unit))
        made = []
        for key in unit.keys:
            name = self._disk.name_of(key, ".png")
            self._disk.put(name, b"x")
            made.append(Sample(key, 0, name, "d", 1, 1, 1, 1, 0.0, 0.0))
        self._disk.add_samples(made)
        return UnitReport(len(made), sampled=True, made=tuple(made))


@pytest.fixture
def pool_of(world):
    def make(*answers: Any, texts: int = 3, rising: bool = False, **room: int) -> tuple[Any, Crew, Pool]:
        here = world(*(f"text {n}" for n in range(texts)))
        disk = Disk(here.job.folder)
        crew = Crew(disk, answers, room=room or {"any": 1}, rising=rising)
        return here, crew, Pool(here.job, crew, 1, disk=disk, roles=tuple(room) or ("any",), unit_timeout=60)

    return make


def units_given(crew: Crew) -> list[tuple[str, int]]:
    return [(name, len(unit)) for name, unit in crew.given]


def test_a_unit_whose_node_left_is_next_and_loses_no_life(pool_of) -> None:
    gone = Ended("its node is gone", blameless=True)
    here, crew, pool = pool_of(gone, gone, gone, texts=2)
    with pool:
        reports = list(pool.run(SampleUnit((key,)) for key in here.keys))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (2, 0)
    assert [unit.keys[0] for _, unit in crew.given] == [here.keys[0]] * 4 + [here.keys[1]]
    assert crew.names == 4


def test_nodes_that_leave_one_after_the_other_end_the_run_too(pool_of) -> None:
    here, _, pool = pool_of(*[Ended("its node is gone", blameless=True)] * DEATHS, texts=1)
    with pool, pytest.raises(PrerequisiteError, match=f"{DEATHS} workers in a row failed, the last: its node is gone"):
        list(pool.run(iter([SampleUnit(here.keys)])))


FULL = Fault("aesthetic_quality of 3 samples: out of memory", spent=True, memory=True)
KILLED = Ended("the worker process ended unexpectedly (exit code -9)", memory=True)


@pytest.mark.parametrize("full", [FULL, KILLED])
def test_what_a_judge_has_no_room_for_is_halved_and_so_is_all_that_comes_later(pool_of, full) -> None:
    here, crew, pool = pool_of(*[WELL] * 4, [Ready(4), full], [Ready(2), full], texts=4)
    told: list[Event] = []
    with pool:
        list(pool.run(SampleUnit((key,)) for key in here.keys))
        crew.given.clear()
        reports = list(pool.run((), told.append, iter([here.score_unit(), here.score_unit()])))
    scored = [(len(unit), unit.halvings) for _, unit in crew.given]
    assert scored == [(4, 0), (2, 1), (2, 1), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2)]
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (8, 0)
    halved = [event.text for event in told if event.kind == "halved"]
    assert halved == [f"memory was short: goes on with judges at 1/{share} of their batch" for share in (2, 4)]


def test_what_has_no_room_at_all_is_a_row_once_nothing_less_can_be_tried(pool_of) -> None:
    here, crew, pool = pool_of(WELL, [Ready(4), KILLED], [Ready(2), KILLED], [Ready(1), KILLED], texts=1)
    with pool:
        list(pool.run(iter([SampleUnit(here.keys)])))
        crew.given.clear()
        reports = list(pool.run((), later=iter([here.score_unit()])))
    assert [unit.halvings for _, unit in crew.given] == [0, 1, 2, 2]
    assert [report.failed for report in reports if report.failed] == [1]
    assert here.scores("temporal_flickering")["text 0"].reason == KILLED.reason


def test_samples_that_have_no_room_are_made_one_by_one_and_lose_a_life(pool_of) -> None:
    here, crew, pool = pool_of(KILLED)
    with pool:
        reports = list(pool.run(iter([SampleUnit(here.keys)])))
    assert units_given(crew) == [("worker-1", 3), ("worker-2", 1), ("worker-2", 1), ("worker-2", 1)]
    assert sum(report.failed for report in reports) == 0


def test_a_unit_is_late_when_its_own_time_is_up(pool_of, monkeypatch) -> None:
    """The first worker is silent for longer than a minute, the second says at once what it did."""
    here, crew, pool = pool_of(texts=2)
    now = [1000.0]
    monkeypatch.setattr("nova_eval.engines.pool.time", SimpleNamespace(monotonic=lambda: now[0]))
    silent = [2]

    def hear(hands: Sequence[Told], seconds: float) -> list[tuple[Told, Any]]:
        assert 0 <= seconds <= 1
        now[0] += 31.0
        if silent[0]:
            silent[0] -= 1
            return [(hands[0], Ready())] if silent[0] else []
        return Crew.hear(crew, hands, seconds)

    monkeypatch.setattr(crew, "hear", hear)
    with pool:
        reports = list(pool.run(SampleUnit((key,)) for key in here.keys))
    assert [(unit.keys[0], name) for name, unit in crew.given] == [
        (here.keys[0], "worker-1"),
        (here.keys[0], "worker-2"),
        (here.keys[1], "worker-2"),
    ]
    assert [(report.done, report.failed) for report in reports] == [(1, 0), (1, 0)]


def test_who_only_scores_is_given_no_sampling_and_who_samples_scores_at_the_end(pool_of) -> None:
    here, crew, pool = pool_of(sample=1, score=1, texts=4)
    finished: list[Sample] = []

    def later() -> Iterator[ScoreUnit | None]:
        given: set[SampleKey] = set()
        while len(given) < 4:
            new = [sample for sample in finished if sample.key not in given]
            given |= {sample.key for sample in new[:1]}
            yield ScoreUnit(((new[0], ("temporal_flickering",)),)) if new else None

    with pool:
        for report in pool.run((SampleUnit((key,)) for key in here.keys), later=later()):
            finished += report.made
    by_worker = {name: [type(unit) for who, unit in crew.given if who == name] for name in ("worker-1", "worker-2")}
    assert by_worker["worker-1"][:4] == [SampleUnit] * 4
    assert set(by_worker["worker-1"][4:]) == {ScoreUnit}
    assert SampleUnit not in by_worker["worker-2"]
    assert len(crew.given) == 8


def test_a_worker_is_given_nothing_before_it_is_up_and_no_more_rise_than_there_are_units(pool_of) -> None:
    here, crew, pool = pool_of(any=5, rising=True, texts=2)
    told: list[Event] = []
    with pool:
        reports = list(pool.run((SampleUnit((key,)) for key in here.keys), told.append))
    assert sum(report.done for report in reports) == 2
    assert crew.names == 2


def test_a_worker_that_is_gone_before_it_is_up_takes_no_unit_along(pool_of) -> None:
    here, crew, pool = pool_of(rising=True, texts=1)
    first = crew.start("any")
    assert first is not None
    crew.hands.clear()
    calls = iter([[Ended("refused", blameless=True)], []])
    crew.hear = lambda hands, seconds: [  # type: ignore[method-assign]
        (hands[0], answer) for answer in (next(calls, None) or hands[0].said())
    ]
    with pool:
        reports = list(pool.run(iter([SampleUnit(here.keys)])))
    assert [report.done for report in reports] == [1]


def test_what_ends_two_workers_is_a_row_and_its_neighbors_are_done(pool_of) -> None:
    died = Ended("it died")
    here, _, pool = pool_of(died, WELL, died, WELL)
    with pool:
        reports = list(pool.run(iter([SampleUnit(here.keys)])))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    assert here.failures() == {"text 1": "it died"}
