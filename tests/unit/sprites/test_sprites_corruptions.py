"""Every corruption lowers, under the benchmark's own rules, each dimension that it says it attacks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attacks import ATTACKS

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench.benchmark import VBench
from nova_eval.engines.questions import scores_of
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.samplers.sprites import NoiseSampler, OracleSampler
from nova_eval.sprites.corruptions import CORRUPTIONS, shuffled_prompts
from nova_eval.sprites.grammar import parse
from nova_eval.sprites.judges import SpritesBackgroundEncoder, SpritesJudge

SUITE = load_benchmark("vbench").suite("sprites").prompts
DIMENSIONS = sorted({name for prompt in SUITE for name in prompt.tags})
PROMPTS_EACH = 5
KEPT = {"motion_smoothness": 0.98, "temporal_flickering": 0.98}  # scores that hardly leave the top; of the others
MOST_KEPT = 0.93
LOWERED = [(name, dimension) for name, lowered in ATTACKS["vbench"].items() for dimension in sorted(lowered)]


def prompts_of(dimension: str) -> list[Prompt]:
    chosen = [prompt for prompt in SUITE if dimension in prompt.tags]
    return [chosen[i] for i in np.linspace(0, len(chosen) - 1, PROMPTS_EACH).round().astype(int)]


@cache
def score_of(dimension: str, corruption: str) -> float:
    sampler = NoiseSampler() if corruption == "noise" else OracleSampler(corruption=corruption)
    rule = next(rule for rule in VBench().scorers("corrected") if rule.name == dimension)
    judge = SpritesBackgroundEncoder() if rule.role == "background_features" else SpritesJudge()
    prompts = prompts_of(dimension)
    clips = sampler.sample(prompts, range(len(prompts)))
    items = []
    for i, (prompt, frames) in enumerate(zip(prompts, clips, strict=True)):
        sample = Sample(SampleKey(prompt.id, 0), i, "", "", 0, 64, 64, len(frames), 8.0, 0.0)
        items.append(Item(prompt, sample, Clip(frames, 8.0, Path(f"{prompt.text}-0.mp4"))))
    rows = [
        row for row in scores_of(rule, items, judge) if row.metric == dimension and row.value is not None and row.weight
    ]
    assert rows
    return sum(row.value * row.weight for row in rows) / sum(row.weight for row in rows)


def test_every_dimension_is_attacked():
    assert {dimension for _, dimension in LOWERED} == set(DIMENSIONS)
    assert len(DIMENSIONS) == 16
    assert set(ATTACKS["vbench"]) == set(CORRUPTIONS) - {"none", "retexture"}


@pytest.mark.parametrize(("corruption", "dimension"), LOWERED)
def test_a_corruption_lowers_what_it_attacks(corruption, dimension):
    clean, spoiled = score_of(dimension, "none"), score_of(dimension, corruption)
    assert spoiled < KEPT.get(dimension, MOST_KEPT) * clean


@pytest.mark.parametrize("dimension", [d for d in DIMENSIONS if d not in ("dynamic_degree", "color")])
def test_noise_is_far_below_the_oracle(dimension):
    # Noise moves, so it is "dynamic"; without any object the color rule has nothing to say.
    assert score_of(dimension, "noise") < 0.8 * score_of(dimension, "none")


@pytest.mark.parametrize(
    ("corruption", "untouched"),
    [
        ("recolour", "object_class"),
        ("shuffled_positions", "multiple_objects"),
        ("wrong_scene", "object_class"),
        ("wrong_object", "scene"),
        ("wrong_style", "spatial_relationship"),
        ("freeze", "color"),
        ("wrong_motion", "dynamic_degree"),
    ],
)
def test_what_is_not_attacked_stays(corruption, untouched):
    assert score_of(untouched, corruption) >= score_of(untouched, "none") - 0.25 * (untouched == "dynamic_degree")


def test_every_prompt_of_the_suite_is_shuffled_to_another_of_its_group():
    groups: dict[tuple[str, ...], list] = {}
    for prompt in SUITE:
        groups.setdefault(prompt.tags, []).append(parse(prompt.text))
    rng = np.random.default_rng(0)
    for scenes in groups.values():
        partners = [shuffled_prompts(scene, rng) for scene in scenes]
        assert sorted(map(str, partners)) == sorted(map(str, scenes))
        assert all(partner != scene for partner, scene in zip(partners, scenes, strict=True))
