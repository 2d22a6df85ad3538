"""The instrument tells better generators from worse ones: oracle, nova-mini, an early nova-mini, and noise."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from nova_eval.arguments import resolve
from nova_eval.opening import open_run
from nova_eval.pipeline import run

LADDER = ("oracle", "nova:nova-mini", "nova:nova-mini-early", "noise")


@pytest.fixture(scope="module")
def overall(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """GenEval's overall score of each, on 8 prompts a task."""
    results = tmp_path_factory.mktemp("ladder")
    scores = {}
    for sampler in LADDER:
        flags = {"sampler": sampler, "limit": 48, "samples_per_prompt": "2", "results": results, "workers": 1}
        metrics = {metric.name: metric.value for metric in run(open_run(*resolve("geneval", flags))).summary.metrics}
        assert metrics["overall"] is not None
        scores[sampler] = metrics["overall"]
    return scores


@pytest.mark.parametrize(("better", "worse"), pairwise(LADDER))
def test_each_step_is_above_the_next(overall: dict[str, float], better: str, worse: str) -> None:
    assert overall[better] > overall[worse]


def test_the_same_run_gives_the_same_rows_with_one_worker_and_with_two(tmp_path: Path) -> None:
    found = []
    for workers in (1, 2):
        flags = {"limit": 6, "samples_per_prompt": "1", "results": tmp_path / str(workers), "workers": workers}
        opened = open_run(*resolve("geneval", flags))
        outcome = run(opened)
        found.append(({key: sample.digest for key, sample in outcome.samples.items()}, outcome.summary.metrics))
    assert len(found[0][0]) == 6
    assert found[0] == found[1]
