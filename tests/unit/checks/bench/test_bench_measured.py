"""What ``compare`` promises, on the spreads of two runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_eval.adapters.geneval.benchmark import GenEval
from nova_eval.checks.bench.measured import lines, resampled
from nova_eval.checks.bench.options import CompareBench
from nova_eval.compare.pairing import paired
from nova_eval.compare.sides import Side
from nova_eval.errors import UsageError
from nova_eval.records import Prompt, SampleKey, Score

TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")


def side(name: str, shift: int) -> Side:
    prompts = tuple(Prompt(f"s/{task}{number}", f"{task} {number}", (task,)) for task in TASKS for number in range(10))
    keys = tuple(SampleKey(prompt.id, 0) for prompt in prompts)
    rows = tuple(
        Score(key, prompt.tags[0], float((place * 7 + shift * (place % 3)) % 5 > 1))
        for place, (key, prompt) in enumerate(zip(keys, prompts, strict=True))
    )
    return Side(Path(name), name, name, {}, GenEval(), "corrected", False, prompts, keys, rows, {}, {})


def test_prompts_are_drawn_again_without_a_true_difference() -> None:
    pairing = paired(side("a", 0), side("b", 1))
    rows = resampled(pairing, 40, 0)
    assert [row.metric for row in rows] == [*TASKS, "overall", "any of them"]
    assert all(row.coverage is not None and row.coverage >= 0.8 for row in rows[:-1])
    assert rows[-1].false_alarms <= 0.15
    assert rows == resampled(pairing, 40, 0)
    assert len(lines(rows).splitlines()) == len(rows) + 2


def test_two_runs_are_needed() -> None:
    with pytest.raises(UsageError, match="takes two runs, not 1"):
        CompareBench(runs=("a",))
