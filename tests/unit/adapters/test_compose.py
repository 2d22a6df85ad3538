"""One formula: a composite of plain numbers is that of estimates, and that of the official script."""

from __future__ import annotations

import random

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.compose import compose, estimates, formula, normalised, total_of_groups
from nova_eval.adapters.reduce import Estimate
from nova_eval.adapters.vbench.final import official_final_score


@pytest.fixture(scope="module")
def raw() -> dict[str, float]:
    drawn = random.Random(3)
    return {name: drawn.random() for name in load_benchmark("vbench").config.dimensions}


def test_plain_numbers_estimates_and_the_official_script_agree(raw: dict[str, float]) -> None:
    config = load_benchmark("vbench").config
    plain = compose(config, dict(raw))
    parts = estimates(config, {name: Estimate(value) for name, value in raw.items()})
    final = official_final_score(config, raw)
    assert {name: part.value for name, part in parts.items()} == plain
    official = {"quality": final.quality, "semantic": final.semantic, "total": final.total}
    assert plain == pytest.approx(official, abs=1e-14)


def test_the_total_of_group_scores_is_the_total_of_their_dimensions(raw: dict[str, float]) -> None:
    config = load_benchmark("vbench").config
    scores = compose(config, dict(raw))
    assert total_of_groups(config)(scores) == pytest.approx(scores["total"], abs=1e-14)


def test_a_single_group_is_the_mean_of_its_dimensions_to_the_last_bit() -> None:
    config = load_benchmark("geneval").config
    assert set(formula(config, "overall").coefficients.values()) == {1 / 6}
    assert formula(config, "overall").offset == 0.0
    assert list(compose(config, {})) == ["overall"]


def test_a_benchmark_without_groups_composes_nothing() -> None:
    assert compose(load_benchmark("t2i_compbench").config, {"color": 0.5}) == {}
    assert total_of_groups(load_benchmark("t2i_compbench").config)({}) is None


def test_at_the_end_of_its_range_a_dimension_is_one(raw: dict[str, float]) -> None:
    for dimension in load_benchmark("vbench").config.dimensions.values():
        assert normalised(dimension, dimension.maximum) == pytest.approx(1.0)
        assert normalised(dimension, dimension.minimum) == 0.0
