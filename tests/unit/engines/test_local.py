"""What is trusted works in this process, and is left to others once it is late."""

from __future__ import annotations

import signal
from multiprocessing import Pipe

import pytest
from misbehaving import CROWDED

from nova_eval.engines.local import LocalEngine
from nova_eval.engines.serving import Units
from nova_eval.engines.units import Event, Fault, SampleUnit, UnitReport


def test_what_is_trusted_works_in_this_process(world) -> None:
    here = world("fine", "raises")
    with LocalEngine(here.job, ("cpu",), here=True) as engine:
        reports = list(engine.run(SampleUnit((key,)) for key in here.keys))
        assert engine._pool._posts == []
    assert [(report.done, report.failed) for report in reports] == [(1, 0), (1, 1)]


def test_what_is_late_in_this_process_is_left_to_processes_with_the_rest(world) -> None:
    here = world("fine", "hangs", "also fine")
    units = (SampleUnit((key,)) for key in here.keys)
    with LocalEngine(here.job, ("cpu",), here=True, unit_timeout=2) as engine:
        assert engine._here is not None
        engine._here.prepare(SampleUnit(()))  # what is loaded once takes its time
        assert [report.done for report in engine._done_here(engine._here, units)] == [1, 0]
        assert engine._here is None
        assert list(engine._pool.again) == [(SampleUnit((here.keys[1],)), 1)]
        assert list(units) == [SampleUnit((here.keys[2],))]
    assert here.sampled() == {"fine": 1}
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_has_no_room_in_this_process_is_left_to_processes_in_halves_with_the_rest(world) -> None:
    here = world("fine", "also fine", judge=CROWDED)
    with LocalEngine(here.job, ("cpu",), here=True) as engine:
        list(engine.run(iter([SampleUnit(here.keys)])))
        units, told = iter([here.score_unit(), here.score_unit()]), list[Event]()
        engine._pool.tell = told.append
        assert engine._here is not None
        assert list(engine._done_here(engine._here, units)) == []
        assert engine._here is None
        assert [event.text for event in told if event.kind == "halved"] == [
            "memory was short: goes on with judges at 1/2 of their batch"
        ]
        assert [(len(unit), unit.halvings) for unit, _ in engine._pool.again] == [(1, 1), (1, 1)]
        assert len(list(units)) == 1
    assert here.scores("temporal_flickering").keys() == {"fine", "also fine"}
    assert here.scores("aesthetic_quality") == {}


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
        assert ("gone", "failed: the worker process ended unexpectedly (exit code 9)") in texts
        assert [event.worker for event in told if event.text.startswith("started on cpu")] == ["worker-1", "worker-2"]


def test_a_unit_that_failed_as_its_device_did_is_left_to_another_process(
    world, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = world("fine", "raises")
    ours, theirs = Pipe()
    for key in here.keys:
        ours.send(SampleUnit((key,)))
    ours.send(None)
    monkeypatch.setattr("nova_eval.environment.device_is_spoilt", lambda: True)
    Units(here.job, "worker-1")(theirs)
    said = [ours.recv() for _ in iter(ours.poll, False)]
    done = [one for one in said if isinstance(one, UnitReport | Fault)]
    assert [isinstance(one, Fault) for one in done] == [False, True]
    assert done[1].spent
    assert "the device failed: sampler failed: RuntimeError: no such thought" in done[1].reason
