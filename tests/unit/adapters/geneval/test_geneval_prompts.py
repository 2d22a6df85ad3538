"""GenEval's prompts are made, not fetched, and are the official ones to the byte."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.geneval.prompts import (
    COLORS,
    OBJECTS,
    TASKS,
    TEMPLATES,
    draw_suite,
    metadata_file,
    prompt_file,
    prompts,
)
from nova_eval.errors import UsageError

OFFICIAL_METADATA = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
OFFICIAL_PROMPTS = "55b6e3650e980c13daf30569eb666e000faf19bfc2b7b4cbe999fcdb7aa9d680"


def test_the_released_draw_is_made_again_to_the_byte() -> None:
    assert sha256(metadata_file(draw_suite())).hexdigest() == OFFICIAL_METADATA
    assert sha256(prompt_file(draw_suite())).hexdigest() == OFFICIAL_PROMPTS


def test_it_equals_the_official_files(mirror: Path) -> None:
    (folder,) = (mirror / "djghosh13" / "geneval").iterdir()
    assert (folder / "prompts" / "evaluation_metadata.jsonl").read_bytes() == metadata_file(draw_suite())
    assert tuple((folder / "evaluation" / "object_names.txt").read_text().split("\n"))[:80] == OBJECTS


def test_the_suite_needs_no_file() -> None:
    suite = load_benchmark("geneval").suite("official", offline=True)
    assert len(suite.prompts) == len({prompt.text for prompt in suite.prompts}) == 553
    counts = [sum(prompt.tags == (task,) for prompt in suite.prompts) for task in TASKS]
    assert counts == [80, 99, 80, 94, 100, 100]
    assert suite.prompts[180].id == "geneval/0180"
    assert suite.digest == load_benchmark("geneval").suite("official", offline=True).digest


def test_rewritten_prompts_keep_the_official_text_and_clauses(mirror: Path) -> None:
    suite = load_benchmark("geneval").suite("rewritten", mirror=mirror, offline=True)
    assert [(p.id, p.text, p.reference) for p in suite.prompts] == [(p.id, p.text, p.reference) for p in prompts()]
    assert all(len(prompt.sampling_text) > 2 * len(prompt.text) for prompt in suite.prompts)


def test_there_is_no_other_variant() -> None:
    with pytest.raises(UsageError, match="unknown variant of geneval 'orignal'"):
        load_benchmark("geneval").suite("orignal")


@pytest.mark.parametrize(
    ("task", "arguments", "text"),
    [
        ("single_object", ("umbrella",), "a photo of an umbrella"),
        ("single_object", ("skis",), "a photo of a skis"),
        ("counting", ("toothbrush", 4), "a photo of four toothbrushs"),
        ("counting", ("bus", 2), "a photo of two buses"),
        ("counting", ("sheep", 3), "a photo of three sheeps"),
        ("colors", ("apple", "orange"), "a photo of an orange apple"),
        ("position", ("dog", "left of", "tie"), "a photo of a dog left of a tie"),
        ("color_attr", ("red", "cup", "orange", "orange"), "a photo of a red cup and an orange orange"),
    ],
)
def test_the_official_english_is_kept(task: str, arguments: tuple[object, ...], text: str) -> None:
    assert TEMPLATES[task](*arguments)["prompt"] == text


def test_the_target_of_a_position_stands_first() -> None:
    made = TEMPLATES["position"]("dog", "above", "tie")
    assert made["include"] == [{"class": "tie", "count": 1}, {"class": "dog", "count": 1, "position": ["above", 0]}]


def test_no_person_is_asked_for_a_color_and_every_color_is_official() -> None:
    clauses = [(p.tags[0], clause) for p in prompts() for clause in p.reference["include"]]
    colored = [clause for _, clause in clauses if "color" in clause]
    assert {clause["color"] for clause in colored} == set(COLORS)
    assert "person" not in {clause["class"] for clause in colored}
    assert {clause["class"] for _, clause in clauses} <= set(OBJECTS)
