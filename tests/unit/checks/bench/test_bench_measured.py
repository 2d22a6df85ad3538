"""What ``compare`` promises, on the spreads of two runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nova_eval.adapters.geneval.benchmark import GenEval
from nova_eval.checks.bench import study
from nova_eval.checks.bench.measured import lines, resampled
from nova_eval.checks.bench.options import CompareBench
from nova_eval.compare.pairing import paired
from nova_eval.compare.sides import Side
from nova_eval.errors import UsageError
from nova_eval.records import Prompt, SampleKey, Score

RESULTS = Path(__file__).resolve().parents[4] / "results"
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
    assert resampled(pairing, 2, 0) == resampled(pairing, 2, 0)
    assert len(lines(rows).splitlines()) == len(rows) + 2


def test_looks_at_real_runs_are_those_in_the_results(tmp_path: Path) -> None:
    runs = [str(RESULTS / f"reference/{model}/geneval/reference.parquet") for model in ("nova-mini", "nova-mini-early")]
    found = study.measure(CompareBench(parts=("replayed",), runs=tuple(runs)), lambda text: None)
    *metrics, first, last = found.parts["replayed"]
    assert [row.metric for row in metrics] == list(TASKS)
    assert {(row.verdict, row.at_once) for row in metrics} == {("worse", "worse")}
    assert first.look <= last.look < 5
    assert first.prompts <= last.prompts < 72
    for path in study.write(tmp_path, found):
        assert path.read_bytes() == (RESULTS / "compare" / path.name).read_bytes()


def test_runs_of_one_model_are_told_by_their_seeds() -> None:
    one, other = side("a", 0), side("b", 1)
    both = (dataclasses.replace(one, model="m"), dataclasses.replace(other, model="m", manifest={"spec": {"seed": 3}}))
    assert study.named(paired(*both)) == "geneval-m-seed-3-against-m"
    assert study.named(paired(one, other)) == "geneval-b-against-a"


def test_two_runs_are_needed() -> None:
    with pytest.raises(UsageError, match="replayed needs two runs"):
        CompareBench(parts=("replayed",))
    with pytest.raises(UsageError, match="takes two runs, not 1"):
        CompareBench(runs=("a",))
