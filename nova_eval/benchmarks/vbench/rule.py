"""What the sixteen rules share: the scorer around a rule, the rows it may return, and which frames it looks at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from nova_eval.errors import MediaError
from nova_eval.protocols import Frames, Item
from nova_eval.records import Prompt, Score


@dataclass(frozen=True, slots=True)
class Rule:
    """A scorer made of one function ``rule(item, judge) -> Score``. ``tag`` marks the prompts that it applies to.

    Items are looked at one by one, so a score cannot depend on the group. What the judge raises passes through.
    """

    name: str
    role: str | None
    rule: Callable[..., Score]
    version: str = "1"
    tag: str = ""

    def accepts(self, prompt: Prompt) -> bool:
        return (self.tag or self.name) in prompt.tags

    def score(self, items: Sequence[Item], judge: Any) -> Iterator[Score]:
        for item in items:
            yield self.rule(item, judge)

    def with_settings(self, **settings: Any) -> Rule:
        """The same rule with other keyword settings (``frames=None``: the frames given are those to look at)."""
        return replace(self, rule=partial(self.rule, **settings))


def scored(
    item: Item, metric: str, value: float, weight: float = 1.0, detail: Mapping[str, Any] | None = None
) -> Score:
    """A row with a number, or the reason why a judge's number is none."""
    if not math.isfinite(value):
        return unscored(item, metric, "the judge gave no finite number")
    return Score(item.sample.key, metric, float(value), float(weight), detail=detail or {})


def unscored(item: Item, metric: str, reason: str) -> Score:
    """A row that lowers coverage."""
    return Score(item.sample.key, metric, None, reason=reason)


def left_out(item: Item, metric: str, reason: str) -> Score:
    """A row that the rule itself keeps out of the mean."""
    return Score(item.sample.key, metric, None, weight=0.0, reason=reason)


def too_short(item: Item, metric: str, needed: int) -> Score:
    """The row for a clip with fewer frames than the rule can work on."""
    return unscored(item, metric, f"the clip has {count(len(item.clip), 'frame')}, the rule needs {needed}")


def count(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def mean(values: Iterable[float]) -> float:
    """The mean of at least one number, rounded once."""
    numbers = [float(value) for value in values]
    return math.fsum(numbers) / len(numbers)


def middle_indices(wanted: int, length: int) -> list[int]:
    """The middle frame of each of ``wanted`` equal parts; a shorter clip gives every frame, then repeats its last."""
    if wanted > 0 and length < 1:
        raise MediaError("the clip has no frame")
    edges = np.linspace(0, length, min(wanted, length) + 1).astype(int).tolist()
    indices = [(start + end - 1) // 2 for start, end in pairwise(edges)]
    return indices + indices[-1:] * (wanted - len(indices))


def middle_frames(frames: Frames, wanted: int | None) -> Frames:
    """``wanted`` frames by the middle rule, or all of them for ``None``. No frame gives no frame."""
    return frames if wanted is None or not len(frames) else frames[middle_indices(wanted, len(frames))]


def auxiliary(prompt: Prompt, dimension: str, field: str | None = None) -> Any:
    """What the suite stores beside a prompt for ``dimension``; ``None`` when it stores nothing.

    ``{"object": x}``, ``{"object_class": {"object": x}}`` and scene's ``{"scene": {"scene": {"scene": x}}}`` are all
    found in the wild: wrappers named like the dimension are taken off, then ``field`` is read.
    """
    value: Any = prompt.reference
    while isinstance(value, Mapping) and dimension in value:
        value = value[dimension]
    if field is not None:
        return value.get(field) if isinstance(value, Mapping) else None
    return None if isinstance(value, Mapping) else value
