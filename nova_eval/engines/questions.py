"""What scorers say of items: their questions are put to the judge, those of several items together where that is one.

How questions are put never changes an answer: which items are together is a matter of speed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence, Sized
from itertools import accumulate
from math import isfinite
from traceback import clear_frames
from typing import Any, NamedTuple

import numpy as np

from nova_eval import environment
from nova_eval.errors import brief, is_interrupt
from nova_eval.identity import canonical_json
from nova_eval.protocols import Asking, Item, Question, Scorer, WantsSize
from nova_eval.records import Score


class _Reply(NamedTuple):
    """The judge's answer, or what it raised."""

    answer: Any = None
    error: BaseException | None = None


def scores_of(scorer: Scorer, items: Sequence[Item], judge: Any) -> list[Score]:
    """The scorer's row of each item, in their order. Raises the first error of judge or scorer."""
    found = outcomes_of(scorer, items, judge)
    for error in found:
        if isinstance(error, BaseException):
            raise error
    return [score for score in found if isinstance(score, Score)]


def rows_of(scorer: Scorer, items: Sequence[Item], judge: Any, *, less: bool = False) -> list[Score]:
    """The scorer's row of each item, in their order; an error is its reason.

    ``less``: fewer samples, or a smaller batch of the judge, could be tried. OutOfMemory where there is no room then.
    """
    rows = []
    for item, found in zip(items, outcomes_of(scorer, items, judge) if items else [], strict=True):
        if isinstance(found, BaseException):
            if less and _is_out_of_memory(found):
                raise OutOfMemory(f"{scorer.name} of {len(items)} samples: {brief(found)}")
            rows.append(Score(item.sample.key, scorer.name, None, reason=brief(found)))
        else:
            rows.append(found)
    return rows


class OutOfMemory(Exception):
    """There is no room for a judge and all samples of a unit; less may do."""


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether this is what Python or torch raise where there is no room."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "out of memory" in str(error).lower())


def outcomes_of(scorer: Scorer, items: Sequence[Item], judge: Any) -> list[Score | BaseException]:
    """The scorer's row of each item, or the error that left it without one, in the order of items.

    Items proceed side by side from one joined question to the next; a question that is not joined is put at once, so
    that its frames need not be kept.
    """
    size = wanted_size(judge)
    asking = [_asking(scorer, item._replace(size=size)) for item in items]
    states = [_proceed(one, _Reply(), judge) for one in asking]
    while groups := _alike(states):
        for group in groups:
            for place, reply in zip(group, _replies(judge, [states[place] for place in group]), strict=True):
                states[place] = _proceed(asking[place], reply, judge)
    return [state for state in states if not isinstance(state, Question)]


def wanted_size(judge: object) -> tuple[int, int] | None:
    """The (H, W) at which a judge wants frames to be decoded, ``None`` for as they are."""
    return judge.input_size if isinstance(judge, WantsSize) else None


def _asking(scorer: Scorer, item: Item) -> Asking[Score]:
    found: Any = scorer.score(item)
    score = (yield from found) if isinstance(found, Generator) else found
    if not isinstance(score, Score):
        raise TypeError(f"the scorer returned {type(score).__name__}, not a Score")
    if (score.key, score.metric) != (item.sample.key, scorer.name):
        raise ValueError(f"the scorer returned a score of {score.metric} of {score.key}")
    numbers = (score.weight,) if score.value is None else (score.value, score.weight)
    if not all(isinstance(number, int | float) and isfinite(number) for number in numbers):
        raise ValueError("the scorer gave no finite number")
    canonical_json(score).encode()  # what a row can hold
    return score


def _proceed(asking: Asking[Score], reply: _Reply, judge: Any) -> Question | Score | BaseException:
    """Hands in a reply; what is to be joined next, or how it ended."""
    while True:
        try:
            question = asking.send(reply.answer) if reply.error is None else asking.throw(reply.error)
        except StopIteration as end:
            score: Score = end.value
            return score
        except BaseException as error:
            if is_interrupt(error):
                raise
            del reply  # it holds the error, whose traceback holds this frame
            return error
        if question.joined:
            return question
        reply = _reply(judge, question)


def _alike(states: Sequence[Question | Score | BaseException]) -> list[list[int]]:
    """The places of open questions, in groups that differ in frames of one size alone."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for place, state in enumerate(states):
        if isinstance(state, Question):
            frames, *further = state.arguments
            groups.setdefault((state.method, frames.shape[1:], *further), []).append(place)
    return list(groups.values())


def _replies(judge: Any, questions: Sequence[Any]) -> list[_Reply]:
    """One reply a question, from one call; where that fails, from a call each, to find whose fault it is."""
    lengths = [len(question.arguments[0]) for question in questions]
    if len(questions) > 1:
        _, *further = questions[0].arguments
        frames = np.concatenate([question.arguments[0] for question in questions])
        together = _answered(judge, Question(questions[0].method, (frames, *further)))
        if together.error is None:
            ends = accumulate(lengths)
            return [_Reply(together.answer[end - n : end]) for n, end in zip(lengths, ends, strict=True)]
    return [_answered(judge, question) for question in questions]


def _answered(judge: Any, question: Question) -> _Reply:
    """The reply to a question about frames: an answer for each of them, or an error."""
    reply, asked = _reply(judge, question), len(question.arguments[0])
    if reply.error is not None:
        return reply
    given = len(reply.answer) if isinstance(reply.answer, Sized) else type(reply.answer).__name__
    return reply if given == asked else _Reply(error=ValueError(f"the judge gave {given} answers about {asked} frames"))


def _reply(judge: Any, question: Question) -> _Reply:
    """On a GPU in full float32, so that an answer does not depend on which GPU it is."""
    try:
        with environment.arithmetic(tf32=False):
            return _Reply(getattr(judge, question.method)(*question.arguments))
    except BaseException as error:
        if is_interrupt(error):
            raise
        clear_frames(error.__traceback__)  # what the judge held in memory is needed for the next question
        return _Reply(error=error)
