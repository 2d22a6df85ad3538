"""Calibration: high where content is right, low where it is not, and each defect where it strikes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attacks import ATTACKS

from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run

CONTENT = ("object_class", "multiple_objects", "human_action", "color", "spatial_relationship", "scene")
SEMANTIC = (*CONTENT, "appearance_style", "temporal_style", "overall_consistency")


@cache
def values(sampler: str, corruption: str = "none") -> dict[str, float]:
    """Every metric of a reduced embedded run: 48 prompts, a sample each."""
    sets = [f"sampler.corruption={corruption}"] if sampler == "oracle" else []
    with TemporaryDirectory() as folder:
        flags = {"sampler": sampler, "limit": 48, "samples_per_prompt": "1", "results": Path(folder), "workers": 1}
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


@pytest.mark.parametrize("corruption", ["flicker", "wrong_object", "shuffled_prompts"])
def test_a_corruption_lowers_what_it_attacks(corruption: str) -> None:
    """One of the clip, one of the scene, one of the suite; ``test_sprites_corruptions`` asks every one of the rules."""
    clean, spoiled = values("oracle"), values("oracle", corruption)
    for dimension in ATTACKS["vbench"][corruption]:
        assert spoiled[dimension] < clean[dimension], dimension


@pytest.mark.parametrize("dimension", SEMANTIC)
def test_shuffled_prompts_lower_every_semantic_dimension(dimension: str) -> None:
    assert values("oracle", "shuffled_prompts")[dimension] < 0.6 * values("oracle")[dimension]
