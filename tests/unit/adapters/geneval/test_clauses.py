"""A prompt of one's own that no image could meet, or that every image meets, is refused and not scored."""

from __future__ import annotations

from typing import Any

import pytest

from nova_eval.adapters.geneval.benchmark import GenEval
from nova_eval.adapters.geneval.clauses import check_clauses
from nova_eval.errors import UsageError
from nova_eval.records import Prompt, SampleKey

CAT: dict[str, Any] = {"class": "cat", "count": 1}
GENEVAL = GenEval()


def pairs(**reference: Any) -> list[tuple[SampleKey, str]]:
    prompt = Prompt("custom/0000", "a cat", ("colors",), reference)
    return list(GENEVAL.pairs([prompt], [SampleKey(prompt.id, 0)]))


@pytest.mark.parametrize(
    ("reference", "line"),
    [
        ({"include": []}, "asks for nothing"),
        ({"include": None, "exclude": []}, "asks for nothing"),
        ({"include": CAT}, "should be a list"),
        ({"include": ["cat"]}, r"include: \[0\]"),
        ({"include": [{"class": "cat"}]}, r"\[0\]\.count is missing"),
        ({"include": [{**CAT, "count": 0}]}, "greater than or equal to 1"),
        ({"include": [{**CAT, "count": -1}]}, "greater than or equal to 1"),
        ({"include": [{**CAT, "count": "2"}]}, "valid integer"),
        ({"include": [{**CAT, "count": True}]}, "valid integer"),
        ({"include": [{**CAT, "count": 1.5}]}, "valid integer"),
        ({"include": [{**CAT, "class": "cats"}]}, r"unknown class in include\[0\] .*did you mean 'cat'"),
        ({"include": [{**CAT, "color": "grey"}]}, "unknown color .*did you mean 'gr"),
        ({"include": [CAT, {**CAT, "position": ["left", 0]}]}, "unknown relation .*did you mean 'left of'"),
        ({"include": [CAT, {**CAT, "position": ["left of", 1]}]}, "to clause 1, which is not before it"),
        ({"include": [CAT, {**CAT, "position": ["left of", -1]}]}, "to clause -1"),
        ({"include": [CAT, {**CAT, "position": ["left of"]}]}, r"\[1\]\.position"),
        ({"include": [CAT], "exclude": [{"class": "dog", "count": 0}]}, "exclude: .*greater than or equal to 1"),
    ],
)
def test_clauses_that_no_judge_can_answer_are_one_line(reference: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line) as caught:
        pairs(**reference)
    assert "custom/0000" in str(caught.value)


def test_what_the_official_and_the_embedded_suite_ask_for_passes() -> None:
    assert len(pairs(include=[CAT, {"class": "dog", "count": 2, "color": "white", "position": ["left of", 0]}])) == 1
    assert len(pairs(exclude=[{"class": "tv", "count": 3, "note": "kept"}])) == 1
    for prompt in GENEVAL.suite("sprites").prompts:
        check_clauses(prompt)
    assert list(GENEVAL.pairs([Prompt("custom/0001", "x")], [SampleKey("custom/0001", 0)])) == []
