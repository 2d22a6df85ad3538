"""Averages of weights, and learning rates."""

from __future__ import annotations

import itertools

import pytest
from torch import nn

from nova_eval.nova.training.ema import Average
from nova_eval.nova.training.warmup import warmup_then_constant, warmup_then_cosine


def test_average_follows_the_rule() -> None:
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average, expected = Average(module, 0.5), 0.0
    for n, value in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]):
        module.weight.data.fill_(value)
        average.update(module)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert average.weights["weight"].item() == pytest.approx(expected)


def test_learning_rates() -> None:
    assert [warmup_then_constant(step, 4, 10) for step in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
    cosine = [warmup_then_cosine(step, 4, 10) for step in range(11)]
    assert cosine[:4] == [0.25, 0.5, 0.75, 1.0]
    assert cosine[10] == pytest.approx(0.02)
    assert all(a >= b for a, b in itertools.pairwise(cosine[3:]))
