"""Judges of images: one way and the other ask the same, and the record says what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from nova_eval.checks.bench import geneval, vqa
from nova_eval.checks.bench.options import GenEvalBench, VqaBench
from nova_eval.errors import UsageError
from nova_eval.protocols import Detection


class TestVqa:
    def test_both_ways_are_asked_in_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []

        def ask(image: Any, questions: Sequence[Sequence[int]]) -> list[float]:
            asked.append(len(questions))
            return [float(sum(question)) for question in questions]

        monkeypatch.setattr(vqa, "JUDGES", {"blip_vqa": lambda device, dtype: vqa.Measured(ask, 5)})
        monkeypatch.setattr(vqa, "HEIGHT", 16)
        row = vqa.measure(VqaBench(questions=3, repeats=2))
        assert asked == [3, 1, 1, 1] * 2
        assert (row["questions_per_image"], row["parameters"], row["difference"]) == (3, 5, 0.0)
        assert row["speedup"] == row["seconds_encoded_for_each"] / row["seconds_encoded_once"]
        assert "3 questions an image" in vqa.lines(row)

    def test_what_is_no_measurement_is_refused(self) -> None:
        with pytest.raises(UsageError, match="at least one question"):
            vqa.measure(VqaBench(questions=0))


class TestGenEval:
    def test_both_ways_see_the_same_objects(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks: list[int] = []

        class Judge:
            def __init__(self, batch: int, **given: Any) -> None:
                assert given["dtype"] == "float32"
                self.namer = self

            def to(self, device: str) -> Judge:
                return self

            def text_features(self, texts: Sequence[str]) -> None:
                assert len(texts) > 0

            def detect(self, frames: np.ndarray) -> list[list[Detection]]:
                looks.append(len(frames))
                return [[Detection("bench", (0, 0, 4, 4)), Detection("cat", (1, 1, 3, 3))] for _ in frames]

            def colors(self, frame: np.ndarray, found: Sequence[Detection]) -> list[str]:
                return ["red" for _ in found]

        monkeypatch.setattr("nova_eval.judges.JUDGES.get", lambda name: Judge)
        monkeypatch.setattr(geneval, "_weights", lambda folder, say: ({}, ["mask2former_swin_s"]))
        row = geneval.measure(GenEvalBench(images=3, objects=2, height=32, width=32, repeats=2))
        assert looks == [1, *([1, 1, 1, 3] * 2)]
        assert (row["objects"], row["difference"], row["clock"]) == (6, 0.0, "processor")
        both = row["seconds_detect_alone"] + row["seconds_color_alone"]
        assert row["images_per_second_alone"] == pytest.approx(3 / both)
        assert "random weights for mask2former_swin_s" in geneval.lines(row)

    def test_what_is_no_measurement_is_refused(self) -> None:
        with pytest.raises(UsageError, match="16×16 pixels"):
            geneval.measure(GenEvalBench(height=8))
        with pytest.raises(UsageError, match="float32 only"):
            geneval.measure(GenEvalBench(judge="geneval_objects_mmdet", dtype="float16"))
