"""bench sweep: one setting at several values, each a run of its own, told in a table and a figure."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nova_eval import packages
from nova_eval.checks.bench import sweep
from nova_eval.checks.bench.options import SweepBench
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.run import Run

ASKED = SweepBench("sampler.strength=0,1", show=("color",))


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[sweep.Point]:
    results = tmp_path_factory.mktemp("sweep")

    def opened(override: str) -> Run:
        flags = {"sampler": "oracle", "limit": 4, "samples_per_prompt": "1", "results": results, "workers": 1}
        return open_run(*resolve("vbench", {**flags, "metrics": ("color",)}, ["sampler.corruption=recolour", override]))

    return sweep.measure(ASKED, opened)


def test_every_value_is_a_run_with_scores_motion_and_time(points: list[sweep.Point]) -> None:
    assert [point.value for point in points] == ["0", "1"]
    assert len({point.run for point in points}) == 2
    assert points[0].metrics["color"] == 1.0
    assert points[1].metrics["color"] != 1.0
    assert all(point.motion is not None and point.seconds for point in points)


def test_the_table_and_the_files_hold_what_was_measured(points: list[sweep.Point], tmp_path: Path) -> None:
    text = sweep.lines(ASKED, points)
    assert text.splitlines()[0] == "| sampler.strength | color | motion | seconds a sample |"
    assert "| 0 | 1.000 |" in text
    table, figure = sweep.write(tmp_path, ASKED, points)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["color"]) for row in rows] == [point.metrics["color"] for point in points]
    assert "</svg>" in figure.read_text()
    before = figure.read_bytes()
    assert sweep.write(tmp_path, ASKED, points)[1].read_bytes() == before


@pytest.mark.parametrize("over", ["guidance", "sampler.guidance_scale=", "sampler.guidance_scale=3", "=1,2"])
def test_a_sweep_needs_a_setting_and_two_values(over: str) -> None:
    with pytest.raises(UsageError, match="does not give a setting several values"):
        assert SweepBench(over).setting is None


def test_a_metric_that_nothing_measured_is_refused(points: list[sweep.Point]) -> None:
    with pytest.raises(UsageError, match="did you mean 'color'"):
        sweep.lines(SweepBench("sampler.strength=0,1", show=("colour",)), points)


def test_the_package_for_the_figure_is_asked_for_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    asked = SweepBench("sampler.strength=0,1", output=tmp_path / "figures")
    with pytest.raises(PrerequisiteError, match=r"matplotlib.*nova_eval\[train\]"):
        sweep.measure(asked, lambda override: pytest.fail("a run was opened"))
    assert not asked.output.exists()
