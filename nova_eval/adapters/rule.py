"""What the rules of all benchmarks share: the scorer around a rule, how it asks, and the rows it may return."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, TypeVarTuple

from nova_eval.errors import unknown
from nova_eval.protocols import Asking, Footage, Frames, Item, Question
from nova_eval.records import Score

SCORINGS = ("official", "corrected")

RATE_IS = "frame_rate_is"
"""The detail of a row that says what the frame rate was that it depends on, where the file does not declare one."""

Answer = TypeVar("Answer")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, slots=True)
class Rule:
    """A scorer made of one function of an item.

    The function returns its ``Score``, or is a generator that asks (``answer = yield from ask(…)``) and then does.
    What the judge raises, it raises, unless the rule catches it.
    """

    name: str
    role: str | None
    rule: Callable[..., Score | Asking[Score]]
    version: str = "1"

    def score(self, item: Item) -> Score | Asking[Score]:
        return self.rule(item)

    def with_settings(self, **settings: Any) -> Rule:
        """The same rule with other keyword settings (``frames=None``: the frames given are those to look at)."""
        return replace(self, rule=partial(self.rule, **settings))


def ask(method: Callable[[Any, *Arguments], Answer], *arguments: *Arguments, joined: bool = False) -> Asking[Answer]:
    """The judge's answer to ``method``, a question of ``protocols`` such as ``Detector.detect``.

    ``joined`` as in ``Question``.
    """
    answer: Answer = yield Question(method.__name__, arguments, joined)
    return answer


def ask_each_frame(
    clip: Footage, method: Callable[[Any, Frames, *Arguments], Iterable[Any]], *further: *Arguments
) -> Asking[list[Any]]:
    """The answers about all frames of a clip, one a frame, in order.

    Clips in memory are asked about together, one that is too long for that in runs, and alone.
    """
    answers: list[Any] = []
    for run in clip.runs():
        answers.extend((yield Question(method.__name__, (run, *further), joined=clip.in_memory)))
    return answers


def first_frame(item: Item) -> Frames:
    """What questions about an image are about, (1, H, W, 3)."""
    return item.clip.frames[:1]


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


def under(
    scoring: str, rules: Sequence[Rule], repairs: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> tuple[Rule, ...]:
    """The rules of a scoring: ``"official"``, as published, or ``"corrected"``."""
    if scoring not in SCORINGS:
        raise unknown("scoring", scoring, SCORINGS)
    return tuple(rules) if scoring == "official" else corrected(rules, repairs)


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
