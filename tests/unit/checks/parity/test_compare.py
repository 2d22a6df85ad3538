"""Answers are compared by value, by place, and in the order of their scores; equal scores may swap."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nova_eval.checks.parity.compare import Ranked, compared, compared_ranks, difference, facts, reordered
from nova_eval.checks.parity.networks.tag2text import masked
from nova_eval.judges.tag2text import MIN_LENGTH, SEP


@pytest.mark.parametrize(
    ("expected", "found", "wrong"),
    [
        (1.5, 1.25, 0.25),
        ([1, [2.0]], (1, np.array([2.5], np.float32)), 0.5),
        (np.zeros((2, 2)), torch.full((2, 2), 3.0), 3.0),
        ({"a": 1}, {"a": 1, "b": 2}, math.inf),
        ({"a": 1}, {}, math.inf),
        ([1, 2], [1], math.inf),
        (True, 1, math.inf),
        ("yes", "no", math.inf),
        ("nan", None, 0.0),
        ("nan", math.nan, 0.0),
        ("nan", 0.0, math.inf),
        (1.0, math.nan, math.inf),
        (np.ones(3), [1, 1], math.inf),
        (None, None, 0.0),
    ],
)
def test_the_largest_difference(expected: object, found: object, wrong: float) -> None:
    assert difference(expected, found)[0] == wrong


def test_more_than_was_recorded_is_allowed_where_it_is_said() -> None:
    assert difference({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, more=True) == (0.0, "a[0].b: expected 1, found 1")
    assert difference({"a": 1}, {"c": 2}, more=True)[0] == math.inf


def test_the_place_is_said() -> None:
    row = compared("case", "score", {"a": [1.0, 2.0]}, {"a": [1.0, 2.5]}, 0.1)
    assert (row.case, row.passed, row.note) == ("case score", False, "a[1]: expected 2.0, found 2.5")


def test_facts_of_a_tensor() -> None:
    x = torch.arange(12.0).reshape(3, 4)
    recorded = {
        "shape": [3, 4],
        "mean": 5.5,
        "std": float(x.std(unbiased=False)),
        "index": [0, 11],
        "value": [0.0, 11.0],
    }
    assert facts(recorded, x) < 1e-6
    assert facts({**recorded, "value": [0.0, 10.0]}, x) == 1.0
    assert facts({**recorded, "absmax": 13.0}, x) == 2.0
    assert facts(recorded, x.T) == math.inf


class TestRanks:
    ROWS = (Ranked("dog", 0.368, (0, 0, 4, 4)), Ranked("dog", 0.368, (9, 0, 12, 4)), Ranked("cat", 0.3, (1, 1, 2, 2)))

    def test_equal_scores_swap(self) -> None:
        assert reordered(self.ROWS, self.ROWS[1::-1] + self.ROWS[2:], 1e-4) == [1, 0, 2]

    def test_another_label_score_or_number_does_not(self) -> None:
        labels, scores, pairs = compared_ranks("", ("labels", "scores"), self.ROWS, self.ROWS[::-1], 1e-4)
        assert labels.passed
        assert scores.passed
        assert pairs == [(0, 2), (1, 1), (2, 0)]
        moved = (self.ROWS[0]._replace(score=0.5), *self.ROWS[1:])
        assert not compared_ranks("", ("labels", "scores"), self.ROWS, moved, 1e-4)[0].passed
        assert reordered(self.ROWS, moved, 1e-4) == [0, 1, 2]
        assert reordered(self.ROWS, self.ROWS[:2], 1e-4) == [0, 1]


def test_a_caption_cannot_end_before_its_least_length() -> None:
    words = torch.zeros(SEP + 2)
    words[SEP] = 5.0
    assert masked(words, MIN_LENGTH - 1).argmax() != SEP
    assert masked(words, MIN_LENGTH).argmax() == SEP
    assert words[SEP] == 5.0
