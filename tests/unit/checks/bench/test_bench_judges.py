"""Both sides are timed on the same clips, in turns, and what cannot be measured says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from nova_eval.checks.bench.judges import DIMENSIONS, lines, measure
from nova_eval.checks.bench.options import JudgesBench
from nova_eval.checks.crosscheck.official import FILES
from nova_eval.checks.crosscheck.options import Package
from nova_eval.checks.parity.weight_files import PUBLISHED, published
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.weights import entry


def flicker(official: Any, repeats: int = 1) -> JudgesBench:
    package = Package(environment=official.folder, threads=1)
    return JudgesBench(("temporal_flickering",), frames=4, height=128, width=128, repeats=repeats, package=package)


def test_a_dimension_is_measured_clip_by_clip(official: Any) -> None:
    result = measure(flicker(official, repeats=2))
    (row,) = result["dimensions"]
    assert row["dimension"] == "temporal_flickering"
    assert min(row["ours"], row["official"], row["ratio"], row["cpu_ratio"]) > 0
    assert (row["floor"], row["above_floor"]) == (0, None)  # no network looks at flicker
    together = result["together"]
    assert together["ours"] == pytest.approx(row["ours"] + together["decode"])
    assert together["official"] == pytest.approx(row["official"])
    assert together["ratio"] == pytest.approx(together["official"] / together["ours"])
    assert "all together" in lines(result)
    assert (result["repeats"], result["threads"], result["not_measured"]) == (2, 1, {})


def test_one_that_the_package_cannot_run_is_left_out_of_the_sum(official: Any) -> None:
    official.dimension("temporal_flickering", "def compute_temporal_flickering(*a, **k):\n    raise ValueError('no')\n")
    with pytest.raises(PrerequisiteError, match="ValueError: no"):
        measure(flicker(official))


def test_a_package_that_dies_is_said(official: Any) -> None:
    official.dimension("temporal_flickering", "import os\nos._exit(3)\n")
    with pytest.raises(PrerequisiteError, match="ended with code 3"):
        measure(flicker(official))


def test_what_is_no_measurement_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'imaging_quality'"):
        measure(JudgesBench(("image_quality",)))
    with pytest.raises(UsageError, match="128 pixels"):
        measure(JudgesBench(height=64))


def test_every_file_that_is_asked_for_can_be_written() -> None:
    known = {published(path.name).file for path in PUBLISHED.iterdir()}
    assert {entry(name).file for dimension in DIMENSIONS for name in FILES[dimension]} <= known
