"""Every corruption lowers, under the benchmark's own rules, each dimension that it says it attacks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nova_eval.adapters.vbench.benchmark import VBench
from nova_eval.engines.questions import scores_of
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.samplers.sprites import NoiseSampler, OracleSampler
from nova_eval.sprites.corruptions import CORRUPTIONS, shuffled_prompts
from nova_eval.sprites.grammar import parse
from nova_eval.sprites.judges import SpritesBackgroundEncoder, SpritesJudge
from nova_eval.sprites.suite import entries

DIMENSIONS = sorted({name for entry in entries() for name in entry["dimension"]})
PROMPTS_EACH = 5
KEPT = {"motion_smoothness": 0.98, "temporal_flickering": 0.98}  # scores that hardly leave the top; of the others
MOST_KEPT = 0.93
ATTACKS = [(name, dimension) for name, how in CORRUPTIONS.items() for dimension in sorted(how.attacks)]


def prompts_of(dimension: str) -> list[Prompt]:
    listed = [
        Prompt(f"vbench/{i:04d}", e["prompt_en"], tuple(e["dimension"]), e.get("auxiliary_info", {}))
        for i, e in enumerate(entries())
    ]
    chosen = [prompt for prompt in listed if dimension in prompt.tags]
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
    assert {dimension for _, dimension in ATTACKS} == set(DIMENSIONS)
    assert len(DIMENSIONS) == 16


@pytest.mark.parametrize(("corruption", "dimension"), ATTACKS)
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
    for entry in entries():
        groups.setdefault(tuple(entry["dimension"]), []).append(parse(entry["prompt_en"]))
    rng = np.random.default_rng(0)
    for scenes in groups.values():
        partners = [shuffled_prompts(scene, rng) for scene in scenes]
        assert sorted(map(str, partners)) == sorted(map(str, scenes))
        assert all(partner != scene for partner, scene in zip(partners, scenes, strict=True))
