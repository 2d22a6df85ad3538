"""Two processes at work: one that dies takes no row along and leaves no unit undone, and nothing waits for ever."""

from __future__ import annotations

from nova_eval.engines.local import LocalEngine
from nova_eval.engines.units import SampleUnit

BOTH = ("cpu", "cpu")


def test_one_device_works_in_this_process(world) -> None:
    here = world("fine", "raises")
    with LocalEngine(here.job, ("cpu",)) as engine:
        reports = list(engine.run(SampleUnit((key,)) for key in here.keys))
        assert engine._processes == {}
    assert [(report.done, report.failed) for report in reports] == [(1, 0), (1, 1)]


def test_the_unit_of_a_sampler_that_died_is_done_by_another(world) -> None:
    here = world("fine", "deadly once", "also fine", "unbearable")
    with LocalEngine(here.job, BOTH) as engine:
        reports = list(engine.run(SampleUnit(here.keys[at : at + 2]) for at in (0, 2)))
    assert sum(report.done for report in reports) == 4
    assert not any(report.failed for report in reports)
    assert here.sampled() == {"fine": 1, "deadly once": 1, "also fine": 1, "unbearable": 1}
    assert (here.job.folder / "sampler died").exists()


def test_the_unit_of_a_judge_that_died_is_scored_by_another(world) -> None:
    """The first scorer's rows were on disk when it died: they are there once when read."""
    here = world("fine", "deadly to look at once", "also fine")
    with LocalEngine(here.job, BOTH) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        reports = list(engine.run(iter([here.score_unit()])))
    assert [(report.done, report.failed) for report in reports] == [(3, 0)]
    assert (here.job.folder / "judge died").exists()
    for scorer in ("temporal_flickering", "aesthetic_quality"):
        assert all(row.value is not None for row in here.scores(scorer).values())
        assert here.scores(scorer).keys() == {"fine", "deadly to look at once", "also fine"}


def test_a_unit_that_kills_two_workers_fails_with_the_reason_and_the_rest_goes_on(world) -> None:
    here = world("fine", "deadly", "also fine", "unbearable")
    with LocalEngine(here.job, BOTH) as engine:
        reports = list(engine.run(SampleUnit((key,)) for key in here.keys))
    assert sorted((report.done, report.failed) for report in reports) == [(1, 0), (1, 0), (1, 0), (1, 1)]
    (reason,) = (report.last_failure for report in reports if report.failed)
    assert reason == "the worker process ended unexpectedly (exit code 9)"
    assert here.sampled() == {"fine": 1, "also fine": 1, "unbearable": 1}


def test_scores_that_kill_two_workers_leave_the_others_scored(world) -> None:
    here = world("fine", "deadly to look at", "also fine")
    with LocalEngine(here.job, BOTH) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        reports = list(engine.run(iter([here.score_unit(key) for key in here.keys])))
    assert sorted((report.done, report.failed) for report in reports) == [(1, 0), (1, 0), (1, 1)]
    assert {"fine", "also fine"} == here.scores("aesthetic_quality").keys()
