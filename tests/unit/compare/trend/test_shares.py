"""The shares of a series add up to no more than the whole, whatever its length."""

from __future__ import annotations

import math

import pytest

from nova_eval.compare.trend.shares import share


@pytest.mark.parametrize("planned", [0, 1, 12])
def test_all_shares_together_are_the_whole(planned: int) -> None:
    spent = math.fsum(share(look, planned) for look in range(1, 10_001))
    assert 0.999 < spent < 1


def test_planned_checkpoints_have_equal_shares() -> None:
    assert [share(look, 3) for look in range(1, 6)] == [1 / 4, 1 / 4, 1 / 4, 1 / 8, 1 / 24]
    assert [share(look) for look in range(1, 4)] == [1 / 2, 1 / 6, 1 / 12]
