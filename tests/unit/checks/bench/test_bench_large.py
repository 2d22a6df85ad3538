"""Large runs: what is made is a whole run, and what is measured of it is what users wait for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nova_eval.checks.bench import large
from nova_eval.compare.reference import open_side
from nova_eval.runs.opening import reopen
from nova_eval.runs.summary import summarise


def test_a_made_run_is_whole_and_every_work_is_done_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    scores = large.made(folder, 160, 1)
    outcome = summarise(reopen(folder))
    assert len(outcome.samples) == 160
    assert scores >= 320
    assert outcome.summary.coverage.fraction == 1
    assert len({sample.path for sample in outcome.samples.values()}) == 160
    before = {path: path.read_bytes() for path in folder.rglob("*.jsonl")}
    for work in ("plan", "resume", "reduce", "reduce and write tables"):
        monkeypatch.setattr(sys, "argv", ["nova-eval", work, str(folder), "160"])
        large.again()
    assert {path: path.read_bytes() for path in folder.rglob("*.jsonl")} == before
    assert len(open_side(str(folder), tmp_path).rows) == scores


def test_the_table_says_how_work_grows() -> None:
    rows = [
        large.Cost("plan", 100, 200, 1.5, 1.0, 50.0),
        large.Cost("plan", 1000, 2000, 6.0, 5.0, 80.0),
    ]
    head, _, line = large.lines(rows).splitlines()
    assert "10 times the samples take" in head
    assert line == "| plan | 1.5 | 1.0 | 50 | 6.0 | 5.0 | 80 | 5.0 times |"
