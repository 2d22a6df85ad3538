"""Clips, prompts and judges for the tests of benchmark rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from nova_eval.media import Clip
from nova_eval.protocols import Detection, Frames, Item
from nova_eval.records import Prompt, Sample, SampleKey

MakeItem = Callable[..., Item]


class Judge:
    """Answers every question with what it was given; a callable is asked with the question's arguments."""

    name, digest, input_size = "test", "test", None

    def __init__(self, **answers: Any) -> None:
        self.asked: list[tuple[Any, ...]] = []
        for question, answer in answers.items():
            setattr(self, question, self._answering(answer))

    def _answering(self, answer: Any) -> Callable[..., Any]:
        def ask(*arguments: Any) -> Any:
            self.asked.append(arguments)
            return answer(*arguments) if callable(answer) else answer

        return ask


@pytest.fixture(scope="session")
def judge() -> type[Judge]:
    return Judge


@pytest.fixture(scope="session")
def make_item() -> MakeItem:
    def make(
        frames: Frames | int = 16,
        text: str = "a prompt",
        reference: Mapping[str, Any] | None = None,
        fps: float = 8.0,
        index: int = 0,
        size: tuple[int, int] = (4, 4),
    ) -> Item:
        """A clip; a number of frames gives frames whose every byte is their place."""
        if isinstance(frames, int):
            frames = np.repeat(np.arange(frames, dtype=np.uint8), size[0] * size[1] * 3).reshape(frames, *size, 3)
        prompt = Prompt("test/0000", text, (), reference or {})
        count, height, width = frames.shape[:3]
        sample = Sample(SampleKey(prompt.id, index), 0, "x.mp4", "", 0, width, height, count, fps, 0.0)
        return Item(prompt, sample, Clip(frames, fps))

    return make


@pytest.fixture(scope="session")
def box() -> Callable[..., Detection]:
    def make(label: str, *corners: float, caption: str = "") -> Detection:
        x0, y0, x1, y1 = corners or (0, 0, 10, 10)
        return Detection(label, (x0, y0, x1, y1), caption=caption)

    return make
