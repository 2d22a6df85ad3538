"""The study of ``compare``: its figures are of known truth, and the same each time."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova_eval.checks.bench import compare
from nova_eval.checks.bench.options import CompareBench

ASKED = CompareBench(prompts=(12,), repetitions=20)


def test_every_kind_is_measured_and_written(tmp_path: Path) -> None:
    outcomes, alarms = measured = compare.measure(ASKED, lambda text: None)
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
    written = {path.name: path.read_text() for path in compare.write(tmp_path, measured)}
    assert sorted(written) == ["alarms.csv", "compare.md", "coverage.csv"]
    assert len(written["coverage.csv"].splitlines()) == 1 + len(outcomes)
    small = dataclasses.replace(ASKED, repetitions=2)
    again = [compare.lines(compare.measure(small, lambda text: None)) for _ in range(2)]
    assert again[0] == again[1]
