"""Simulated schedules: what can be counted by hand, and a run's own times."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval.checks.bench import schedule
from nova_eval.checks.bench.options import EngineBench, ScheduleBench
from nova_eval.errors import UsageError
from nova_eval.records import Failure, Sample, SampleKey
from nova_eval.store import RunStore


def test_units_in_turn_on_two_workers() -> None:
    assert schedule.simulate([[3.0, 1.0], [1.0], [1.0], [1.0]], 2, 0.0) == (4.0, 0.0)
    assert schedule.simulate([[1.0], [1.0], [1.0], [4.0]], 2, 0.0) == (5.0, 0.0)


def test_a_driver_that_is_busy_makes_workers_wait() -> None:
    end, busy = schedule.simulate([[1.0]] * 40, 4, 0.5)
    assert busy == pytest.approx(20.0)
    assert end == pytest.approx(21.0)  # one unit, and then one after the other


@pytest.fixture
def run(tmp_path: Path) -> Path:
    store = RunStore(tmp_path / "runs" / "vbench" / "mine")
    rows: list[Sample | Failure] = []
    for index, seconds in enumerate((1.0, 2.0, 3.0)):
        name = f"media/a/b/{index}.png"
        store.write(name, b"x")
        rows.append(Sample(SampleKey("a/b", index), 0, name, "d", 1, 1, 1, 1, 0.0, seconds))
    store.sample_writer().append_samples([*rows, Failure(SampleKey("a/c", 0), "no")])
    store.write("manifest.json", b"{}")
    return tmp_path


def test_the_times_of_a_run_make_a_table(run: Path, tmp_path: Path) -> None:
    asked = ScheduleBench(run="vbench/mine", results=run, workers=(1, 64, 4096), samples=4730, seconds=30.0)
    one, many, too_many = schedule.measure(asked)
    assert one.efficiency == pytest.approx(1.0, abs=0.001)
    assert one.hours == pytest.approx(4730 * 30 / 3600, rel=0.02)
    assert many.efficiency > 0.95 > too_many.efficiency
    assert schedule.limit([one, many, too_many]) == "95% or more up to 64 workers, less at 4096"
    assert [path.name for path in schedule.write(tmp_path / "out", [one, many])] == ["schedule.csv", "schedule.md"]
    assert schedule.measure(asked) == [one, many, too_many]


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    for values in ({"workers": ()}, {"batch": 0}, {"seconds": -1.0}):
        with pytest.raises(UsageError):
            ScheduleBench(run="x", **values)
    with pytest.raises(UsageError):
        EngineBench(engines=("local",), address="auto")
    store = RunStore(tmp_path / "runs" / "vbench" / "none")
    store.write("manifest.json", b"{}")
    with pytest.raises(UsageError, match="knows no sample that took time"):
        schedule.recorded_seconds("vbench/none", tmp_path)
