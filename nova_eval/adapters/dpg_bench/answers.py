"""From answers to an image's score: yes counts, unless a question that this one depends on has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_eval.adapters.dpg_bench.prompts import ITEM, OVERALL
from nova_eval.adapters.dpg_bench.questions import DSGQuestion, QuestionTable, own_questions
from nova_eval.adapters.rule import ask, first_frame, left_out, scored, unscored
from nova_eval.protocols import Asking, Item, VisualQuestionAnswerer
from nova_eval.records import Score

OFFICIAL_ONLY_PLAIN_YES_COUNTS = True
"""The answer must be ``yes`` to the letter: "Yes", "yes." and "yes, it is" count as no. Corrected: the first word
decides, whatever its case and punctuation."""

OFFICIAL_ZEROES_IN_ROW_ORDER = True
"""A question fails when one of its parents has failed *by then*, in the order of rows: a child before its parent sees
the parent's own answer, not what later becomes of it. Corrected: parents are settled first."""

OFFICIAL_DROPS_WHAT_FAILS = True
"""An image whose item has no questions, or a question with a parent that was not read, is printed as failed and left
out of every mean, so that a missing image costs nothing. Corrected: it is unscored, and no Total hides it."""


def questioned(item: Item, *, table: QuestionTable, official: bool = True) -> Asking[Score]:
    """The share of an item's questions that hold: those that the prompt brings, or else the table's.

    ``detail`` keeps what categories are made of: ``answers`` are the answers as 0 or 1, ``counted`` the same with
    dependent questions zeroed, ``subjects`` what each question asks about; all by question id.
    """
    name = str(item.prompt.reference.get(ITEM, item.prompt.id.rpartition("/")[2]))
    own = own_questions(item.prompt)
    questions = table.of(name, official=official) if own is None else own
    if not questions:
        return _dropped(
            item, official, f"no question is asked about {name!r}", "'NoneType' object is not subscriptable"
        )
    texts = [question.text for question in questions]
    (given,) = yield from ask(VisualQuestionAnswerer.answer, first_frame(item), texts)
    answers = {q.id: float(is_yes(text, official)) for q, text in zip(questions, given, strict=True)}
    try:
        counted = zeroed(answers, questions, in_row_order=official)
    except KeyError as error:
        return _dropped(item, official, f"a question depends on {error}, which is not asked", str(error))
    detail = {
        "answers": {str(key): value for key, value in answers.items()},
        "counted": {str(key): value for key, value in counted.items()},
        "subjects": {str(question.id): question.subject for question in questions},
    }
    return scored(item, OVERALL, sum(counted.values()) / len(counted), detail=detail)


def is_yes(answer: str, official: bool = OFFICIAL_ONLY_PLAIN_YES_COUNTS) -> bool:
    if official:
        return answer == "yes"
    words = answer.lower().split()
    return bool(words) and words[0].strip(".,;:!\"'") == "yes"


def zeroed(
    answers: Mapping[int, float], questions: Sequence[DSGQuestion], in_row_order: bool = OFFICIAL_ZEROES_IN_ROW_ORDER
) -> dict[int, float]:
    """``answers`` with the questions zeroed that depend on one at 0. KeyError for a parent that is not among them.

    In row order a later parent is seen as it was answered; otherwise nothing counts below a failed question.
    """
    scores = dict(answers)
    while True:
        before = dict(scores)
        for question in questions:
            for parent in question.parents:
                if parent and scores[parent] == 0:
                    scores[question.id] = 0.0
                    break  # later parents are not looked at, known or not
        if in_row_order or scores == before:
            return scores


def _dropped(item: Item, official: bool, reason: str, official_words: str) -> Score:
    if not official:
        return unscored(item, OVERALL, reason)
    row = left_out(item, OVERALL, f"the official code drops the image: {reason}")
    return Score(row.key, row.metric, None, 0.0, row.reason, {"failure": official_words})
