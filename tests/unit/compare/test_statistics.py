"""The tests and intervals of a comparison are those of other implementations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from nova_eval.compare import bootstrap, flips
from nova_eval.compare.bootstrap import bca, best_of
from nova_eval.compare.evidence import evidence_of
from nova_eval.compare.flips import sign_flip
from nova_eval.compare.power import Thinning, detectable, holm, needed

VALUES = np.array([0.3, -0.1, 0.25, 0.0, 0.4, -0.2, 0.1, 0.15, -0.05, 0.3, 0.02, 0.18])


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_few_prompts_are_flipped_exactly_as_scipy_does() -> None:
    ours = sign_flip(VALUES, random())
    for alternative, p in (("greater", ours.high), ("less", ours.low)):
        theirs = stats.permutation_test(
            (VALUES,), np.mean, permutation_type="samples", alternative=alternative, n_resamples=np.inf
        )
        assert p == pytest.approx(theirs.pvalue, abs=1e-12)


@pytest.mark.parametrize("count", [17, 60])
def test_drawn_signs_come_near_the_saddlepoint_and_never_give_zero(count: int) -> None:
    values = random().normal(0.1, 0.4, count)
    drawn = sign_flip(values, random())
    t = stats.ttest_1samp(values, 0.0, alternative="greater").pvalue
    assert drawn.high == pytest.approx(t, abs=0.02)
    assert 0.5**count <= sign_flip(np.full(count, 1.0), random()).high < 2e-5


def test_small_tails_are_those_of_all_signs() -> None:
    values = random().normal(0.5, 0.3, 20)
    every = ((np.arange(2**20)[:, None] >> np.arange(20)) & 1).astype(np.float32) * 2 - 1
    exact = np.mean(every @ values.astype(np.float32) >= values.sum() - 1e-5)
    assert exact < 0.001
    assert sign_flip(values, random()).high == pytest.approx(exact, rel=0.35)


def test_very_many_prompts_need_no_draws() -> None:
    values = random().normal(0.02, 1.0, flips.MANY)
    found = sign_flip(values, random())
    sums = (random().integers(0, 2, (4_000, flips.MANY)) * 2 - 1) @ values
    assert found.high == pytest.approx(np.mean(sums >= values.sum()), abs=0.02)
    assert found.low + found.high == pytest.approx(1.0)
    few_matter = np.concatenate([np.full(3, 50.0), random().normal(0.0, 0.01, flips.MANY)])
    assert sign_flip(few_matter, random()).high == pytest.approx(1 / 8, abs=0.09)


@pytest.mark.parametrize("values", [np.zeros(5), np.zeros(0), np.full(40, 1e-300)[:0]])
def test_no_difference_is_no_evidence(values: np.ndarray) -> None:
    assert sign_flip(values, random()) == (1.0, 1.0)


def test_prompts_that_do_not_differ_count_for_nothing() -> None:
    assert sign_flip(np.array([1.0, 1.0, 1.0, *[0.0] * 50]), random()).high == 1 / 8


def test_bca_is_scipys() -> None:
    values = random().exponential(1.0, 40)
    scale = np.sqrt(1.0) / 40
    ours = bca(values.mean(), (values - values.mean()) * scale, random())
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, random_state=1).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.04)


def test_bca_of_very_many_prompts_is_that_of_draws() -> None:
    values = random().exponential(1.0, 2 * bootstrap.MANY)
    pulls = (values - values.mean()) / len(values)
    written = bca(values.mean(), pulls, random())
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=4_000, random_state=1).confidence_interval
    assert written == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_bca_of_nothing_that_varies() -> None:
    assert bca(0.5, np.zeros(8), random()) is None


def test_holm() -> None:
    # statsmodels 0.15.0: multipletests(p, method="holm")
    p_values = [0.0003, 0.012, 0.0125, 0.02, 0.3, 0.7, 0.0004]
    theirs = [0.0021, 0.06, 0.06, 0.06, 0.6, 0.7, 0.0024]
    assert list(holm(dict(enumerate(p_values))).values()) == pytest.approx(theirs)
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_without_a_range_limits_are_those_of_tost_and_of_students_t() -> None:
    count = len(VALUES)
    pulls = (VALUES - VALUES.mean()) / count * np.sqrt(count / (count - 1))
    found = evidence_of(
        float(VALUES.mean()), np.zeros(count), pulls, width=float("inf"), composite=False, random=random()
    )
    # statsmodels 0.15.0: DescrStatsW(VALUES).tconfint_mean(0.10)[0]; a margin just above it is ttost_mean's at 0.05
    assert found.least == pytest.approx(0.017621882381846074, abs=1e-12)
    theirs = stats.ttest_1samp(VALUES, 0.0).confidence_interval(0.95)
    assert found.interval == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.p_better == sign_flip(VALUES, random()).high


def test_what_is_detectable_is_detected() -> None:
    smallest = detectable(0.1, 1e9, 100)
    assert smallest == pytest.approx((1.6448536 + 0.8416212) * 0.1)
    assert needed(50, 0.1, smallest) == pytest.approx(50, abs=1)
    assert detectable(0.1, 4, 5, tests=16) is None  # 2⁻⁵ is above 0.05 / 16
    assert detectable(0.0, 99, 100) is None
    assert needed(50, 0.1, 0.0) is None


def test_a_run_that_is_behind_leaves_the_set_of_the_best() -> None:
    common = random().normal(0.5, 0.2, (60, 1))
    runs = common + np.random.default_rng(1).normal(0.0, 0.05, (60, 3)) + np.array([0.0, 0.002, -0.1])
    stays = best_of(runs / 60, random())
    assert stays[2] < 0.01
    assert max(stays) == 1.0
    assert min(stays[:2]) > 0.05
    assert best_of(np.repeat(common, 2, axis=1), random()) == [1.0, 1.0]


def test_the_set_of_the_best_is_archs() -> None:
    draws = np.random.default_rng(5)
    common = draws.normal(0.5, 0.2, (60, 1))
    runs = common + draws.normal(0.0, 0.08, (60, 5)) + np.array([0.0, 0.01, -0.02, -0.05, -0.1])
    # arch 8.0.0: MCS(-runs, 0.05, reps=20000, block_size=1, method="max", seed=1).pvalues
    assert best_of(runs / 60, random()) == pytest.approx([0.33415, 1.0, 0.01435, 0.0, 0.0], abs=0.03)


def test_a_run_with_more_wrong_answers_is_noisier_and_its_drop_has_to_be_larger() -> None:
    """Of 50 prompts that are right with the chance 0.9, one sample each, samples alike or not."""
    thinning = Thinning(value=0.9, within=0.9 / 50, between=0.09 / 50, shared=0.0, step=1 / 50)
    error = math.sqrt(2 * 0.09 / 50)
    plain, honest = detectable(error, 49, 50), detectable(error, 49, 50, thinning=thinning)
    assert plain is not None
    assert honest is not None
    share = honest / 0.9  # each right answer becomes wrong with it: the variance of those is that of a coin
    variance = error**2 + (0.9 * share * (1 - share) + 0.09 * share**2) / 50
    reach = plain / error
    assert honest == pytest.approx(reach * math.sqrt(variance) + 1 / 50, abs=0.9 / 200)
    assert honest > plain
    assert detectable(error, 1, 50, 1e6, Thinning(0.1, 0.1 / 50, 0.0, 0.0, 1 / 50)) is None


def test_identical_runs_of_right_answers_would_have_found_a_drop() -> None:
    assert detectable(0.0, 19, 20) is None
    found = detectable(0.0, 19, 20, thinning=Thinning(1.0, 1 / 20, 0.0, 0.0, 1 / 20))
    assert found is not None
    assert 0.2 < found < 0.4
