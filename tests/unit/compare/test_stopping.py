"""The rules of early stopping: what a look takes, and what is claimed at it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from nova_eval.compare.evidence import evidence_of
from nova_eval.compare.sequential import pocock
from nova_eval.compare.stopping import ANYTIME, GROUPS, Claims, Rule, Seen, least_level, look, looks_of
from nova_eval.compare.verdicts import Verdict

ALL = (20, 40, 60, 80, 100)


def evidence(value: float, spread: float = 0.05, prompts: int = 40, level: float = 0.05) -> Any:
    """Of prompts whose differences lie around ``value``, alike on both sides of it."""
    differences = spread * np.tile([1.0, -1.0], prompts // 2)
    pulls = differences * math.sqrt(prompts / (prompts - 1)) / prompts
    return evidence_of(
        value,
        np.zeros(prompts),
        pulls,
        width=1.0,
        composite=False,
        random=np.random.default_rng(0),
        level=level,
        resampling=False,
    )


def seen(value: float, gate: float | None = 0.03, rule: Rule = GROUPS, **facts: Any) -> Seen:
    counts = ALL[:2]
    return Seen(counts, 100, evidence(value, level=least_level(rule, counts, 100), **facts), gate)


def test_the_first_look_takes_what_is_spent_by_then() -> None:
    assert GROUPS.changed((20,), 100, 0.05) == pytest.approx(pocock(0.2, 0.05))
    assert sum(GROUPS.changed(ALL[:end], 100, 0.05) for end in range(1, 6)) > 0.05  # looks depend on each other


def test_no_worse_spends_as_prompts_come() -> None:
    assert least_level(GROUPS, ALL[:1], 100) == pytest.approx(0.01)
    assert least_level(GROUPS, ALL, 100) == pytest.approx(ndtr(-1.95602), abs=1e-6)


def test_no_worse_spends_nothing_on_a_handful_of_prompts_unless_there_are_no_more() -> None:
    assert least_level(GROUPS, (3, 5), 12) == 0.0
    assert least_level(GROUPS, (3, 5, 8), 12) == pytest.approx(0.05 * 8 / 12)
    assert least_level(GROUPS, (2, 4), 4) == pytest.approx(0.05)


@pytest.mark.parametrize("rule", [GROUPS, ANYTIME])
def test_looking_again_and_again_keeps_the_level(rule: Rule) -> None:
    """Of sums of normal scores without a mean, at most one in twenty ever goes beyond."""
    prompts = 200
    counts = looks_of([round(share * prompts) for share in rule.shares], rule.fewest)
    scores = np.random.default_rng(0).normal(size=(20_000, prompts)).cumsum(axis=1)
    beyond = np.zeros(len(scores), dtype=bool)
    for end in range(1, len(counts) + 1):
        there = counts[end - 1]
        beyond |= ndtr(scores[:, there - 1] / math.sqrt(there)) <= rule.changed(counts[:end], prompts, 0.05)
    assert 0.01 < beyond.mean() < 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(scores))


def test_the_confidence_sequence_says_nothing_of_few_prompts() -> None:
    assert ANYTIME.changed((19,), 100, 0.05) == 0.0
    assert ANYTIME.changed((20,), 100, 0.05) > 0.0


def test_a_drop_is_worse_one_within_the_gate_is_none() -> None:
    found, claims = look({"large": seen(-0.1), "small": seen(-0.02, spread=0.01)}, GROUPS, 2, Claims())
    assert found == {"large": Verdict.WORSE, "small": Verdict.NO_WORSE}
    assert claims.worse == {"large", "small"}


def test_what_gained_is_better_and_what_is_unclear_stays_open() -> None:
    found, _ = look({"up": seen(0.1), "open": seen(-0.016), "no gate": seen(-0.001, gate=None)}, GROUPS, 3, Claims())
    assert found == {"up": Verdict.BETTER}


def test_a_claim_passes_its_level_on() -> None:
    """The second metric's p-value is enough for half of the level, and not for a third."""
    counts = ALL[:2]
    levels = [GROUPS.changed(counts, 100, 0.05 / tests) for tests in (3, 2)]
    value = next(
        -step / 10_000 for step in range(1, 1_000) if levels[0] < evidence(-step / 10_000).p_worse <= levels[1]
    )
    metrics = {"first": seen(-0.1), "second": seen(value, gate=None)}
    assert look(metrics, GROUPS, 3, Claims())[0] == {"first": Verdict.WORSE, "second": Verdict.WORSE}
    del metrics["first"]
    assert look(metrics, GROUPS, 3, Claims())[0] == {}
    assert look(metrics, GROUPS, 3, Claims(worse=frozenset({"first"})))[0] == {"second": Verdict.WORSE}


def test_prompts_that_all_score_alike_are_no_proof_at_an_early_look() -> None:
    """What was not seen among 40 prompts is limited at the level of the look, not at that of one look."""
    early, one = (evidence(0.0, spread=0.0, level=level).least for level in (0.001, 0.05))
    assert early == pytest.approx(-(1 - 0.001 ** (1 / 40)), rel=1e-3)
    assert one == pytest.approx(-(1 - 0.025 ** (1 / 40)), rel=1e-3)


def test_a_look_without_new_prompts_is_none() -> None:
    assert looks_of([1, 3, 3, 5], 2) == (3, 5)


def test_looks_of_few_prompts_spend_nothing() -> None:
    """Of sixteen metrics none can be claimed by eight signs: the tenth prompt's look is the first that counts."""
    counts = (3, 5, 8, 10, 12)
    level = GROUPS.changed((10, 12), 12, 0.05 / 16)
    assert level > GROUPS.changed(counts, 12, 0.05 / 16)
    for p, verdicts in ((level, {"a": Verdict.WORSE}), (1.01 * level, {})):
        facts = dataclasses.replace(evidence(-0.1, prompts=12), p_worse=p)
        assert look({"a": Seen(counts, 12, facts, None)}, GROUPS, 16, Claims())[0] == verdicts
