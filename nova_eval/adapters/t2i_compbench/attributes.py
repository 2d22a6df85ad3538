"""color, shape and texture: is every noun phrase of the prompt in the image? Source: BLIPvqa_eval/."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from nova_eval.adapters.rule import ask, first_frame, left_out, scored
from nova_eval.adapters.t2i_compbench.parses import Parses
from nova_eval.protocols import Asking, Item, YesNoAnswerer
from nova_eval.records import Score

OFFICIAL_QUESTIONS = 8
"""Phrases beyond the eighth are not asked about (BLIP_vqa.py, ``np_num``). Corrected: all are."""

OFFICIAL_NO_QUESTION_IS_A_FULL_SCORE = True
"""A prompt without a noun phrase scores 1 whatever the image shows. Corrected: left out of the mean."""

OFFICIAL_SCORES_HAVE_FOUR_DECIMALS = True
"""Each probability is written with four decimals, multiplied in single precision, and written with four decimals
again; the category is the mean of those. Corrected: nothing is rounded."""

OFFICIAL_SKIPPED_PHRASES = frozenset({"top", "the side", "the left", "the right"})
"""Phrases that name a place; others that do ("the top") are asked about."""

_LONGEST_QUESTION = 50  # words


def attribute_binding(
    item: Item,
    *,
    metric: str,
    parses: Parses,
    number: int | None = OFFICIAL_QUESTIONS,
    no_question_is_a_full_score: bool = OFFICIAL_NO_QUESTION_IS_A_FULL_SCORE,
    four_decimals: bool = OFFICIAL_SCORES_HAVE_FOUR_DECIMALS,
) -> Asking[Score]:
    """The product over noun phrases of the probability that the judge answers yes to ``"<phrase>?"``."""
    phrases = parses.of_prompt(item.prompt).noun_phrases
    texts = tuple(model_text(question) for question in questions(phrases, number))
    answers: list[float] = []
    if texts:
        (given,) = yield from ask(YesNoAnswerer.probability_of_yes, first_frame(item), texts, joined=True)
        answers = [float(probability) for probability in given]
    elif not no_question_is_a_full_score:
        return left_out(item, metric, "the prompt has no noun phrase to ask about")
    if four_decimals:
        answers = [float(f"{answer:.4f}") for answer in answers]
        value = float(f"{float(np.prod(np.array(answers, np.float32), dtype=np.float32)):.4f}")
    else:
        value = math.prod(answers)
    return scored(item, metric, value, detail={"answers": dict(zip(texts, answers, strict=True))})


def questions(noun_phrases: Sequence[str], number: int | None = OFFICIAL_QUESTIONS) -> list[str]:
    """A question a phrase, in order, the first ``number`` of those that do not name a place."""
    return [f"{phrase}?" for phrase in noun_phrases if phrase not in OFFICIAL_SKIPPED_PHRASES][:number]


def model_text(question: str) -> str:
    """The question as the judge reads it: lower case, little punctuation, at most fifty words."""
    words = re.sub(r'[.!"()*#:;~]', "", question.lower()).rstrip(" ").split(" ")
    return " ".join(words[:_LONGEST_QUESTION])
