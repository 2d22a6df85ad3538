"""What the rules of all benchmarks share: the scorer around a rule, and the rows it may return."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Score


@dataclass(frozen=True, slots=True)
class Rule:
    """A scorer made of one function ``rule(item, judge) -> Score``. ``tag`` marks the prompts that it applies to.

    Items are looked at one by one, so a score cannot depend on the group. ``per_frame`` names a method of the judge
    that the rule asks of all frames of a clip, each for itself, with the arguments that ``further`` gives: it is asked
    of several clips at once. What the judge raises passes through.
    """

    name: str
    role: str | None
    rule: Callable[..., Score]
    version: str = "1"
    tag: str = ""
    per_frame: str = ""
    further: Callable[[Item], tuple[Any, ...]] = lambda item: ()

    def accepts(self, prompt: Prompt) -> bool:
        return (self.tag or self.name) in prompt.tags

    def score(self, items: Sequence[Item], judge: Any) -> Iterator[Score]:
        if not self.per_frame:
            for item in items:
                yield self.rule(item, judge)
            return
        alike: dict[Any, list[Item]] = {}
        for item in items:
            alike.setdefault((item.clip.height, item.clip.width, self.further(item)), []).append(item)
        for (_, _, further), group in alike.items():
            answers = answered_together(judge, self.per_frame, group, further) if len(group) > 1 else [judge]
            for item, answer in zip(group, answers, strict=True):
                yield self.rule(item, answer)

    def with_settings(self, **settings: Any) -> Rule:
        """The same rule with other keyword settings (``frames=None``: the frames given are those to look at)."""
        return replace(self, rule=partial(self.rule, **settings))


def corrected(rules: Sequence[Rule], repairs: Mapping[str, Mapping[str, Any]]) -> tuple[Rule, ...]:
    """``rules`` with the settings of ``repairs`` (by name) under another version.

    A rule without a repair is the official one, and its rows serve both scorings.
    """
    return tuple(
        replace(rule.with_settings(**repairs[rule.name]), version=f"{rule.version}-corrected")
        if rule.name in repairs
        else rule
        for rule in rules
    )


class Answered:
    """A judge that has answered one question already: ``method`` gives the answer, all else is the judge's own."""

    def __init__(self, judge: Any, method: str, answer: Any) -> None:
        self._judge = judge
        setattr(self, method, lambda frames, *further: answer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._judge, name)


def answered_together(judge: Any, method: str, items: Sequence[Item], further: tuple[Any, ...]) -> list[Any]:
    """For each item a judge that has looked at its frames: those of all short clips are put to ``judge`` at once.

    Frames of clips that are too long to be in memory are left to be asked one clip after another.
    """
    short = [item.clip for item in items if isinstance(item.clip, Clip) and len(item.clip)]
    if len(short) < 2:
        return [judge] * len(items)
    rows = getattr(judge, method)(np.concatenate([clip.frames for clip in short]), *further)
    ends = np.cumsum([len(clip) for clip in short]).tolist()
    parts = {id(clip): rows[end - len(clip) : end] for clip, end in zip(short, ends, strict=True)}
    return [Answered(judge, method, parts[id(i.clip)]) if id(i.clip) in parts else judge for i in items]


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


def count(number: int, noun: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def mean(values: Iterable[float]) -> float:
    """The mean of at least one number, rounded once."""
    numbers = [float(value) for value in values]
    return math.fsum(numbers) / len(numbers)
