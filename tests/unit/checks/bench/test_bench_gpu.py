"""A course of parts keeps to its time, outlives a part that fails, and has written down what it knows at any moment."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.gpu import course
from nova_eval.checks.bench.gpu.figures import Figure
from nova_eval.checks.bench.gpu.official import FRAMES_AT_ONCE, Called, rule_as_called
from nova_eval.checks.bench.options import GpuBench
from nova_eval.cli import app
from nova_eval.engines.questions import wanted_size
from nova_eval.errors import INCOMPLETE, UsageError
from nova_eval.protocols import Floats, Frames

FAST = Figure("video, alone", 2.0, "s", 1.0, "arithmetic alone", "drawn | weights")


def asked(folder: Path, **settings: object) -> GpuBench:
    return GpuBench(output=folder, device="cpu", tiny=True, **settings)  # type: ignore[arg-type]


def call(*words: object) -> int:
    found: int = app(list(map(str, words)), exit_on_error=False, result_action="return_value")
    return found


def written(folder: Path) -> dict[str, dict[str, object]]:
    return {part["name"]: part for part in json.loads((folder / "gpu.json").read_text())["parts"]}


def test_every_part_has_its_outcome(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []

    def run(part: course.Part, asked: GpuBench, seconds: float) -> Iterator[Figure]:
        seen.append((part.name, seconds))
        yield FAST
        assert written(tmp_path)[part.name]["figures"], "what is found is on disk at once"
        if part.name == "parity":
            raise course.Stopped
        if part.name == "generator":
            raise RuntimeError("CUDA error:\nan illegal memory access was encountered")

    found = course.measure(asked(tmp_path), lambda text: None, run)
    parts = written(tmp_path)
    assert [name for name, _ in seen] == list(parts) == [part.name for part in course.PARTS]
    assert all(0 < seconds <= 360 for _, seconds in seen)
    assert parts["parity"]["state"] == "stopped"
    assert str(parts["parity"]["reason"]).endswith("s were over")
    assert parts["generator"]["state"] == "failed"
    assert "illegal memory access" in str(parts["generator"]["reason"])
    assert {parts[name]["state"] for name in ("machine", "judges", "memory", "overlap")} == {"measured"}
    assert all(len(part["figures"]) == 1 for part in parts.values())  # type: ignore[arg-type]
    text = (tmp_path / "gpu.md").read_text()
    assert "## generator (failed: " in text
    assert "| video, alone | 2 s | arithmetic alone 1 s | 0.50× | drawn / weights |" in text
    assert found["device"]


def test_what_there_is_no_time_for_is_left_out(tmp_path: Path) -> None:
    limits = []

    def run(part: course.Part, asked: GpuBench, seconds: float) -> Iterator[Figure]:
        limits.append(seconds)
        yield FAST

    course.measure(asked(tmp_path, limit=12.0), lambda text: None, run)
    parts = written(tmp_path)
    assert len(limits) == 1
    assert limits[0] <= 12
    assert parts["machine"]["state"] == "measured"
    assert {part["state"] for name, part in parts.items() if name != "machine"} == {"left out"}
    assert "it needs 15" in str(parts["parity"]["reason"])


def test_parts_share_the_time_that_is_left(tmp_path: Path) -> None:
    limits: dict[str, float] = {}

    def run(part: course.Part, asked: GpuBench, seconds: float) -> Iterator[Figure]:
        limits[part.name] = seconds
        yield FAST

    course.measure(asked(tmp_path, limit=72_000.0), lambda text: None, run)
    assert limits["machine"] == pytest.approx(6_000, rel=0.01)
    assert limits["overlap"] == pytest.approx(72_000, rel=0.01), "nothing was used up"


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'memory'"):
        course.measure(asked(tmp_path, parts=("memry",)), lambda text: None)
    with pytest.raises(UsageError, match="leaves no time"):
        course.measure(asked(tmp_path, limit=0.0), lambda text: None)
    with pytest.raises(UsageError, match="no such folder"):
        course.measure(asked(tmp_path, recordings=tmp_path / "none"), lambda text: None)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError, match="not on this machine"):
        call("bench", "gpu", "--device", "cuda:77", "--output", tmp_path)
    assert not list(tmp_path.iterdir())


def child(monkeypatch: pytest.MonkeyPatch, script: str, seconds: float = 30.0) -> list[Figure]:
    """What a process that runs ``script`` in place of a part is taken to have found."""
    monkeypatch.setattr(course, "command", lambda part, asked, seconds: [sys.executable, "-c", script])
    return list(course.in_process(course.PARTS[0], GpuBench(), seconds))


LINE = 'print(\'{"name": "a", "value": 1.5, "unit": "s"}\', flush=True)'


def test_a_process_that_ends_early_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert child(monkeypatch, LINE) == [Figure("a", 1.5, "s")]
    with pytest.raises(course.Failed, match="OutOfMemoryError: 3 GiB"):
        child(monkeypatch, "import sys; sys.exit('first line\\nOutOfMemoryError: 3 GiB')")
    with pytest.raises(course.Failed, match="ended with code -9"):
        child(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


def test_a_process_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(course.Stopped):
        child(monkeypatch, "input()", 0.2)


@pytest.mark.slow
def test_every_part_is_measured_small_on_a_cpu(tmp_path: Path) -> None:
    code = call("bench", "gpu", "--device", "cpu", "--tiny", "--limit", "3000", "--output", tmp_path)
    parts = written(tmp_path)
    assert {name: part["reason"] for name, part in parts.items() if part["state"] != "measured"} == {}
    assert code == 0
    names = {figure["name"] for part in parts.values() for figure in part["figures"]}  # type: ignore[attr-defined]
    assert {"video, alone", "latents, float32", "motion_smoothness", "dynamic_degree"} <= names


def test_a_part_that_fails_is_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        course, "command", lambda part, asked, seconds: [sys.executable, "-c", "raise SystemExit('no')"]
    )
    assert call("bench", "gpu", "--device", "cpu", "--parts", "parity", "--output", tmp_path) == INCOMPLETE
    assert (written(tmp_path)["parity"]["state"], written(tmp_path)["parity"]["reason"]) == ("failed", "no")


class Looked:
    """Answers with the mean of each frame, or the difference of each pair, and keeps how many it was asked about."""

    input_size = (8, 8)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def quality(self, frames: Frames) -> Floats:
        self.asked.append(len(frames))
        return frames.mean((1, 2, 3), dtype=np.float32)

    def caption(self, frames: Frames) -> list[str]:
        return [f"{frame.sum()}" for frame in frames]

    def flow(self, first: Frames, second: Frames) -> Floats:
        self.asked.append(len(first))
        return (second.astype(np.float32) - first).mean((1, 2, 3))


@pytest.mark.parametrize(("together", "asked"), [(1, [1] * 5), (2, [2, 2, 1]), (32, [5])])
def test_a_judge_called_as_officially_says_the_same_in_other_calls(together: int, asked: list[int]) -> None:
    judge, frames = Looked(), np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    called = Called(judge, together)
    assert (called.quality(frames[:5]) == Looked().quality(frames[:5])).all()
    assert judge.asked == asked
    assert (called.flow(frames[:-1], frames[1:]) == Looked().flow(frames[:-1], frames[1:])).all()
    assert judge.asked == 2 * asked
    assert called.caption(frames) == judge.caption(frames)
    assert wanted_size(called) == (8, 8)


def test_the_official_rule_looks_at_all_pairs() -> None:
    rules = {rule.name: rule for rule in load_benchmark("vbench").scorers("official")}
    assert set(FRAMES_AT_ONCE) < set(rules)
    for name, rule in rules.items():
        assert (rule_as_called(rule) != rule) == (name in ("dynamic_degree", "static_filter"))
