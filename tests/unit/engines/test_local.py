"""Two processes at work: one that dies takes no row along and leaves no unit undone, and nothing waits for ever."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nova_eval.engines.local import LocalEngine
from nova_eval.engines.units import Event, SampleUnit
from nova_eval.errors import PrerequisiteError

BOTH = ("cpu", "cpu")


def test_what_is_trusted_works_in_this_process(world) -> None:
    here = world("fine", "raises")
    with LocalEngine(here.job, ("cpu",), here=True) as engine:
        reports = list(engine.run(SampleUnit((key,)) for key in here.keys))
        assert engine._processes == []
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
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 0)
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
    assert here.failures() == {"deadly": reason}


@pytest.mark.parametrize("devices", [("cpu",), BOTH])
def test_what_kills_its_worker_twice_is_a_row_and_its_neighbors_in_the_unit_are_made(world, devices) -> None:
    here = world("fine", "deadly", "also fine", "unbearable")
    with LocalEngine(here.job, devices) as engine:
        reports = list(engine.run(iter([SampleUnit(here.keys)])))
    assert sum(report.done for report in reports) == 4
    assert sum(report.failed for report in reports) == 1
    assert here.failures() == {"deadly": "the worker process ended unexpectedly (exit code 9)"}
    assert here.sampled() == {"fine": 1, "also fine": 1, "unbearable": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hangs", "the worker took longer than 4 s (--unit-timeout)"),
        ("aborts", "the worker process ended unexpectedly (exit code -6)"),
        ("reads nowhere", "the worker process ended unexpectedly (exit code -11)"),
        ("leaves", "sampler failed: SystemExit: 0"),
        ("interrupts", "sampler failed: KeyboardInterrupt"),
        ("leaves a child", "the worker process ended unexpectedly (exit code 5)"),
    ],
)
def test_what_a_sampler_does_to_its_process_harms_itself_alone(world, text, reason) -> None:
    here = world("fine", text, "also fine")
    started = time.monotonic()
    with LocalEngine(here.job, ("cpu",), unit_timeout=4 if text == "hangs" else 60) as engine:
        reports = list(engine.run(iter([SampleUnit(here.keys)])))
    assert here.failures() == {text: reason}
    assert here.sampled() == {"fine": 1, "also fine": 1}
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    assert time.monotonic() - started < 60


def test_what_is_late_in_this_process_is_left_to_processes_with_the_rest(world) -> None:
    here = world("fine", "hangs", "also fine")
    units = (SampleUnit((key,)) for key in here.keys)
    with LocalEngine(here.job, ("cpu",), here=True, unit_timeout=2) as engine:
        assert engine._here is not None
        engine._here.prepare(SampleUnit(()))  # what is loaded once takes its time
        assert [report.done for report in engine._done_here(engine._here, units)] == [1, 0]
        assert engine._here is None
        assert list(engine._again) == [(SampleUnit((here.keys[1],)), 1)]
        assert list(units) == [SampleUnit((here.keys[2],))]
    assert here.sampled() == {"fine": 1}
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_worker_whose_files_were_closed_is_replaced(world) -> None:
    here = world("fine", "closes files", "also fine")
    with LocalEngine(here.job, ("cpu",)) as engine:
        reports = list(engine.run(iter([SampleUnit(here.keys)])))
    assert here.sampled() == {"fine": 1, "closes files": 1, "also fine": 1}
    assert sum(report.done for report in reports) == 3


def test_a_thread_that_a_sampler_leaves_behind_keeps_nobody(world) -> None:
    here = world("leaves a thread", "fine")
    started = time.monotonic()
    with LocalEngine(here.job, ("cpu",)) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        ended = time.monotonic()
    assert here.sampled() == {"leaves a thread": 1, "fine": 1}
    assert time.monotonic() - ended < 10 < 60 > ended - started


@pytest.mark.parametrize(
    ("how", "said"), [("dies", r"exit code 3\) while it loaded"), ("raises", "no GPU in the worker")]
)
def test_a_sampler_that_cannot_be_made_in_a_worker_ends_the_run_in_one_line(world, monkeypatch, how, said) -> None:
    monkeypatch.setenv("MISBEHAVING_BIRTH", how)
    here = world("fine", "also fine", "unbearable")
    with LocalEngine(here.job, BOTH) as engine, pytest.raises(PrerequisiteError, match=said):
        list(engine.run(SampleUnit((key,)) for key in here.keys))
    births = (here.job.folder / "births").read_text()
    assert 1 <= len(births) <= 4


def test_a_judge_that_cannot_be_made_in_a_worker_ends_the_run_in_one_line(world, monkeypatch) -> None:
    here = world("fine", "also fine")
    with LocalEngine(here.job, ("cpu",)) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
    monkeypatch.setenv("MISBEHAVING_BIRTH", "judge dies")
    with LocalEngine(here.job, ("cpu",)) as engine, pytest.raises(PrerequisiteError, match="while it loaded"):
        list(engine.run(iter([here.score_unit()])))


def test_no_more_workers_start_than_there_are_units(world) -> None:
    here = world("fine")
    with LocalEngine(here.job, ("cpu",) * 6) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        assert len(engine._processes) == 1


def test_what_a_sampler_prints_is_no_data(world, capfd) -> None:
    here = world("prints", "fine")
    with LocalEngine(here.job, ("cpu",)) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
    output, error = capfd.readouterr()
    assert output == ""
    assert "printed" in error
    assert "written" in error


def test_a_relative_folder_and_a_sampler_that_goes_elsewhere_lose_nothing(world, monkeypatch) -> None:
    here = world("goes elsewhere", "fine")
    monkeypatch.chdir(here.job.folder.parent)
    job = replace(here.job, folder=Path(here.job.folder.name))
    with LocalEngine(job, ("cpu",)) as engine:
        list(engine.run(SampleUnit((key,)) for key in here.keys))
    assert here.sampled() == {"goes elsewhere": 1, "fine": 1}


def test_scores_that_kill_two_workers_leave_the_others_scored(world) -> None:
    here = world("fine", "deadly to look at", "also fine")
    with LocalEngine(here.job, BOTH) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        reports = list(engine.run(iter([here.score_unit(key) for key in here.keys])))
    assert sorted((report.done, report.failed) for report in reports) == [(1, 0), (1, 0), (1, 1)]
    (reason,) = (report.last_failure for report in reports if report.failed)
    rated = here.scores("aesthetic_quality")
    assert rated["deadly to look at"].value is None
    assert rated["deadly to look at"].reason == reason == "the worker process ended unexpectedly (exit code 7)"
    assert all(rated[text].value is not None for text in ("fine", "also fine"))


def test_a_sample_that_kills_its_judge_leaves_the_rest_of_its_unit_scored(world) -> None:
    here = world("fine", "deadly to look at", "also fine")
    with LocalEngine(here.job, ("cpu",)) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        reports = list(engine.run(iter([here.score_unit()])))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    assert all(row.value is not None for row in here.scores("temporal_flickering").values())
    rated = here.scores("aesthetic_quality")
    assert {text for text, row in rated.items() if row.value is None} == {"deadly to look at"}


@pytest.mark.parametrize("own", [False, True])
def test_what_befalls_workers_and_units_is_told(world, own: bool) -> None:
    here = world("fine", "raises" if own else "deadly once")
    told: list[Event] = []
    with LocalEngine(here.job, ("cpu",), here=own) as engine:
        list(engine.run(iter([SampleUnit(here.keys)]), told.append))
        list(engine.run(iter([here.score_unit(here.keys[0])]), told.append))
    texts = [(event.kind, event.text) for event in told]
    assert ("unit", "begins sampling 2: test/0000/0 … test/0001/0") in texts
    assert ("unit", "begins scoring 1: test/0000/0") in texts
    assert ("is at", "aesthetic_quality of 1 samples") in texts
    assert sum(kind == "loads" for kind, _ in texts) == (2 if own else 3)  # the sampler once more in another process
    if own:
        assert any(", 1 failed, the last with: " in text for _, text in texts)
    else:
        assert ("unit", "failed: the worker process ended unexpectedly (exit code 9)") in texts
        assert [event.worker for event in told if event.text.startswith("started on cpu")] == ["worker-1", "worker-2"]
