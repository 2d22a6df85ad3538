"""A watch tests each checkpoint once, in order, whatever comes between, and says what it established."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_sides import right, side

from nova_eval.compare.sides import Side
from nova_eval.compare.trend import outcome, tables
from nova_eval.compare.trend.points import Point, Value
from nova_eval.compare.trend.trend import POINTS, Rules, Trend
from nova_eval.compare.watching import Clock, Following, Watch
from nova_eval.errors import CorruptStoreError, NovaEvalError, PrerequisiteError, UsageError
from nova_eval.identity import digest
from nova_eval.nova.series import Saved

SIDES: dict[str, Side] = {}
"""Of runs by their names."""


@pytest.fixture
def reference() -> Side:
    return side("reference", right, prompts=6, samples=1, identity="0" * 8)


@pytest.fixture(autouse=True)
def no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib is slow: one test draws."""
    monkeypatch.setattr(tables, "draw", lambda path, *rest, **further: path.write_text("drawn"))


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """Checkpoints 1 to 3, of which the last is spoiled."""
    for step in (1, 2, 3):
        leave(tmp_path / "out", step)
    return tmp_path / "out"


def leave(out: Path, step: int, text: str = "", at: float | None = None) -> None:
    file = out / "checkpoints" / f"checkpoint-{step}" / "transformer" / "config.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text or f"weights of {step}", encoding="utf-8")
    os.utime(file, (at or 1000 + step,) * 2)


