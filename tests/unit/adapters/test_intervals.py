"""Intervals of scores that keep to a range: never outside it, never of no width, wider where less is known."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from nova_eval.adapters.intervals import FEWEST_PROMPTS, FRACTION
from nova_eval.adapters.reduce import Estimate, composite, estimate, interval, metric
from nova_eval.records import Interval, SampleKey, Score


def rows(groups: Sequence[Sequence[float]], name: str = "m") -> list[Score]:
    """A row a score, a group a prompt."""
    return [
        Score(SampleKey(f"{name}/{place:03}", index), name, float(value))
        for place, group in enumerate(groups)
        for index, value in enumerate(group)
    ]


def of(groups: Sequence[Sequence[float]], bounds: tuple[float, float] = FRACTION) -> Interval:
    found = interval(estimate(rows(groups), bounds))
    assert found is not None
    return found


class TestAllPromptsAlike:
    @pytest.mark.parametrize("prompts", [5, 10, 13, 72])
    def test_at_an_end_the_interval_is_one_sided_as_clopper_and_pearson_say(self, prompts: int) -> None:
        below = 0.025 ** (1 / prompts)
        assert of([[1.0] * 5] * prompts) == pytest.approx((below, 1.0))
        assert of([[0.0]] * prompts) == pytest.approx((0.0, 1 - below))

    def test_a_share_of_prompts_may_be_anywhere_in_the_range(self) -> None:
        unseen = 1 - 0.025**0.1
        assert of([[0.4] * 5] * 10) == pytest.approx((0.4 - 0.4 * unseen, 0.4 + 0.6 * unseen))

    def test_rounding_is_no_difference(self) -> None:
        assert of([[0.1 + 0.2], *[[0.3]] * 9]) == pytest.approx(of([[0.3]] * 10))

    def test_prompts_that_weigh_more_count_as_fewer(self) -> None:
        heavy = [
            Score(SampleKey(f"p/{place}", 0), "m", 1.0, weight=100.0 if place == 0 else 1.0) for place in range(10)
        ]
        found = interval(estimate(heavy, FRACTION))
        assert found is not None
        assert found.low < of([[1.0]] * 10).low

    def test_without_a_range_there_is_no_interval_but_the_reason(self) -> None:
        found = metric("m", estimate(rows([[0.4]] * 10)))
        assert (found.value, found.interval, found.reason) == (0.4, None, "no interval, all prompts score alike")

    def test_a_composite_reaches_as_far_as_its_least_known_part(self) -> None:
        parts = {
            "many": (0.5, estimate(rows([[1.0]] * 60, "a"), FRACTION)),
            "few": (0.5, estimate(rows([[1.0]] * 12, "b"), FRACTION)),
        }
        found = interval(composite(parts))
        assert found == pytest.approx((1 - 0.5 * (1 - 0.025 ** (1 / 12)), 1.0))


class TestFewPrompts:
    def test_below_the_fewest_the_reason_stands_for_the_interval(self) -> None:
        few = metric("m", estimate(rows([[0.0], [1.0]] * 2), FRACTION))
        assert (few.value, few.interval) == (0.5, None)
        assert few.reason == f"no interval, fewer than {FEWEST_PROMPTS} prompts"
        enough = metric("m", estimate(rows([[0.0], [1.0], [0.0], [1.0], [0.0]]), FRACTION))
        assert enough.interval is not None
        assert enough.reason == ""

    def test_a_composite_with_a_part_of_one_prompt_says_so(self) -> None:
        parts = {
            "x": (0.5, estimate(rows([[0.0], [1.0]] * 5, "a"), FRACTION)),
            "y": (0.5, estimate(rows([[1.0]], "b"), FRACTION)),
        }
        found = metric("c", composite(parts))
        assert (found.value, found.interval) == (0.75, None)
        assert found.reason == "no interval, a part rests on one prompt"


class TestBetweenEnds:
    def test_yes_or_no_prompts_are_close_to_clopper_and_pearson(self) -> None:
        exact = {1: (0.0025, 0.4450), 3: (0.0667, 0.6525), 5: (0.1871, 0.8129)}  # of 10, from their tables
        for right, (low, high) in exact.items():
            found = of([[1.0] * 5] * right + [[0.0] * 5] * (10 - right))
            assert low - 0.001 <= found.low <= low + 0.04
            assert high - 0.03 <= found.high <= high + 0.02

    def test_samples_that_differ_within_prompts_say_more_than_samples_that_do_not(self) -> None:
        apart = of([[1.0, 1.0, 1.0, 1.0, 0.0]] * 10)
        alike = of([[1.0] * 5] * 8 + [[0.0] * 5] * 2)
        assert apart.high - apart.low < 0.6 * (alike.high - alike.low)

    def test_mid_range_scores_that_vary_little_have_students_interval(self) -> None:
        groups = [[0.5 + 0.001 * place] for place in range(-20, 21)]
        bounded, plain = of(groups), interval(estimate(rows(groups)))
        assert plain is not None
        assert bounded == pytest.approx(plain, abs=2e-4)

    def test_a_score_outside_the_range_makes_it_students(self) -> None:
        groups = [[0.2], [0.4], [0.9], [1.2], [0.5], [0.6]]
        assert of(groups) == interval(estimate(rows(groups)))

    def test_a_cosine_rounded_above_one_is_not_outside(self) -> None:
        found = of([[1.0000001]] * 10)
        assert found == pytest.approx((0.025**0.1, 1.0000001), abs=1e-6)
        assert found.high >= 1.0000001

    def test_mirrored_scores_have_mirrored_intervals(self) -> None:
        groups = [[0.0, 0.1], [0.02, 0.0], [0.3, 0.2], [0.0, 0.0], [0.05, 0.6], [0.0, 0.01]]
        there, back = of(groups), of([[1 - value for value in group] for group in groups])
        assert (1 - back.high, 1 - back.low) == pytest.approx(tuple(there), abs=1e-12)

    def test_another_range_moves_and_stretches_it(self) -> None:
        groups = [[0.0, 0.1], [0.02, 0.0], [0.3, 0.2], [0.0, 0.0], [0.05, 0.6], [0.0, 0.01]]
        there = of(groups)
        moved = of([[10 * value - 2 for value in group] for group in groups], (-2.0, 8.0))
        assert moved == pytest.approx((10 * there.low - 2, 10 * there.high - 2), abs=1e-10)


@pytest.mark.parametrize("slopes", [(1.0, 1.0), (0.2, 3.0), (-0.5, 1.5)])
def test_intervals_contain_the_value_keep_to_the_range_and_have_a_width(slopes: tuple[float, float]) -> None:
    random = Random(3)
    for _ in range(60):
        parts: dict[str, tuple[float, Estimate]] = {}
        for name, slope in zip("ab", slopes, strict=True):
            scores = random.sample([0.0, 0.0, 1e-9, 0.3, 0.5, 1.0, 1.0], random.randint(1, 7))
            table = [random.choices(scores, k=random.randint(1, 3)) for _ in range(random.randint(2, 9))]
            parts[name] = (slope, estimate(rows(table, name), FRACTION))
        ends = [sorted((0.0, slope)) for slope in slopes]
        whole = composite(parts, 0.1)
        for part, (low, high) in (
            *((part, FRACTION) for _, part in parts.values()),
            (whole, (0.1 + ends[0][0] + ends[1][0], 0.1 + ends[0][1] + ends[1][1])),
        ):
            found = interval(part)
            assert found is not None
            assert part.value is not None
            assert low - 1e-9 <= found.low <= part.value <= found.high <= high + 1e-9
            assert found.high - found.low > 1e-3
