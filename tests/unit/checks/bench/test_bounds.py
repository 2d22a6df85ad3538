"""What any rule could save: known families lie between, and nothing goes below what is said to be the least."""

from __future__ import annotations

import pytest
from scipy.special import ndtr

from nova_eval.checks.bench import bounds
from nova_eval.compare.power import LEVEL
from nova_eval.compare.sequential import LOOKS, boundaries, evenly


def test_no_worse_loses_less_than_five_points_and_takes_three_fifths() -> None:
    found = bounds._bound("evenly", boundaries(LOOKS, LEVEL, evenly))
    assert ndtr(3 - 1.644854) - found.power == pytest.approx(0.035, abs=5e-4)
    assert (found.share, found.suite) == pytest.approx((0.608, 0.664), abs=5e-4)


def test_nothing_takes_fewer_prompts_than_the_least_that_is_possible() -> None:
    alone, *families, least = bounds.measure((3,), lambda text: None)
    assert (alone.power, alone.share, alone.suite) == pytest.approx((ndtr(3 - 1.644854), 1.0, 1.0), abs=1e-6)
    assert least.power == pytest.approx(alone.power - bounds.SLACK, abs=1e-4)
    found = [(row.power, row.share, row.suite) for row in families]
    assert found == sorted(found, reverse=True)  # from late to early: less power, fewer prompts
    assert all(row.share > least.share for row in families if row.power > least.power)
    assert all(row.share < row.suite < 1 for row in (*families, least))
    assert len(bounds.lines([alone, *families, least]).splitlines()) == 9
