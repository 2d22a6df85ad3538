"""Every corruption lowers what it attacks under the rules of the image benchmarks; prompt shuffles lower all."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from attacks import ATTACKS

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.selection import select
from nova_eval.engines.questions import scores_of
from nova_eval.judges import JUDGES
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import Sample, SampleKey
from nova_eval.samplers.sprites import NoiseSampler, OracleSampler
from nova_eval.sprites.corruptions import CORRUPTIONS, shuffled_prompts
from nova_eval.sprites.grammar import parse

PROMPTS = {"geneval": 36, "t2i_compbench": 48, "dpg_bench": 68}  # taken of each suite
MOST_KEPT = 0.96
LOWERED = [
    (benchmark, corruption, dimension)
    for benchmark in PROMPTS
    for corruption, dimensions in ATTACKS[benchmark].items()
    for dimension in sorted(dimensions)
]
DIMENSIONS = sorted({(benchmark, dimension) for benchmark, _, dimension in LOWERED})


@cache
def values(name: str, corruption: str = "none") -> dict[str, float]:
    """Every metric over one image a prompt, under the corrected rules and the judges of the embedded world."""
    sampler = NoiseSampler(frames=1) if corruption == "noise" else OracleSampler(frames=1, corruption=corruption)
    benchmark, judges = load_benchmark(name), load_benchmark(name).config.judges["sprites"]
    prompts = select(load_benchmark(name).suite("sprites").prompts, PROMPTS[name])
    wanted = [SampleKey(prompt.id, 0) for prompt in prompts]
    items = {}
    for seed, prompt in enumerate(prompts):
        sample = Sample(SampleKey(prompt.id, 0), seed, "", "", 0, 64, 64, 1, 0.0, 0.0)
        frames = sampler.sample([prompt], [seed])[0]
        items[prompt.id] = Item(prompt, sample, Clip(frames, 0.0, Path("image.png")))
    rules = {rule.name: rule for rule in benchmark.scorers("corrected")}
    made = {rule.role: JUDGES.get(judges[rule.role])() for rule in rules.values()}
    rows = []
    for key, rule in benchmark.pairs(prompts, wanted):
        rows += scores_of(rules[rule], [items[key.prompt_id]], made[rules[rule].role])
    assert all(row.value is not None for row in rows)
    return {metric.name: metric.value for metric in reduced(benchmark, prompts, wanted, rows, "corrected")}


@pytest.mark.parametrize(("benchmark", "dimension"), DIMENSIONS)
def test_the_oracle_is_right_and_noise_is_wrong(benchmark, dimension):
    assert values(benchmark)[dimension] >= 0.95
    assert values(benchmark, "noise")[dimension] <= 0.05


@pytest.mark.parametrize(("benchmark", "corruption", "dimension"), LOWERED)
def test_a_corruption_lowers_what_it_attacks(benchmark, corruption, dimension):
    assert values(benchmark, corruption)[dimension] < MOST_KEPT * values(benchmark)[dimension]


@pytest.mark.parametrize(("benchmark", "dimension"), DIMENSIONS)
def test_shuffled_prompts_lower_everything(benchmark, dimension):
    assert values(benchmark, "shuffled_prompts")[dimension] < 0.4


@pytest.mark.parametrize("benchmark", PROMPTS)
def test_every_dimension_is_attacked_by_known_corruptions(benchmark):
    attacked = {dimension for name, _, dimension in LOWERED if name == benchmark}
    assert attacked == set(load_benchmark(benchmark).config.dimensions)
    assert set(ATTACKS[benchmark]) <= set(CORRUPTIONS)


@pytest.mark.parametrize(
    ("benchmark", "corruption", "untouched"),
    [
        ("geneval", "recolour", "two_object"),
        ("geneval", "shuffled_positions", "color_attr"),
        ("geneval", "wrong_count", "colors"),
        ("t2i_compbench", "recolour", "texture"),
        ("t2i_compbench", "retexture", "color"),
        ("t2i_compbench", "shuffled_positions", "numeracy"),
        ("dpg_bench", "wrong_object", "global"),
        ("dpg_bench", "shuffled_positions", "attribute"),
    ],
)
def test_what_is_not_attacked_stays(benchmark, corruption, untouched):
    assert values(benchmark, corruption)[untouched] >= values(benchmark)[untouched] - 0.03


@pytest.mark.parametrize("benchmark", PROMPTS)
def test_every_prompt_is_shuffled_to_another(benchmark):
    rng = np.random.default_rng(0)
    for prompt in load_benchmark(benchmark).suite("sprites").prompts:
        scene = parse(prompt.text)
        assert shuffled_prompts(scene, rng) != scene
