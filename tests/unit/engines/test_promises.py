"""What every engine promises: a worker that dies takes no row along, leaves no unit undone, keeps nobody waiting."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import GLUTTON, GREEDY

from nova_eval.engines.pool import Pool
from nova_eval.engines.units import Event, SampleUnit
from nova_eval.errors import PrerequisiteError


def test_the_unit_of_a_sampler_that_died_is_done_by_another(engine, world) -> None:
    here = world("fine", "deadly once", "also fine", "unbearable")
    with engine(here.job, 2) as at_work:
        reports = list(at_work.run(SampleUnit(here.keys[at : at + 2]) for at in (0, 2)))
    assert sum(report.done for report in reports) == 4
    assert not any(report.failed for report in reports)
    assert here.sampled() == {"fine": 1, "deadly once": 1, "also fine": 1, "unbearable": 1}
    assert (here.job.folder / "sampler died").exists()


def test_the_unit_of_a_judge_that_died_is_scored_by_another(engine, world) -> None:
    """The first scorer's rows were on disk when it died: they are there once when read."""
    here = world("fine", "deadly to look at once", "also fine")
    with engine(here.job, 2) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        reports = list(at_work.run(iter([here.score_unit()])))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 0)
    assert (here.job.folder / "judge died").exists()
    for scorer in ("temporal_flickering", "aesthetic_quality"):
        assert all(row.value is not None for row in here.scores(scorer).values())
        assert here.scores(scorer).keys() == {"fine", "deadly to look at once", "also fine"}


def test_a_unit_that_kills_two_workers_fails_with_the_reason_and_the_rest_goes_on(engine, world) -> None:
    here = world("fine", "deadly", "also fine", "unbearable")
    with engine(here.job, 2) as at_work:
        reports = list(at_work.run(SampleUnit((key,)) for key in here.keys))
    assert sorted((report.done, report.failed) for report in reports) == [(1, 0), (1, 0), (1, 0), (1, 1)]
    (reason,) = (report.last_failure for report in reports if report.failed)
    assert reason == "the worker process ended unexpectedly (exit code 9)"
    assert here.sampled() == {"fine": 1, "also fine": 1, "unbearable": 1}
    assert here.failures() == {"deadly": reason}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_kills_its_worker_twice_is_a_row_and_its_neighbors_in_the_unit_are_made(engine, world, workers) -> None:
    here = world("fine", "deadly", "also fine", "unbearable")
    with engine(here.job, workers) as at_work:
        reports = list(at_work.run(iter([SampleUnit(here.keys)])))
    assert sum(report.done for report in reports) == 4
    assert sum(report.failed for report in reports) == 1
    assert here.failures() == {"deadly": "the worker process ended unexpectedly (exit code 9)"}
    assert here.sampled() == {"fine": 1, "also fine": 1, "unbearable": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("aborts", "the worker process ended unexpectedly (exit code -6)"),
        ("reads nowhere", "the worker process ended unexpectedly (exit code -11)"),
        ("leaves", "sampler failed: SystemExit: 0"),
        ("interrupts", "sampler failed: KeyboardInterrupt"),
        ("leaves a child", "the worker process ended unexpectedly (exit code 5)"),
    ],
)
def test_what_a_sampler_does_to_its_process_harms_itself_alone(engine, world, text, reason) -> None:
    here = world("fine", text, "also fine")
    started = time.monotonic()
    with engine(here.job, 1, unit_timeout=60) as at_work:
        reports = list(at_work.run(iter([SampleUnit(here.keys)])))
    assert here.failures() == {text: reason}
    assert here.sampled() == {"fine": 1, "also fine": 1}
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    assert time.monotonic() - started < 60


def test_a_worker_that_hangs_is_ended_and_harms_itself_alone(engine, world, monkeypatch) -> None:
    """It is late as soon as it hangs: whatever else is at work on this machine, no other unit is."""
    here = world("fine", "hangs", "also fine")

    def late(pool: Pool, post: object) -> bool:
        path = here.job.folder / "hangs"
        hangs = path.exists()
        path.unlink(missing_ok=True)
        return hangs

    monkeypatch.setattr(Pool, "_late", late)
    with engine(here.job, 1, unit_timeout=600) as at_work:
        reports = list(at_work.run(iter([SampleUnit(here.keys)])))
    assert here.failures() == {"hangs": "the worker took longer than 600 s (--unit-timeout)"}
    assert here.sampled() == {"fine": 1, "also fine": 1}
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)


def test_a_worker_whose_files_were_closed_is_replaced(engine, world) -> None:
    here = world("fine", "closes files", "also fine")
    with engine(here.job, 1) as at_work:
        reports = list(at_work.run(iter([SampleUnit(here.keys)])))
    assert here.sampled() == {"fine": 1, "closes files": 1, "also fine": 1}
    assert sum(report.done for report in reports) == 3


