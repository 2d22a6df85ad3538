"""A folder that was looked at is not looked at again: what the measurement of it says."""

from __future__ import annotations

from nova_eval.checks.bench.folder import lines, measure
from nova_eval.checks.bench.options import FolderBench


def test_the_second_look_is_measured_beside_the_first() -> None:
    figures = measure(FolderBench(clips=40))
    assert figures["clips"] == 40
    for turn in ("first_plan", "second_plan", "recording_sample", "again_sample"):
        assert all(figures[f"{turn}_{unit}"] > 0 for unit in ("cpu_seconds", "wall_seconds", "peak_mib"))
    assert "second plan cpu seconds: " in lines(figures)
