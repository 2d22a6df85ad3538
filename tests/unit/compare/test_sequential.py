"""Boundaries of several looks are those of another implementation, and cross as often as drawn paths do."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from nova_eval.compare.sequential import LOOKS, Spending, boundaries, crossing, evenly, obrien_fleming, pocock

UNEVEN = (0.13, 0.5, 0.55, 1.0)
# Solved with h1 and hupdate of gsdesign 0.1.5 (PyPI) at r = 32, level 0.05, one-sided.
GSDESIGN = (
    (LOOKS, obrien_fleming, (4.22921, 2.88814, 2.29809, 1.96182, 1.73970)),
    (LOOKS, pocock, (2.17621, 2.14375, 2.11329, 2.08960, 2.07100)),
    (UNEVEN, pocock, (2.32333, 1.99012, 2.16777, 1.93548)),
    (LOOKS, evenly, (2.32635, 2.21930, 2.12014, 2.03320, 1.95602)),
    (UNEVEN, evenly, (2.48377, 2.05273, 2.19537, 1.84377)),
)


@pytest.mark.parametrize(("fractions", "spending", "theirs"), GSDESIGN)
def test_boundaries_are_gsdesigns(fractions: tuple[float, ...], spending: Spending, theirs: tuple[float, ...]) -> None:
    assert boundaries(fractions, 0.05, spending).values == pytest.approx(theirs, abs=3e-5)


def test_one_look_is_the_normal_quantile() -> None:
    assert boundaries((1.0,), 0.05).values == pytest.approx((norm.isf(0.05),), abs=1e-9)


@pytest.mark.parametrize("spending", [pocock, evenly, obrien_fleming])
@pytest.mark.parametrize("fractions", [LOOKS, UNEVEN, (0.3, 0.7)])
def test_what_is_spent_is_what_is_crossed_without_an_effect(spending: Spending, fractions: tuple[float, ...]) -> None:
    found = boundaries(fractions, 0.05, spending)
    assert crossing(found, 0.0) == pytest.approx(found.spent, abs=1e-7)
    assert found.spent[-1] == pytest.approx(0.05) if fractions[-1] == 1 else found.spent[-1] < 0.05


def test_crossing_is_that_of_drawn_paths() -> None:
    found = boundaries(LOOKS, 0.05, pocock)
    random, drift = np.random.default_rng(0), 2.5
    steps = random.normal(drift / 5, math.sqrt(1 / 5), (40_000, 5)).cumsum(axis=1) / np.sqrt(LOOKS)
    drawn = [np.mean((steps[:, : look + 1] >= found.values[: look + 1]).any(axis=1)) for look in range(5)]
    assert crossing(found, drift) == pytest.approx(drawn, abs=0.01)


def test_nothing_spent_is_nothing_crossed() -> None:
    assert boundaries((0.5, 1.0), 0.05, lambda fraction, level: level * (fraction == 1)).values[0] == math.inf


@pytest.mark.parametrize("fractions", [(), (0.0, 1.0), (0.5, 0.5), (0.6, 0.4), (0.5, 1.1)])
def test_looks_go_forward(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares of information rise"):
        boundaries(fractions)
