"""What any rule could save: known families lie between, and nothing goes below what is said to be the least."""

from __future__ import annotations

import pytest
from scipy.special import ndtr

from nova_eval.checks.bench import bounds


def test_nothing_takes_fewer_prompts_than_the_least_that_is_possible() -> None:
    alone, *families, least = bounds.measure((3,), lambda text: None)
    assert (alone.power, alone.share, alone.suite) == pytest.approx((ndtr(3 - 1.644854), 1.0, 1.0), abs=1e-6)
    assert least.power == pytest.approx(alone.power - bounds.SLACK, abs=1e-4)
    found = [(row.power, row.share, row.suite) for row in families]
    assert found == sorted(found, reverse=True)  # from late to early: less power, fewer prompts
    assert all(row.share > least.share for row in families if row.power > least.power)
    assert all(row.share < row.suite < 1 for row in (*families, least))
    assert len(bounds.lines([alone, *families, least]).splitlines()) == 9
