"""T2I-CompBench's rules as published, each defect by name, and what its repair changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from nova_eval.adapters.rule import Rule
from nova_eval.adapters.t2i_compbench import T2ICompBench
from nova_eval.adapters.t2i_compbench.attributes import model_text, questions
from nova_eval.adapters.t2i_compbench.frames import official_depth, official_frame, official_size
from nova_eval.adapters.t2i_compbench.names import numeracy_number, official_name, prompt_of, running_number
from nova_eval.adapters.t2i_compbench.numeracy import UnreadablePrompt, distinct, read_counts
from nova_eval.adapters.t2i_compbench.parses import Parse, Parses, Token
from nova_eval.adapters.t2i_compbench.positions import position_2d, position_3d
from nova_eval.adapters.t2i_compbench.spatial import complex_objects
from nova_eval.adapters.t2i_compbench.vocabulary import PLURALS, SINGULARS
from nova_eval.engines.questions import scores_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.protocols import Detection
from nova_eval.records import Prompt


def rule(name: str, parses: Parses | None = None, scoring: str = "official") -> Rule:
    return next(r for r in T2ICompBench(parses or Parses()).scorers(scoring) if r.name == name)  # type: ignore[return-value]


def read(text: str, phrases: Sequence[str] = (), nouns: Sequence[str] = ()) -> Parses:
    tokens = tuple(Token(word, "NOUN" if word in nouns else "X") for word in text.split())
    return Parses({text: Parse(tokens, tuple(phrases))}, "test")


def box(label: str, score: float, *corners: float) -> Detection:
    x0, y0, x1, y1 = corners or (10, 10, 60, 60)
    return Detection(label, (x0, y0, x1, y1), score)


class TestAttributes:
    PARSES = read("a red cup and a book", ["a red cup", "a book"])

    def test_probabilities_are_multiplied_and_rounded_twice(self, make_item, judge) -> None:
        eye = judge(probability_of_yes=np.array([[0.33344, 0.66674]], np.float32))
        (row,) = scores_of(rule("color", self.PARSES), [make_item(1, "a red cup and a book")], eye)
        assert row.value == float(f"{np.float32(0.3334) * np.float32(0.6667):.4f}") == 0.2223
        ((frames, asked),) = eye.asked
        assert (frames.shape, asked) == ((1, 4, 4, 3), ("a red cup?", "a book?"))
        (exact,) = scores_of(rule("color", self.PARSES, "corrected"), [make_item(1, "a red cup and a book")], eye)
        assert exact.value == pytest.approx(0.33344 * 0.66674, abs=1e-7)

    def test_a_prompt_without_phrases_is_a_full_score_or_left_out(self, make_item, judge) -> None:
        parses = read("running fast")
        (row,) = scores_of(rule("shape", parses), [make_item(1, "running fast")], judge())
        assert (row.value, row.weight) == (1.0, 1.0)
        (row,) = scores_of(rule("shape", parses, "corrected"), [make_item(1, "running fast")], judge())
        assert (row.value, row.weight) == (None, 0.0)

    def test_phrases_that_name_a_place_are_skipped_by_exact_text_and_the_ninth_is_not_asked(self) -> None:
        assert questions(["top", "the side", "the left", "the right", "the top", "Top"]) == ["the top?", "Top?"]
        assert questions(list("abcdefghij")) == [f"{letter}?" for letter in "abcdefgh"]
        assert len(questions(list("abcdefghij"), None)) == 10

    def test_the_judge_reads_plain_lower_case(self) -> None:
        assert model_text('A "Big" (red) cat!?  ') == "a big red cat?"
        assert len(model_text(" ".join(["x"] * 60)).split()) == 50

    def test_a_prompt_may_bring_its_own_reading(self, make_item, judge) -> None:
        parse = {"tokens": [["a", "DET"], ["star", "NOUN"]], "noun_phrases": ["a star"]}
        asked = judge(probability_of_yes=[[0.5]])
        (row,) = scores_of(rule("shape"), [make_item(1, "a star", {"parse": parse})], asked)
        assert (row.value, asked.asked[0][1]) == (0.5, ("a star?",))
        with pytest.raises(UsageError, match="that the prompt test/0000 brings: noun_phrases is missing"):
            scores_of(rule("shape"), [make_item(1, "a star", {"parse": {"tokens": []}})], asked)

    def test_without_a_table_the_reason_says_how_to_get_one(self, make_item, judge) -> None:
        with pytest.raises(PrerequisiteError, match=r"no table of parsed prompts.*parses"):
            scores_of(rule("texture"), [make_item(1, "a cup")], judge())

    def test_a_prompt_of_ones_own_is_told_to_bring_it(self) -> None:
        known = Parses({"a cup": Parse(noun_phrases=("a cup",))})
        assert known.of_prompt(Prompt("custom/0000", "a cup")) is known.by_text["a cup"]
        for parses in (known, Parses()):
            with pytest.raises(PrerequisiteError, match="the prompt brings no 'parse', and is no official one"):
                parses.of_prompt(Prompt("custom/0000", "a pot"))


class Eye:
    """Answers every frame by its bytes, and counts how often it is asked."""

    name, digest, input_size = "eye", "eye", None

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def _of(self, method: str, frames: np.ndarray) -> list[np.random.Generator]:
        self.calls.append((method, len(frames)))
        return [np.random.default_rng(np.frombuffer(frame.tobytes(), np.uint8).astype(np.uint32)) for frame in frames]

    def probability_of_yes(self, frames: np.ndarray, asked: Sequence[str]) -> np.ndarray:
        return np.stack([g.random(len(asked), dtype=np.float32) for g in self._of("probability_of_yes", frames)])

    def image_text_similarity(self, frames: np.ndarray, text: str) -> np.ndarray:
        return np.array([g.random(dtype=np.float32) for g in self._of("image_text_similarity", frames)])

    def depth(self, frames: np.ndarray) -> np.ndarray:
        return np.stack([g.random(frames.shape[1:3], dtype=np.float32) for g in self._of("depth", frames)])

    def detect(self, frames: np.ndarray) -> list[list[Detection]]:
        corners = [g.random((4, 2)) * 100 for g in self._of("detect", frames)]
        return [
            [box(label, 0.5 + x / 256, x, y, x + 30, y + 30) for label, (x, y) in zip(("dog", "cat") * 2, c)]  # noqa: B905
            for c in corners
        ]


class TestImagesAreAskedAboutTogether:
    TEXT = "a dog on the left of a cat"
    ASKED: ClassVar = {
        **dict.fromkeys(("color", "shape", "texture", "complex_attribute"), ("probability_of_yes",)),
        **dict.fromkeys(("spatial_2d", "complex_spatial", "numeracy"), ("detect",)),
        **dict.fromkeys(("non_spatial", "complex_action"), ("image_text_similarity",)),
        "spatial_3d": ("depth", "detect"),
    }

    @pytest.mark.parametrize("scoring", ["official", "corrected"])
    @pytest.mark.parametrize("name", ASKED)
    def test_and_every_row_is_that_of_an_image_alone(self, name: str, scoring: str, make_item) -> None:
        tokens = [Token(word, "NOUN" if word in ("dog", "cat") else "X") for word in self.TEXT.split()]
        parses = Parses({self.TEXT: Parse(tuple(tokens), tuple("abcdefghij"))}, "test")
        images = np.random.default_rng(0).integers(0, 256, (3, 1, 40, 52, 3), dtype=np.uint8)
        items = [make_item(image, self.TEXT, index=number) for number, image in enumerate(images)]
        items.append(make_item(images[0][:, :32], self.TEXT, index=3))  # of another size
        chosen, eye = rule(name, parses, scoring), Eye()
        alone = [row for item in items for row in scores_of(chosen, [item], Eye())]
        assert scores_of(chosen, items, eye) == alone
        assert all(row.value is not None for row in alone)
        assert set(eye.calls) == {(method, count) for method in self.ASKED[name] for count in (3, 1)}

    def test_an_image_that_nothing_is_asked_about_is_not_looked_at(self, make_item) -> None:
        eye, items = Eye(), [make_item(1, "running fast", index=number) for number in range(2)]
        for name in ("color", "spatial_2d", "complex_spatial"):
            assert len(scores_of(rule(name, read("running fast")), items, eye)) == 2
        assert eye.calls == []


class TestPlaces:
    TEXT = "a dog on the left of a cat"
    PARSES = read(TEXT, nouns=("dog", "cat"))

    def value(self, make_item, judge, found: Sequence[Detection], scoring: str = "official", text: str = TEXT) -> float:
        words = text.split()
        parses = read(text, nouns=(words[1], words[-1]))
        chosen = rule("spatial_2d", parses, scoring).with_settings(resized=False)
        (row,) = scores_of(chosen, [make_item(1, text)], judge(detect=[list(found)]))
        assert row.value is not None
        return row.value

    def test_scores_and_place_are_added(self, make_item, judge) -> None:
        found = [box("dog", 0.5, 0, 0, 40, 40), box("cat", 0.25, 200, 0, 240, 40)]
        assert self.value(make_item, judge, found) == 0.25 * 0.75 + 0.5

    def test_what_is_below_half_is_nothing(self, make_item, judge) -> None:
        assert self.value(make_item, judge, [box("dog", 0.9)]) == 0
        assert self.value(make_item, judge, [box("dog", 0.9)], "corrected") == pytest.approx(0.225, abs=1e-7)

    def test_labels_must_be_equal_or_names_of_a_merged_label(self, make_item, judge) -> None:
        text = "a table next to a girl"
        found = [box("table, desk", 1.0), box("girl", 1.0, 50, 10, 90, 60)]
        assert self.value(make_item, judge, found, text=text) == 0
        assert self.value(make_item, judge, found, "corrected", text) == 1.0

    def test_one_detection_is_two_people_or_one(self, make_item, judge) -> None:
        text = "a boy next to a girl"
        assert self.value(make_item, judge, [box("person", 1.0)], text=text) == 1.0
        assert self.value(make_item, judge, [box("person", 1.0)], "corrected", text) == 0.25

    def test_corrected_takes_the_surest_two(self, make_item, judge) -> None:
        found = [box("dog", 0.5, 300, 0, 340, 40), box("dog", 0.75, 0, 0, 40, 40), box("cat", 0.5, 100, 0, 140, 40)]
        assert self.value(make_item, judge, found) == 0
        assert self.value(make_item, judge, found, "corrected") == 0.25 * 1.25 + 0.5

    def test_corrected_reads_the_sentence_and_needs_no_table(self, make_item, judge) -> None:
        chosen = rule("spatial_2d", None, "corrected").with_settings(resized=False)
        (row,) = scores_of(chosen, [make_item(1, self.TEXT)], judge(detect=[[]]))
        assert row.value == 0
        assert row.detail["objects"] == ["dog", "cat"]
        (row,) = scores_of(chosen, [make_item(1, "cats and dogs")], judge(detect=[[]]))
        assert row.reason == "no noun was read in the prompt"

    def test_two_points_have_no_overlap(self, make_item, judge) -> None:
        found = [box("dog", 1.0, 5, 5, 5, 5), box("cat", 1.0, 5, 5, 5, 5)]
        (row,) = scores_of(rule("spatial_2d", self.PARSES), [make_item(1, self.TEXT)], judge(detect=[found]))
        assert row.value is None
        assert "without area" in row.reason

    @pytest.mark.parametrize(
        ("relation", "a", "b", "expected"),
        [
            ("on the left of", (10, 10, 110, 110), (200, 20, 300, 120), 1.0),
            ("on the left of", (10, 10, 110, 110), (60, 20, 160, 120), 0.344444),
            ("on the right of", (10, 10, 110, 110), (200, 20, 300, 120), 0.0),
            ("on the top of", (10, 10, 110, 110), (20, 150, 120, 250), 1.0),
            ("on top of", (10, 10, 110, 110), (20, 150, 120, 250), 0.0),
            ("near", (0, 0, 50, 50), (400, 10, 450, 60), 1.0),
            ("near", (0, 0, 50, 50), (400, 300, 450, 350), 0.375),
            ("on the left of", (0, 0, 100, 100), (100, 100, 200, 200), 0.0),
        ],
    )
    def test_positions(self, relation: str, a: tuple[int, ...], b: tuple[int, ...], expected: float) -> None:
        assert position_2d(relation, a, b) == pytest.approx(expected, abs=1e-6)

    def test_repaired_positions(self) -> None:
        on_top = ((10, 10, 110, 110), (20, 150, 120, 250))
        assert position_2d("on top of", *on_top, on_top_of_never_holds=False) == 1.0
        assert position_2d("near", (0, 0, 50, 50), (400, 10, 450, 60), near_on_one_axis_is_near=False) == 0.375


class TestDepth:
    LEFT, RIGHT = (50, 100, 250, 300), (120, 100, 320, 300)

    def nearer(self, axis: int) -> np.ndarray:
        depth = np.zeros((479, 479), np.float32)
        depth[(slice(None), slice(0, 200)) if axis else slice(0, 200)] = 1
        return depth

    def test_the_map_is_cut_mirrored_at_the_diagonal(self) -> None:
        assert position_3d("in front of", self.LEFT, self.RIGHT, self.nearer(1)) == 0
        assert position_3d("in front of", self.LEFT, self.RIGHT, self.nearer(0)) == pytest.approx(0.962963, abs=1e-6)
        repaired = position_3d("in front of", self.LEFT, self.RIGHT, self.nearer(1), columns_first=False)
        assert repaired == pytest.approx(0.962963, abs=1e-6)

    def test_boxes_must_overlap_and_a_region_beyond_the_map_decides_nothing(self) -> None:
        assert position_3d("in front of", (0, 0, 100, 100), (200, 200, 300, 300), self.nearer(0)) == 0
        wide = np.ones((100, 479), np.float32)
        assert position_3d("behind", (300, 0, 400, 90), (310, 0, 410, 90), wide) == 0

    def test_a_name_within_a_label_matches_and_the_last_match_counts(self, make_item, judge) -> None:
        text = "a cat behind a desk"
        found = [
            box("caterpillar", 0.5, 0, 0, 10, 10),
            box("cat", 1.0, 100, 100, 300, 300),
            box("table, desk", 1.0, 130, 120, 330, 310),
        ]
        depth = np.tile(np.linspace(0, 1, 479, dtype=np.float32), (479, 1))
        eye = judge(detect=[found], depth=depth[None])
        parses = read(text, nouns=("cat", "desk"))
        (row,) = scores_of(rule("spatial_3d", parses).with_settings(resized=False), [make_item(1, text)], eye)
        assert row.value == 1.0
        assert row.detail["boxes"][0] == [100, 100, 300, 300]
        (row,) = scores_of(
            rule("spatial_3d", parses).with_settings(resized=False),
            [make_item(1, text)],
            judge(detect=[found[:1]], depth=depth[None]),
        )
        assert row.value == 0.125

    def test_depth_is_kept_in_eight_bits_at_the_detector_s_size(self) -> None:
        depth = official_depth(np.linspace(0, 1, 100 * 100, dtype=np.float32).reshape(100, 100))
        assert depth.shape == (479, 479)
        assert np.array_equal(np.round(depth * 255), depth * np.float32(255))


class TestFrames:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [((512, 512), (479, 479)), ((1024, 768), (480, 360)), ((320, 479), (320, 480)), ((479, 479), (479, 479))],
    )
    def test_the_official_size(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        assert official_size(*size) == expected
        assert official_frame(np.zeros((*size, 3), np.uint8)).shape == (*expected, 3)


class TestNumeracy:
    def test_every_object_has_one_plural(self) -> None:
        assert len(PLURALS) == len(SINGULARS) == 88

    @pytest.mark.parametrize(
        ("text", "names", "numbers"),
        [
            ("two dogs and a cat", ["dog", "cat"], [2, 1]),
            ("one fish, eight sheep", ["fish", "sheep"], [1, 8]),
            ("one dogs", ["dog"], [1]),
            ("Two dogs and three cats", ["cat"], [3]),
            ("a dogs and two chairs", ["dog", "chair"], [2]),
            ("two unicorns and four people", ["person"], [4]),
        ],
    )
    def test_prompts_are_read_as_officially(self, text: str, names: list[str], numbers: list[int]) -> None:
        assert read_counts(text) == (names, numbers)

    @pytest.mark.parametrize("text", ["nine dogs", "two dog", "dogs two", ""])
    def test_what_cannot_be_read_is_unscored(self, text: str, make_item, judge) -> None:
        with pytest.raises(UnreadablePrompt):
            read_counts(text)
        (row,) = scores_of(rule("numeracy"), [make_item(1, text)], judge(detect=[[]]))
        assert row.value is None
        assert row.reason

    def score(self, make_item, judge, text: str, labels: Sequence[str], scoring: str = "official") -> float | None:
        found = [box(label, 0.9, 70 * place, 0, 70 * place + 50, 50) for place, label in enumerate(labels)]
        (row,) = scores_of(rule("numeracy", None, scoring), [make_item(1, text)], judge(detect=[found]))
        return row.value

    def test_half_for_being_there_half_for_the_number(self, make_item, judge) -> None:
        assert self.score(make_item, judge, "two dogs and four cats", ["dog", "dog", "cat"]) == 0.75

    def test_a_prompt_may_name_further_objects(self, make_item, judge) -> None:
        found = [[box("star", 0.9, 0, 0, 9, 9), box("star", 0.8, 20, 0, 29, 9), box("ring", 0.7, 40, 0, 49, 9)]]
        item = make_item(1, "two stars and two rings", {"plurals": {"star": "stars", "ring": "rings"}}, size=(64, 64))
        (row,) = scores_of(rule("numeracy"), [item], judge(detect=found))
        assert row.value == 0.75
        assert row.detail == {"asked": ["star", "ring"], "numbers": [2, 2], "found": [2, 1]}

    def test_a_pen_is_found_in_a_penguin(self, make_item, judge) -> None:
        assert self.score(make_item, judge, "one pen", ["penguin"]) == 1.0
        assert self.score(make_item, judge, "one pen", ["penguin"], "corrected") == 0.0
        assert self.score(make_item, judge, "one painting", ["picture, frame"], "corrected") == 1.0

    def test_a_renamed_label_is_gone_for_later_objects(self, make_item, judge) -> None:
        assert self.score(make_item, judge, "one car and one cart", ["cart"]) == 1.0
        assert self.score(make_item, judge, "one cat and one bear", ["cat bear"]) == 0.5

    def test_boxes_that_cover_each_other_are_one_object(self) -> None:
        found = [box("dog", 1, 0, 0, 99, 99), box("dog", 1, 10, 10, 40, 40), box("cat", 1, 0, 0, 99, 99)]
        assert distinct([*found, box("dog", 1, 20, 0, 119, 99)]) == [found[0], found[2], box("dog", 1, 20, 0, 119, 99)]


class TestComplex:
    def tokens(self, text: str) -> list[Token]:
        return [Token(*word.split("/")) for word in text.split()]

    @pytest.mark.parametrize(
        ("text", "objects"),
        [
            ("The/X red/ADJ cat/NOUN is/X near/X the/X pillow/NOUN", ["cat", "pillow"]),
            ("Tom/PROPN near/X big/PROPN Ben/PROPN ./X", ["Tom", "Ben"]),
            ("cat/NOUN near/X", ["cat"]),
            ("cat/NOUN near/X dog/NOUN next/X to/X cow/NOUN", ["cat", "dog", "dog", "cow"]),
            ("cat/NOUN inside/X box/NOUN", []),
        ],
    )
    def test_objects_around_prepositions(self, text: str, objects: list[str]) -> None:
        assert complex_objects(self.tokens(text)) == objects

    def test_without_two_objects_the_judge_is_not_asked(self, make_item, judge) -> None:
        parses = Parses({"cat near": Parse((Token("cat", "NOUN"), Token("near", "ADP")))})
        eye = judge(detect=[[]])
        (row,) = scores_of(rule("complex_spatial", parses), [make_item(1, "cat near")], eye)
        assert (row.value, eye.asked) == (0.0, [])

    def test_actions_are_compared_without_adjectives(self, make_item, judge) -> None:
        text = "A big dog runs."
        tokens = (
            Token("A", "DET"),
            Token("big", "ADJ"),
            Token("dog", "NOUN"),
            Token("runs", "VERB"),
            Token(".", "PUNCT"),
        )
        eye = judge(image_text_similarity=np.array([0.25]))
        (row,) = scores_of(rule("complex_action", Parses({text: Parse(tokens)})), [make_item(1, text)], eye)
        assert (row.value, eye.asked[0][1]) == (0.25, "A dog runs .")
        (row,) = scores_of(rule("non_spatial"), [make_item(1, text)], eye)
        assert eye.asked[1][1] == text


class TestNames:
    def test_official_names_and_how_scripts_read_them(self) -> None:
        assert official_name("a red cup", 1, 2) == "a red cup_000012.png"
        assert (prompt_of("a red cup_000012.png"), running_number("x/a red cup_000012.png")) == ("a red cup", 12)
        assert running_number("snake_case word_000003.png") == numeracy_number("snake_3_x.png") == 3
        with pytest.raises(ValueError, match="invalid literal"):
            numeracy_number("snake_case word_000003.png")
        with pytest.raises(UsageError, match="underscore or a slash"):
            official_name("snake_case", 0, 0)


def test_versions_name_the_readings_they_rest_on() -> None:
    def versions(parses: Parses, scoring: str) -> dict[str, str]:
        return {r.name: r.version for r in T2ICompBench(parses).scorers(scoring)}

    first, second = versions(read("a", ["a"]), "official"), versions(read("a", ["b"]), "official")
    assert first["color"] != second["color"]
    assert (first["numeracy"], first["non_spatial"]) == (second["numeracy"], second["non_spatial"]) == ("1", "1")
    corrected = versions(read("a", ["a"]), "corrected")
    assert {name for name in first if first[name] == corrected[name]} == {"non_spatial", "complex_action"}
