"""Weighted means, intervals and composites: exact in any order, and as wide as a bootstrap over prompts says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_eval.adapters.reduce import (
    NOT_SCORED,
    complete,
    composite,
    coverage_of,
    estimate,
    interval,
    metric,
)
from nova_eval.records import SampleKey, Score


def row(prompt: str, index: int, value: float | None, weight: float = 1.0, name: str = "m", reason: str = "") -> Score:
    return Score(SampleKey(f"p/{prompt}", index), name, value, weight, reason or ("none" if value is None else ""))


values = st.one_of(st.none(), st.floats(-3, 3, allow_nan=False))
tables = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), values, st.sampled_from([0.0, 0.1, 1.0, 16.0])))


@given(tables, st.randoms(use_true_random=False))
def test_estimates_are_equal_to_the_last_bit_in_any_order(table: list[tuple], shuffle) -> None:
    rows = list({(p, i): row(str(p), i, value, weight) for p, i, value, weight in table}.values())
    other = [*rows]
    shuffle.shuffle(other)
    first, second = estimate(rows), estimate(other)
    assert metric("m", first) == metric("m", second)
    assert list(first.influence.items()) == list(second.influence.items())
    assert coverage_of(rows) == coverage_of(other)
    twice = [("a", (0.3, first)), ("b", (0.7, first))]
    if first.complete:
        assert metric("c", composite(dict(twice))) == metric("c", composite(dict(reversed(twice))))


@given(tables)
def test_an_estimate_is_the_weighted_mean_of_what_has_a_number(table: list[tuple]) -> None:
    rows = list({(p, i): row(str(p), i, value, weight) for p, i, value, weight in table}.values())
    part = estimate(rows)
    used = [r for r in rows if r.value is not None and r.weight > 0]
    if used:
        assert part.value == pytest.approx(sum(r.weight * r.value for r in used) / sum(r.weight for r in used))
        assert math.fsum(part.influence.values()) == pytest.approx(0.0, abs=1e-9)
    else:
        assert part.value is None
        assert part.reason
    assert len(part.keys) + part.unscored + part.excluded == len(rows)


@given(tables, st.randoms(use_true_random=False))
def test_each_wanted_pair_has_exactly_one_row(table: list[tuple], shuffle) -> None:
    rows = [row(str(p), i, value, weight) for p, i, value, weight in table]
    pairs = [(SampleKey(f"p/{p}", i), "m") for p in range(5) for i in range(2)]
    found = complete(pairs, rows)
    shuffle.shuffle(rows)
    assert complete(pairs, rows) == found
    assert [(r.key, r.metric) for r in found] == pairs
    known = {r.key for r in rows}
    assert all((r.reason == NOT_SCORED) == (r.key not in known) for r in found)


def test_a_decided_row_wins_over_an_unscored_one() -> None:
    rows = [row("a", 0, None, reason="a crash"), row("a", 0, 0.5), row("a", 0, None, reason="another")]
    assert complete([(rows[0].key, "m")], rows)[0].value == 0.5


def test_one_prompt_has_no_interval() -> None:
    assert interval(estimate([row("a", 0, 0.1), row("a", 1, 0.9)])) is None
    both = {"x": (1.0, estimate([row("a", 0, 0.1), row("b", 0, 0.9)])), "y": (1.0, estimate([row("a", 0, 0.4)]))}
    part = composite(both)
    assert part.value == pytest.approx(0.9)
    assert interval(part) is None


def test_two_prompts_of_one_sample_give_the_textbook_interval() -> None:
    found = interval(estimate([row("a", 0, 0.0), row("b", 0, 1.0)]))
    assert found is not None
    reach = 12.706204736432095 * math.sqrt(0.5) / math.sqrt(2)  # t(0.975, 1) · s / √n
    assert found == pytest.approx((0.5 - reach, 0.5 + reach))


def bootstrap_error(statistic, prompts: int, rounds: int = 4000) -> float:
    random = np.random.default_rng(7)
    return float(np.std([statistic(random.integers(0, prompts, prompts)) for _ in range(rounds)]))


def standard_error(part) -> float:
    return math.sqrt(math.fsum(pull**2 for pull in part.influence.values()))


@pytest.fixture(scope="module")
def clustered() -> dict[str, np.ndarray]:
    """Two metrics over 80 prompts of four samples: prompts differ, samples of a prompt are alike, weights vary."""
    random = np.random.default_rng(1)
    level = random.normal(0.6, 0.2, (80, 1))
    return {
        "weight": random.integers(4, 17, (80, 4)).astype(float),
        "x": level + random.normal(0, 0.05, (80, 4)),
        "y": 0.5 * level + random.normal(0, 0.1, (80, 4)),
    }


def rows_of(table: dict[str, np.ndarray], name: str, weighted: bool) -> list[Score]:
    return [
        row(str(p), i, float(table[name][p, i]), float(table["weight"][p, i]) if weighted else 1.0, name)
        for p in range(80)
        for i in range(4)
    ]


def test_the_error_of_a_weighted_mean_is_that_of_a_bootstrap_over_prompts(clustered: dict[str, np.ndarray]) -> None:
    weight, x = clustered["weight"], clustered["x"]
    expected = bootstrap_error(lambda chosen: (weight[chosen] * x[chosen]).sum() / weight[chosen].sum(), 80)
    found = standard_error(estimate(rows_of(clustered, "x", weighted=True)))
    assert found == pytest.approx(expected, rel=0.06)
    assert found > 1.5 * x.std() / math.sqrt(x.size)  # samples of a prompt are not independent


def test_the_error_of_a_composite_is_that_of_recomputing_the_whole_formula(clustered: dict[str, np.ndarray]) -> None:
    weight, x, y = clustered["weight"], clustered["x"], clustered["y"]

    def formula(chosen: np.ndarray) -> float:
        pooled = (weight[chosen] * x[chosen]).sum() / weight[chosen].sum()
        return 0.8 * (pooled - 0.1462) / 0.8538 + 0.2 * y[chosen].mean() / 0.364

    terms = {
        "x": (0.8 / 0.8538, estimate(rows_of(clustered, "x", weighted=True))),
        "y": (0.2 / 0.364, estimate(rows_of(clustered, "y", weighted=False))),
    }
    part = composite(terms, -0.8 * 0.1462 / 0.8538)
    assert part.value == pytest.approx(formula(np.arange(80)))
    assert standard_error(part) == pytest.approx(bootstrap_error(formula, 80), rel=0.06)
    apart = math.sqrt(sum((slope * standard_error(term)) ** 2 for slope, term in terms.values()))
    assert standard_error(part) > 1.05 * apart  # the same prompts move both


def test_a_composite_names_what_it_lacks() -> None:
    whole, torn = estimate([row("a", 0, 0.5)]), estimate([row("a", 0, 0.5), row("b", 0, None, reason="torn file")])
    part = composite({"x": (1.0, whole), "y": (1.0, torn), "z": (1.0, estimate([]))})
    assert part.value is None
    assert part.reason == "needs every part; not complete: y, z"
    assert metric("total", part).unscored == 1
