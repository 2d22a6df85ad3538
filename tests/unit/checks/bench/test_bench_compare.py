"""The study of ``compare``: its figures are of known truth, and the same each time."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

from nova_eval.checks.bench import compare, large, stopping, study
from nova_eval.checks.bench.kinds import PLAIN
from nova_eval.checks.bench.options import CompareBench
from nova_eval.compare import comparing
from nova_eval.compare.sides import of_run

ASKED = CompareBench(parts=("coverage",), prompts=(12,), repetitions=20)


def test_every_kind_is_measured_and_written(tmp_path: Path) -> None:
    found = study.measure(ASKED, lambda text: None)
    outcomes, alarms = found.parts["coverage"], found.parts["alarms"]
    assert {one.metric for one in outcomes} == {
        "plain",
        "plain, skewed",
        "weighted",
        "binary",
        "binary, few wrong",
        "composite of 16",
    }
    assert all(0.7 <= one.coverage <= 1 and one.width > 0 for one in outcomes)
    assert all(one.without_correction > one.false_alarms for one in alarms)
    written = {path.name: path.read_text() for path in study.write(tmp_path, found)}
    assert sorted(written) == ["alarms.csv", "compare.md", "coverage.csv"]
    assert len(written["coverage.csv"].splitlines()) == 1 + len(outcomes)
    small = dataclasses.replace(ASKED, repetitions=2)
    one, again = (compare._outcome(small, "plain", partial(compare._pulls, PLAIN), 12) for _ in range(2))
    assert one == again
    assert compare._alarms(small, 12) == compare._alarms(small, 12)


def test_early_stopping_is_measured_and_drawn(tmp_path: Path) -> None:
    world = stopping.Simulated(("subject_consistency", "dynamic_degree", "color"))
    assert world.shared == (("subject_consistency", "dynamic_degree"), ("color",))
    rows = stopping.measure(world, 1, 0, lambda text: None)
    assert rows == stopping.measure(world, 1, 0, lambda text: None)
    assert [(row.rule, row.down) for row in rows][:2] == [("five looks", 0), ("five looks", 2)]
    assert all(0 < row.used <= row.used_every <= 1 for row in rows)
    assert all(row.found == row.whole_found == 1 for row in rows if row.down)
    found = study.Found({"stopping": rows})
    first, again = (
        {path.name: path.read_bytes() for path in study.write(tmp_path / name, found)} for name in ("a", "b")
    )
    assert sorted(first) == ["stopping.csv", "stopping.md", "stopping.svg"]
    assert first == again


def test_large_runs_are_whole_and_can_be_compared(tmp_path: Path) -> None:
    one, other = (tmp_path / str(seed) for seed in range(2))
    assert large.made(one, 100, 0) == large.made(other, 100, 1) >= 200
    [comparison] = comparing.compare(of_run(one), [of_run(other)], {}).comparisons
    assert comparison.complete
    assert len(comparison.pairing.wanted) == 100