def test_a_thread_that_a_sampler_leaves_behind_keeps_nobody(engine, world) -> None:
    here = world("leaves a thread", "fine")
    started = time.monotonic()
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        ended = time.monotonic()
    assert here.sampled() == {"leaves a thread": 1, "fine": 1}
    assert time.monotonic() - ended < 10 < 60 > ended - started


@pytest.mark.parametrize(
    ("how", "said"), [("dies", r"exit code 3\) while it loaded"), ("raises", "no GPU in the worker")]
)
def test_a_sampler_that_cannot_be_made_in_a_worker_ends_the_run_in_one_line(
    engine, world, monkeypatch, how, said
) -> None:
    here = world("fine", "also fine", "unbearable", birth=how)
    with engine(here.job, 2) as at_work, pytest.raises(PrerequisiteError, match=said):
        list(at_work.run(SampleUnit((key,)) for key in here.keys))
    births = (here.job.folder / "births").read_text()
    assert 1 <= len(births) <= 4


def test_a_judge_that_cannot_be_made_in_a_worker_ends_the_run_in_one_line(engine, world) -> None:
    here = world("fine", "also fine")
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
    (here.job.folder / "birth").write_text("judge dies")
    with engine(here.job, 1) as at_work, pytest.raises(PrerequisiteError, match="while it loaded"):
        list(at_work.run(iter([here.score_unit()])))


def test_no_more_workers_start_than_there_are_units(engine, world) -> None:
    here = world("fine")
    told: list[Event] = []
    with engine(here.job, 6) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)]), told.append))
    assert sum(event.text.startswith("started on") for event in told) == 1


def test_what_a_sampler_prints_is_no_data(engine, world, capfd) -> None:
    here = world("prints", "fine")
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
    output, error = capfd.readouterr()
    assert output == ""
    if engine.here:  # from other machines it comes when it comes
        assert "printed" in error
        assert "written" in error


def test_a_relative_folder_and_a_sampler_that_goes_elsewhere_lose_nothing(engine, world, monkeypatch) -> None:
    here = world("goes elsewhere", "fine")
    monkeypatch.chdir(here.job.folder.parent)
    job = replace(here.job, folder=Path(here.job.folder.name))
    with engine(job, 1) as at_work:
        list(at_work.run(SampleUnit((key,)) for key in here.keys))
    assert here.sampled() == {"goes elsewhere": 1, "fine": 1}


def test_scores_that_kill_two_workers_leave_the_others_scored(engine, world) -> None:
    here = world("fine", "deadly to look at", "also fine")
    with engine(here.job, 2) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        reports = list(at_work.run(iter([here.score_unit(key) for key in here.keys])))
    assert sorted((report.done, report.failed) for report in reports) == [(1, 0), (1, 0), (1, 1)]
    (reason,) = (report.last_failure for report in reports if report.failed)
    rated = here.scores("aesthetic_quality")
    assert rated["deadly to look at"].value is None
    assert rated["deadly to look at"].reason == reason == "the worker process ended unexpectedly (exit code 7)"
    assert all(rated[text].value is not None for text in ("fine", "also fine"))


def test_a_sample_that_kills_its_judge_leaves_the_rest_of_its_unit_scored(engine, world) -> None:
    here = world("fine", "deadly to look at", "also fine")
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        reports = list(at_work.run(iter([here.score_unit()])))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    assert all(row.value is not None for row in here.scores("temporal_flickering").values())
    rated = here.scores("aesthetic_quality")
    assert {text for text, row in rated.items() if row.value is None} == {"deadly to look at"}


def test_a_judge_that_is_killed_for_memory_scores_the_same_with_less(engine, world) -> None:
    """Two samples, a batch of two: halved once, and all that comes later with it."""
    here, told = world("fine", "also fine", judge=GREEDY), []
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        units = [here.score_unit(), here.score_unit(here.keys[0])]
        reports = list(at_work.run((), told.append, iter(units)))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 0)
    assert {row.value for row in here.scores("aesthetic_quality").values()} == {100 / 25 / 10}
    assert [event.text for event in told if event.kind == "halved"] == [
        "memory was short: goes on with judges at 1/2 of their batch"
    ]


@pytest.mark.slow
def test_a_judge_without_a_batch_that_is_killed_for_memory_is_asked_about_fewer_samples(engine, world) -> None:
    here = world("fine", "deadly to look at", "also fine", judge=GLUTTON)
    with engine(here.job, 1) as at_work:
        list(at_work.run(iter([SampleUnit(here.keys)])))
        reports = list(at_work.run((), later=iter([here.score_unit()])))
    assert (sum(report.done for report in reports), sum(report.failed for report in reports)) == (3, 1)
    rated = here.scores("aesthetic_quality")
    assert {text for text, row in rated.items() if row.value is None} == {"deadly to look at"}
    assert rated["deadly to look at"].reason.startswith("the worker process ended unexpectedly (exit code -9")
    assert all(row.value is not None for row in here.scores("temporal_flickering").values())
