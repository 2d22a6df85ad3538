"""Calibration of the image benchmarks as a user runs them: the oracle is right, noise is wrong, all within the run."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.records import RunSummary
from nova_eval.report.tables import run_title
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run

LIMITS = {"geneval": 24, "t2i_compbench": 32, "dpg_bench": 60}  # four prompts a task or category, one sample each
PARTS = [(name, dimension) for name in LIMITS for dimension in load_benchmark(name).config.dimensions]


@cache
def summary(benchmark: str, sampler: str, samples: str = "1") -> RunSummary:
    limit = LIMITS[benchmark] if samples == "1" else 2
    with TemporaryDirectory() as folder:
        flags = {
            "sampler": sampler,
            "limit": limit,
            "samples_per_prompt": samples,
            "results": Path(folder),
            "workers": 1,
        }
        return run(open_run(*resolve(benchmark, flags))).summary


@pytest.mark.parametrize(("benchmark", "dimension"), PARTS)
def test_the_oracle_is_right_and_noise_is_wrong(benchmark: str, dimension: str) -> None:
    right, wrong = (
        {metric.name: metric.value for metric in summary(benchmark, sampler).metrics} for sampler in ("oracle", "noise")
    )
    assert right[dimension] >= 0.95
    assert wrong[dimension] <= 0.05


@pytest.mark.parametrize("benchmark", ["geneval", "dpg_bench"])
def test_the_headline_agrees(benchmark: str) -> None:
    right, wrong = (
        {metric.name: metric.value for metric in summary(benchmark, sampler).metrics} for sampler in ("oracle", "noise")
    )
    assert right["overall"] >= 0.95
    assert wrong["overall"] <= 0.05


@pytest.mark.parametrize("benchmark", LIMITS)
def test_nothing_is_unscored_and_the_note_says_what_compares(benchmark: str) -> None:
    outcome = summary(benchmark, "oracle")
    assert outcome.coverage.unscored == 0
    assert outcome.notes == ("numbers of the embedded world compare with each other only",)


@pytest.mark.parametrize(("benchmark", "count"), [("geneval", 4), ("t2i_compbench", 10), ("dpg_bench", 4)])
def test_the_official_count_is_taken_and_named(benchmark: str, count: int) -> None:
    outcome = summary(benchmark, "oracle", "official")
    assert (outcome.prompts, outcome.samples) == (2, 2 * count)
    title = run_title(outcome, load_benchmark(benchmark).config)
    assert f" prompts × {count} samples" in title
