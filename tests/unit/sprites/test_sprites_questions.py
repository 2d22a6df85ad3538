"""Questions are answered from the pixels: yes to what is shown, no to what is not, one line to what is no question."""

from __future__ import annotations

import numpy as np
import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.errors import UsageError
from nova_eval.sprites.grammar import parse
from nova_eval.sprites.judges import SpritesJudge, SpritesTextJudge
from nova_eval.sprites.renderer import render

JUDGE = SpritesJudge()


def shown(text: str, seed: int = 3, size: int = 64) -> np.ndarray:
    return render(parse(text), seed, frames=1, height=size, width=size)


PAIR = "a large red striped circle and a small blue square in a forest"
SIDES = "a green star on the left of a yellow heart"
MANY = "three purple rings"
PLACED = "a pink diamond at the top on a beach"


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (PAIR, "Is there a circle?", "Is there a star?"),
        (PAIR, "a red circle?", "a blue circle?"),
        (PAIR, "a red striped circle?", "a red dotted circle?"),
        (PAIR, "a forest?", "a beach?"),
        (PAIR, "Is the circle red?", "Is the square red?"),
        (PAIR, "is the circle striped?", "is the circle checked?"),
        (PAIR, "is the square plain?", "is the circle plain?"),
        (PAIR, "is the circle large?", "is the square large?"),
        (PAIR, "is the blue square small?", "is the red square small?"),
        (PAIR, "Is the scene in a forest?", "Is the scene in a city?"),
        (SIDES, "Is the star on the left of the heart?", "Is the heart on the left of the star?"),
        (SIDES, "is the heart on the right of the green star?", "is the heart on the top of the star?"),
        (SIDES, "is the green star on the left of the yellow heart?", "is the red star on the left of the heart?"),
        (MANY, "Are there three rings?", "Are there two rings?"),
        (MANY, "are there three purple rings?", "are there three white rings?"),
        (MANY, "Are the rings purple?", "Are the rings orange?"),
        (MANY, "Is there a ring?", "Are there four rings?"),
        (PLACED, "Is the diamond at the top?", "Is the diamond at the bottom?"),
        (PLACED, "is the scene on a beach?", "is the diamond in the middle?"),
        ("a red circle, neon style", "Is it in neon style?", "Is it in sepia style?"),
        ("a star underwater", "is the scene underwater?", "is the scene at sunset?"),
    ],
)
@pytest.mark.parametrize("size", [64, 160])
def test_yes_to_what_is_shown_and_no_to_what_is_not(text, right, wrong, size):
    frame = shown(text, size=size)
    assert JUDGE.answer(frame, [right, wrong]) == [["yes", "no"]]
    chances = JUDGE.probability_of_yes(frame, [right, wrong])
    assert chances.shape == (1, 2)
    assert chances[0, 0] > 0.9
    assert chances[0, 1] < 0.1


def test_the_suite_is_answered_yes_where_it_is_drawn_and_no_in_noise():
    rng = np.random.default_rng(4)
    drawn, noise = [], []
    for seed, prompt in enumerate(load_benchmark("dpg_bench").suite("sprites").prompts):
        asked = [row["question_natural_language"] for row in prompt.reference["questions"]]
        drawn += JUDGE.answer(shown(prompt.text, seed), asked)[0]
        noise += JUDGE.answer(rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8), asked)[0]
    assert set(drawn) | set(noise) == {"yes", "no"}
    assert np.mean([answer == "yes" for answer in drawn]) >= 0.98
    assert np.mean([answer == "yes" for answer in noise]) <= 0.01


def test_several_frames_and_no_question():
    frames = np.concatenate([shown(PAIR), shown(MANY)])
    assert JUDGE.answer(frames, ["a ring?", "a circle?"]) == [["no", "yes"], ["yes", "no"]]
    assert JUDGE.probability_of_yes(frames, []).shape == (2, 0)


@pytest.mark.parametrize(
    "question",
    ["what is this?", "is the circle happy?", "is the dog red?", "is the scene on the moon?", "", "two star?"],
)
def test_what_is_no_question_of_the_language_is_named(question):
    with pytest.raises(UsageError, match=r"cannot read the question .*; it knows questions such as") as caught:
        JUDGE.answer(shown(PAIR), [question])
    assert repr(question) in str(caught.value)


def test_the_share_of_a_sentence_ends_at_one():
    judge, frame = SpritesTextJudge(), shown(PLACED)
    assert judge.image_text_similarity(frame, PLACED)[0] == pytest.approx(1.0, abs=0.01)
    assert judge.image_text_similarity(frame, "a blue diamond on a beach")[0] == pytest.approx(2 / 3, abs=0.01)
    assert judge.image_text_similarity(frame, "two white people in a city")[0] == 0
