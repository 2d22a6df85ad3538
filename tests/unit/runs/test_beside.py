"""Finished samples reach judges while others are made, each once, and in pieces that are worth loading judges for."""

from __future__ import annotations

from nova_eval.engines.units import ScoreUnit
from nova_eval.records import Sample, SampleKey
from nova_eval.runs.beside import Finished


def sample(number: int) -> Sample:
    return Sample(SampleKey(f"a/{number:03}", 0), 0, f"media/{number}.png", "d", 1, 1, 1, 1, 0.0, 0.0)


def finished(waiting: int = 0, batch: int = 2) -> Finished:
    names = {sample(number).key: ("one", "two") for number in range(100)}
    work = [(sample(number), ("two",)) for number in range(waiting)]
    return Finished(work, names, {"one": "a", "two": "b"}, batch)


def keys(units: list[ScoreUnit | None]) -> list[SampleKey]:
    return [one.key for unit in units if unit is not None for one, _ in unit.work]


def test_few_samples_wait_until_there_are_more_or_no_more_come() -> None:
    there = finished()
    units = there.units()
    assert next(units) is None
    there.add([sample(number) for number in range(15)])
    assert next(units) is None
    there.add([sample(15)])
    assert [next(units) is None for _ in range(9)] == [False] * 8 + [True]
    there.add([sample(16)])
    assert next(units) is None
    there.over = True
    assert keys(list(units)) == [sample(16).key]


def test_what_was_there_already_is_scored_by_those_who_have_not_looked() -> None:
    there = finished(waiting=20)
    there.add([sample(50)])
    there.over = True
    units = list(there.units())
    assert sorted(keys(units)) == sorted(one.key for one in [*map(sample, range(20)), sample(50)])
    scorers = {one.key: names for unit in units if unit for one, names in unit.work}
    assert (scorers[sample(3).key], scorers[sample(50).key]) == (("two",), ("one", "two"))


def test_a_sample_that_nobody_scores_is_nobody_s_work() -> None:
    there = finished()
    there.add([sample(200)])
    there.over = True
    assert list(there.units()) == []
