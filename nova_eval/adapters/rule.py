"""What the rules of all benchmarks share: the scorer around a rule, and the rows it may return."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from nova_eval.errors import unknown
from nova_eval.media import Clip
from nova_eval.protocols import Frames, Item
from nova_eval.records import Prompt, Score

SCORINGS = ("official", "corrected")


def all_frames(item: Item, **settings: Any) -> Frames:
    return item.clip.frames


def first_frame(item: Item, **settings: Any) -> Frames:
    """What questions about an image are about, (1, H, W, 3)."""
    return item.clip.frames[:1]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question that a rule puts to its judge once an item, about frames each for itself.

    ``method`` is the judge's. ``frames`` and ``further`` give the question's arguments for an item under the rule's
    settings, exactly as the rule itself gives them; ``further`` is ``None`` for an item that is not asked about.
    """

    method: str
    frames: Callable[..., Frames] = all_frames
    further: Callable[..., tuple[Any, ...] | None] = lambda item, **settings: ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A scorer made of one function ``rule(item, judge) -> Score``. ``tag`` marks the prompts that it applies to.

    Items are looked at one by one, so a score cannot depend on the group; what the rule ``asks`` about frames, each for
    itself, is asked of several items at once. What the judge raises passes through.
    """

    name: str
    role: str | None
    rule: Callable[..., Score]
    version: str = "1"
    tag: str = ""
    asks: tuple[Ask, ...] = ()

    def accepts(self, prompt: Prompt) -> bool:
        return (self.tag or self.name) in prompt.tags

    def score(self, items: Sequence[Item], judge: Any) -> Iterator[Score]:
        settings = getattr(self.rule, "keywords", {})
        for item, answering in zip(items, answered_together(judge, self.asks, items, settings), strict=True):
            yield self.rule(item, answering)

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


def under(
    scoring: str, rules: Sequence[Rule], repairs: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> tuple[Rule, ...]:
    """The rules of a scoring: ``"official"``, as published, or ``"corrected"``."""
    if scoring not in SCORINGS:
        raise unknown("scoring", scoring, SCORINGS)
    return tuple(rules) if scoring == "official" else corrected(rules, repairs)


class Answered:
    """A judge that has answered some questions already (by method); all else is the judge's own."""

    def __init__(self, judge: Any, answers: Mapping[str, Any]) -> None:
        self._judge = judge
        for method, answer in answers.items():
            setattr(self, method, lambda *asked, known=answer: known)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._judge, name)


def answered_together(
    judge: Any, asks: Sequence[Ask], items: Sequence[Item], settings: Mapping[str, Any]
) -> Sequence[Any]:
    """For each item a judge that has answered ``asks``: all items' frames of one size and question are put at once.

    Frames of clips that are too long to be in memory are left to be asked about one clip after another.
    """
    short = [place for place, item in enumerate(items) if isinstance(item.clip, Clip) and len(item.clip)]
    answers: list[dict[str, Any]] = [{} for _ in items]
    for ask in asks if len(short) > 1 else ():
        alike: dict[Any, list[tuple[int, Frames]]] = {}
        for place in short:
            if (further := ask.further(items[place], **settings)) is not None:
                frames = ask.frames(items[place], **settings)
                alike.setdefault((frames.shape[1:], further), []).append((place, frames))
        for (_, further), group in alike.items():
            if len(group) > 1:
                rows = getattr(judge, ask.method)(np.concatenate([frames for _, frames in group]), *further)
                start = 0
                for place, frames in group:
                    answers[place][ask.method] = rows[start : start + len(frames)]
                    start += len(frames)
    return [Answered(judge, known) if known else judge for known in answers]


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
