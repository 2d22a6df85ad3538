"""The shares of a series add up to no more than the whole, whatever its length."""

from __future__ import annotations

import math

import pytest

from nova_eval.compare.trend.shares import share


@pytest.mark.parametrize("planned", [0, 1, 12])
def test_all_shares_together_are_the_whole(planned: int) -> None:
    spent = 0.0
    for look in range(1, 10_001):
        assert share(look, planned, spent) == pytest.approx(share(look, planned))  # what is left is never too little
        spent += share(look, planned, spent)
    assert 0.999 < spent < 1


def test_a_plan_that_changes_spends_no_more_than_there_is() -> None:
    spent = math.fsum(share(look) for look in range(1, 6))
    for look in range(6, 40):
        spent += share(look, 40, spent)
    assert spent < 1


def test_planned_checkpoints_have_equal_shares() -> None:
    assert [share(look, 3) for look in range(1, 6)] == [1 / 4, 1 / 4, 1 / 4, 1 / 8, 1 / 24]
    assert [share(look) for look in range(1, 4)] == [1 / 2, 1 / 6, 1 / 12]
