"""Calibration: high where content is right, low where it is not, and each defect where it strikes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.sprites.corruptions import CORRUPTIONS

CONTENT = ("object_class", "multiple_objects", "human_action", "color", "spatial_relationship", "scene")
SEMANTIC = (*CONTENT, "appearance_style", "temporal_style", "overall_consistency")


@cache
def values(sampler: str, corruption: str = "none") -> dict[str, float]:
    """Every metric of a reduced embedded run: 48 prompts, two samples each."""
    sets = [f"sampler.corruption={corruption}"] if sampler == "oracle" else []
    with TemporaryDirectory() as folder:
        flags = {"sampler": sampler, "limit": 48, "samples_per_prompt": "2", "results": Path(folder), "workers": 1}
        outcome = run(open_run(*resolve("vbench", flags, sets)))
    assert outcome.summary.coverage.unscored == 0
    return {metric.name: metric.value for metric in outcome.summary.metrics if metric.value is not None}


@pytest.mark.parametrize("dimension", CONTENT)
def test_the_oracle_is_right_and_noise_is_wrong(dimension: str) -> None:
    assert values("oracle")[dimension] >= 0.95
    assert values("noise")[dimension] <= 0.05


def test_the_ladder_holds_for_every_composite() -> None:
    for composite in ("quality", "semantic", "total"):
        assert values("oracle")[composite] > values("noise")[composite] + 0.5


@pytest.mark.parametrize("corruption", sorted(name for name, how in CORRUPTIONS.items() if how.attacks))
def test_each_corruption_lowers_what_it_attacks(corruption: str) -> None:
    clean, spoiled = values("oracle"), values("oracle", corruption)
    for dimension in CORRUPTIONS[corruption].attacks:
        assert spoiled[dimension] < clean[dimension], dimension


@pytest.mark.parametrize("dimension", SEMANTIC)
def test_shuffled_prompts_lower_every_semantic_dimension(dimension: str) -> None:
    assert values("oracle", "shuffled_prompts")[dimension] < 0.6 * values("oracle")[dimension]


def test_every_dimension_has_a_corruption_that_attacks_it() -> None:
    attacked = set().union(*(corruption.attacks for corruption in CORRUPTIONS.values()))
    assert attacked == set(values("oracle")) - {"quality", "semantic", "total"}
