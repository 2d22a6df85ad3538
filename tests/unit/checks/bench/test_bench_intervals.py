"""What intervals promise, simulated: coverage near the ends of the scale, with few prompts, of every kind of score."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nova_eval.adapters.intervals import FRACTION, limits
from nova_eval.adapters.reduce import composite, estimate, interval
from nova_eval.checks.bench import intervals
from nova_eval.checks.bench.distributions import COMPOSITES, DISTRIBUTIONS, promise_of
from nova_eval.checks.bench.options import IntervalsBench
from nova_eval.cli import app
from nova_eval.errors import UsageError
from nova_eval.records import SampleKey, Score

NAMES = [*DISTRIBUTIONS, *COMPOSITES]
QUICK = IntervalsBench(prompts=(10, 72), truths=(0.02, 0.1, 0.5, 0.95, 0.98), repetitions=600)


def quiet(text: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("name", NAMES)
def test_the_promised_coverage_is_kept(name: str) -> None:
    asked = IntervalsBench((name,), QUICK.prompts, QUICK.samples, QUICK.truths, QUICK.repetitions)
    cells = intervals.measure(asked, quiet)
    promise = promise_of(name)
    assert [cell for cell in cells if not cell.keeps(promise)] == []
    assert min(cell.coverage for cell in cells) >= promise.lowest - 0.025


def test_students_t_does_not_keep_it() -> None:
    asked = IntervalsBench(("binary, samples alike",), (10, 13), (5,), (0.02, 0.98), 600)
    cells = intervals.measure(asked, quiet)
    assert all(cell.student_coverage < 0.5 < 0.93 < cell.coverage for cell in cells)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("weights", ["equal", "of frames"])
def test_the_simulation_computes_what_a_run_computes_of_its_rows(name: str, weights: str) -> None:
    random = np.random.default_rng(5)
    chosen = COMPOSITES.get(name)
    draws, coefficients = (chosen.draws, chosen.coefficients) if chosen else ((DISTRIBUTIONS[name].draw,), (1.0,))
    shape = (12, 11, 3)
    parts = [draw(random, 0.1, shape) for draw in draws]
    weight = np.ones(shape) if weights == "equal" else random.integers(4, 17, shape).astype(float)
    value, spread = intervals.simulated([(c, part, weight) for c, part in zip(coefficients, parts, strict=True)])
    low, high = limits(value, spread)
    for run in range(shape[0]):
        terms = {}
        for place, (coefficient, part) in enumerate(zip(coefficients, parts, strict=True)):
            rows = [
                Score(SampleKey(f"{place}/{p:02}", i), "m", float(part[run, p, i]), float(weight[run, p, i]))
                for p in range(shape[1])
                for i in range(shape[2])
            ]
            terms[str(place)] = (coefficient, estimate(rows, FRACTION))
        found = interval(composite(terms)) if chosen else interval(terms["0"][1])
        assert found == pytest.approx((float(low[run]), float(high[run])), abs=1e-9)


def test_equal_seeds_give_equal_cells_whatever_else_is_asked() -> None:
    small = IntervalsBench(("normal",), (10,), (5,), (0.5,), 50)
    large = IntervalsBench(("beta-binomial", "normal"), (13, 10), (1, 5), (0.1, 0.5), 50)
    (cell,) = [cell for cell in intervals.measure(small, quiet) if cell.weights == "equal"]
    assert cell in intervals.measure(large, quiet)
    other = IntervalsBench(("normal",), (10,), (5,), (0.5,), 50, seed=1)
    assert cell.width != intervals.measure(other, quiet)[0].width


def test_means_of_cut_distributions_are_those_of_what_is_drawn() -> None:
    random = np.random.default_rng(2)
    for name, distribution in DISTRIBUTIONS.items():
        for true in (0.05, 0.4, 0.7, 0.98):
            drawn = distribution.draw(random, true, (1, 200_000, 1))
            error = drawn.std() / np.sqrt(drawn.size)
            assert distribution.mean(true) == pytest.approx(drawn.mean(), abs=5 * error + 1e-6), (name, true)


def test_the_verb_prints_the_table_or_json_and_writes_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = ["--distributions", "normal", "--prompts", "10", "--samples", "1", "--truths", "0.5", "--repetitions", "40"]
    call = ["bench", "intervals", *grid, "--output", str(tmp_path)]
    assert app([*call, "--json"], exit_on_error=False, result_action="return_value") == 0
    cells = json.loads(capsys.readouterr().out)
    assert [cell["weights"] for cell in cells] == ["equal", "of frames"]
    assert app(call, exit_on_error=False, result_action="return_value") == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "coverage.md").read_text() == printed
    assert "| normal | equal | 10 |" in printed
    with (tmp_path / "coverage.csv").open(newline="") as file:
        assert [float(row["coverage"]) for row in csv.DictReader(file)] == [cell["coverage"] for cell in cells]


def test_an_unknown_distribution_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="unknown distribution 'norml'"):
        intervals.measure(IntervalsBench(("norml",)), quiet)