class Asked:
    """Opens and runs checkpoints: as good as the reference, or all wrong where their file says so."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.run: Callable[[Any], Side] = lambda opened: SIDES[opened.name]

    def open(self, one: Saved) -> Any:
        text = (one.folder / "transformer" / "config.json").read_text(encoding="utf-8")
        self.opened.append(one.name)
        if "broken" in text:
            raise PrerequisiteError(f"{one.name} is torn", remedy="write it again")
        made = side(f"{one.step}", wrong if "spoiled" in text else right, prompts=6, samples=1, seed=one.step or 0)
        SIDES[made.name] = made
        return SimpleNamespace(name=made.name, identity=digest(text)[:8])


def wrong(task: str, number: int, index: int) -> float:
    return 0.0


def side_of(name: str) -> Side:
    if name not in SIDES:
        raise UsageError(f"unknown run {name!r}")
    return SIDES[name]


def trend_of(folder: Path, reference: Side, **rules: Any) -> Trend:
    return Trend(folder, reference.benchmark.config, Rules(reference, {"overall": 0.5}, **rules), side_of)


def watched(
    training: Path,
    trend: Trend,
    asked: Asked,
    clock: Clock | None = None,
    say: Callable[[str], None] = lambda text: None,
    **how: Any,
) -> list[Point]:
    following = Following(**{"once": True, "settle": 0.0, **how})
    watch = Watch(training, trend, following, open=asked.open, run=asked.run, say=say, clock=clock)
    return list(watch.follow())


def names(points: list[Point]) -> list[int | None]:
    return [point.step for point in points]


def test_each_is_tested_once_and_a_restart_has_the_same_trend(training: Path, reference: Side, tmp_path: Path) -> None:
    leave(training, 3, "spoiled")
    asked = Asked()
    whole = trend_of(tmp_path / "whole", reference)
    assert names(watched(training, whole, asked)) == [1, 2, 3]
    assert [(point.look, point.share) for point in whole.points] == [(1, 1 / 2), (2, 1 / 6), (3, 1 / 12)]
    assert watched(training, trend_of(tmp_path / "whole", reference), asked) == []

    run = asked.run

    def killed(opened: Any) -> Side:
        if opened.name.endswith("2"):
            raise KeyboardInterrupt
        return run(opened)

    asked.run = killed
    with pytest.raises(KeyboardInterrupt):
        watched(training, trend_of(tmp_path / "parts", reference), asked)
    asked.run = run
    assert names(watched(training, trend_of(tmp_path / "parts", reference), asked)) == [2, 3]
    for name in (POINTS, "trend.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_spoiled_one_is_worse_than_the_reference_and_than_the_best(
    training: Path, reference: Side, tmp_path: Path
) -> None:
    trend = trend_of(tmp_path / "trend", reference, planned=3)
    watched(training, trend, Asked())
    assert outcome.exit_code(trend) == 0
    assert outcome.exit_code(trend, strict=True) == 1
    leave(training, 4, "spoiled")
    [worst] = watched(training, trend, Asked())
    assert worst.against["overall"].verdict == worst.against_best["overall"].verdict == "worse"
    assert worst.best in {point.name for point in trend.points}
    assert outcome.exit_code(trend) == 1
    assert "worse: " in outcome.line(trend, worst)
    page = (tmp_path / "trend" / "trend.md").read_text(encoding="utf-8")
    assert page.count("| checkpoints/") + page.count("| **checkpoints/") == 4
    told = outcome.to_json(trend)
    assert [one["step"] for one in told["checkpoints"]] == [1, 2, 3, 4]
    json.dumps(told, allow_nan=False)
    leave(training, 5)  # what counts is the newest
    watched(training, trend, Asked())
    assert outcome.exit_code(trend) == 0


def test_a_curve_a_kind_with_the_reference_as_a_level(reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    found = {"overall": Value(0.5, 0.4, 0.7)}
    for step, kind in ((1, "raw"), (1, "averaged"), (2, "raw"), (3, "averaged")):
        trend.points.append(Point(f"{kind}{step}", kind=kind, stage="checkpoint", step=step, values=found))
    trend.points.append(Point("torn", problem="torn"))
    assert {curve.name: curve.values for curve in tables._panels(trend)[0].curves} == {
        "raw": [0.5, 0.5, None],
        "averaged": [0.5, None, 0.5],
    }
    assert tables._panels(trend)[0].level == pytest.approx(2 / 3)
    assert tables._ticks(tables._tested(trend)) == ["1", "2", "3"]


def test_the_reference_itself_among_the_checkpoints_is_not_compared(
    training: Path, reference: Side, tmp_path: Path
) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    point = trend.add(Point("itself"), reference)
    assert (point.against, point.look, outcome.exit_code(trend)) == ({}, 1, 0)
    [*_, last] = watched(training, trend, Asked())  # its run is gone meanwhile: there is no best to compare with
    assert last.against
    assert "itself" not in {point.best for point in trend.points}


def test_newest_first(training: Path, reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    assert names(watched(training, trend, Asked(), newest_first=True)) == [3, 2, 1]
    assert [row.cells[0].datum for row in tables.trend_table(trend).rows] == [
        f"checkpoints/checkpoint-{step}" for step in (1, 2, 3)
    ]


def test_what_does_not_load_is_passed_over_until_it_changes(training: Path, reference: Side, tmp_path: Path) -> None:
    leave(training, 3, "broken")
    trend, asked = trend_of(tmp_path / "trend", reference), Asked()
    assert "is torn" in watched(training, trend, asked)[-1].problem
    assert outcome.exit_code(trend) == 3
    looked = len(asked.opened)
    again = trend_of(tmp_path / "trend", reference)
    assert watched(training, again, asked) == []
    assert len(asked.opened) == looked
    leave(training, 3, "whole", at=2000)
    [point] = watched(training, again, asked)
    assert (point.problem, point.look) == ("", 3)
    assert names(again.points) == [1, 2, 3]
    assert outcome.exit_code(again) == 0


def test_files_that_were_touched_are_not_tested_again(training: Path, reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    watched(training, trend, Asked())
    leave(training, 2, at=5000)
    assert watched(training, trend, Asked()) == []
    assert names(trend.points) == [1, 2, 3]


def test_another_reference_begins_the_looks_anew_and_tests_nothing_twice(
    training: Path, reference: Side, tmp_path: Path
) -> None:
    watched(training, trend_of(tmp_path / "trend", reference), Asked())
    trend = trend_of(tmp_path / "trend", side("accepted", right, prompts=6, samples=1, identity="1" * 8))
    leave(training, 4)
    [point] = watched(training, trend, Asked())
    assert (point.step, point.look, point.share, point.best) == (4, 1, 0.5, "")
    assert any("replaced 1 times" in note for note in tables.trend_table(trend).footnotes)


class Hand:
    """A clock that goes on when somebody waits, and lets something happen meanwhile."""

    def __init__(self, *events: Any) -> None:
        self.time, self._events = 0.0, list(events)
        self.clock = Clock(lambda: 2000.0, lambda: self.time, self.wait)

    def wait(self, seconds: float) -> None:
        self.time += seconds
        if self._events:
            self._events.pop(0)()


def test_what_is_being_written_waits(training: Path, reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    leave(training, 3, "half", at=1999)
    hand = Hand(lambda: leave(training, 3, "half and more", at=1999.5), lambda: None, lambda: None)
    assert names(watched(training, trend, Asked(), hand.clock, settle=10.0)) == [1, 2]  # it grew meanwhile
    hand = Hand()
    assert names(watched(training, trend, Asked(), hand.clock, settle=10.0)) == [3]
    assert hand.time >= 10


def test_following_ends_when_nothing_came_for_long(training: Path, reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    hand = Hand(lambda: leave(training, 4), lambda: None, lambda: leave(training, 5))
    found = watched(training, trend, Asked(), hand.clock, once=False, poll=20.0, idle=50.0)
    assert names(found) == [1, 2, 3, 4, 5]
    assert 60 + 50 <= hand.time < 150


def test_a_fault_of_the_machine_ends_the_watch_and_one_of_a_checkpoint_that_changed_does_not(
    training: Path, reference: Side, tmp_path: Path
) -> None:
    def full(opened: Any) -> Side:
        raise PrerequisiteError("no space left on device")

    trend, asked = trend_of(tmp_path / "trend", reference), Asked()
    asked.run = full
    with pytest.raises(NovaEvalError, match="no space"):
        watched(training, trend, asked)
    assert trend.points == []

    def gone(opened: Any) -> Side:
        for file in training.rglob("*.json"):
            file.unlink()
        raise PrerequisiteError("no checkpoint folder")

    asked.run = gone
    assert watched(training, trend, asked) == []
    assert trend.points == []


def test_a_trend_that_was_cut_is_one_line(training: Path, reference: Side, tmp_path: Path) -> None:
    (tmp_path / "trend").mkdir()
    (tmp_path / "trend" / POINTS).write_text('{"name": "a", "loo', encoding="utf-8")
    with pytest.raises(CorruptStoreError, match=r"trend\.jsonl, line 1 is not JSON"):
        trend_of(tmp_path / "trend", reference)


def test_what_is_no_training_is_said_before_anything_is_written(reference: Side, tmp_path: Path) -> None:
    trend = trend_of(tmp_path / "trend", reference)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is no folder"):
        watched(tmp_path / "file", trend, Asked())
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_not_there_yet_is_waited_for(reference: Side, tmp_path: Path) -> None:
    out, said = tmp_path / "out", list[str]()
    hand = Hand(lambda: None, lambda: leave(out, 1))
    trend = trend_of(tmp_path / "trend", reference)
    assert names(watched(out, trend, Asked(), hand.clock, said.append, once=False, idle=60.0)) == [1]
    assert said[0] == f"no folder {out} yet: waiting for it"
    assert len([line for line in said if "no folder" in line]) == 1


def test_one_look_at_a_folder_that_is_not_there_says_so_and_leaves_nothing(reference: Side, tmp_path: Path) -> None:
    said: list[str] = []
    trend = trend_of(tmp_path / "trend", reference)
    assert watched(tmp_path / "out", trend, Asked(), say=said.append) == []
    assert said == [f"no folder {tmp_path / 'out'} yet: nothing is tested"]
    assert outcome.exit_code(trend) == 3
    assert not list(tmp_path.iterdir())


def test_curves_that_cannot_be_drawn_are_said_once(
    training: Path, reference: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    said: list[str] = []
    watched(training, trend_of(tmp_path / "trend", reference), Asked(), say=said.append)
    [line] = [line for line in said if "left out" in line]
    assert "trend.svg is left out" in line
    assert "pip install 'nova_eval[train]'" in line
    assert not (tmp_path / "trend" / "trend.svg").exists()


def test_two_watches_of_one_series(training: Path, reference: Side, tmp_path: Path) -> None:
    one, other = (trend_of(tmp_path / "trend", reference) for _ in range(2))
    with (
        one.held(),
        pytest.raises(PrerequisiteError, match=r"is being worked on by process .*; wait for it, or end it$"),
        other.held(),
    ):
        pass
