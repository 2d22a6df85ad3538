"""Trackers hear of every point once; what one of them missed it hears when it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.compare.sides import Side
from nova_eval.compare.trend import tracked
from nova_eval.compare.trend.points import Claim, Point, Value
from nova_eval.compare.trend.trend import Rules, Trend
from nova_eval.trackers import TRACKERS, Shown, Tracking


class Heard:
    """A tracker that writes down what it hears, or cannot be reached."""

    def __init__(self, place: str) -> None:
        self.reached, self.place = True, place
        self.logged: list[tuple[str, int, Mapping[str, float]]] = []
        self.shown: list[int] = []
        self.told: dict[str, Any] = {}

    def log(self, axis: str, step: int, values: Mapping[str, float]) -> None:
        if not self.reached:
            raise OSError("no route to host")
        self.logged.append((axis, step, values))

    def media(self, axis: str, step: int, samples: Sequence[Shown]) -> None:
        self.shown.append(step)

    def summary(self, axis: str, values: Mapping[str, str | float]) -> None:
        self.told = dict(values)

    def close(self) -> None: ...


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, Heard]:
    made: dict[str, Heard] = {}

    def make(name: str, settings: Mapping[str, Any]) -> Heard:
        return made.setdefault(name, Heard(settings["place"]))

    monkeypatch.setattr(TRACKERS, "make", make)
    return made


def point(step: int | None, kind: str = "raw", **further: Any) -> Point:
    claims = {
        "counting": Claim("worse", -0.5, None, None, 0.01, 1.0),
        "colors": Claim("cannot tell", 0, None, None, 1, 1),
    }
    given = {"values": {"overall": Value(0.5), "colors": Value(None)}, "against": claims, "complete": True, "look": 1}
    return Point(f"{kind}-{step}", kind=kind, stage="checkpoint", step=step, **{**given, **further})


def nobody(name: str) -> Side:
    raise AssertionError(name)


def test_each_point_once_and_what_was_missed_later(tmp_path: Path, heard: dict[str, Heard]) -> None:
    trend = Trend(tmp_path, load_benchmark("geneval").config, Rules(None, {}), nobody)
    shown = [Shown("a", 0, tmp_path / "0.png", {})]

    def track() -> None:
        with Tracking(["one:here", "other:there"], "series", lambda text: None) as tracking:
            tracked.track(tracking, trend, lambda point: shown)

    trend.add(point(500))
    track()
    heard["other"].reached = False
    trend.add(point(500, "averaged"))
    trend.add(point(1000, problem="torn", values={}, against={}))
    track()
    heard["other"].reached = True
    trend.add(point(None, "whole"))  # the end of a stage
    track()
    track()
    logs = [
        ("geneval", 500, {"raw/overall": 0.5, "raw/established worse": 1.0, "raw/established better": 0.0}),
        (
            "geneval",
            500,
            {"averaged/overall": 0.5, "averaged/established worse": 1.0, "averaged/established better": 0.0},
        ),
        ("geneval", 1000, {"raw/passed over": 1.0}),
        ("geneval", 1001, {"whole/overall": 0.5, "whole/established worse": 1.0, "whole/established better": 0.0}),
    ]
    for name in ("one", "other"):
        assert heard[name].logged == logs
        assert heard[name].shown == [500, 500, 1001]  # what did not load has no samples
        assert heard[name].told["best"] == "raw-500"
        assert heard[name].told["verdict of raw-500"] == "worse: Counting; 1 cannot tell"
        assert heard[name].told["verdict of raw-1000"] == "passed over: torn"
