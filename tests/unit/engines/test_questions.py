"""Questions of several items: put together where that is one question, each answer to who asked, each error its own."""

from __future__ import annotations

import gc
import weakref
from typing import Any, ClassVar

import numpy as np
import pytest

from nova_eval import environment
from nova_eval.adapters.rule import Rule, ask, ask_each_frame, first_frame, scored
from nova_eval.engines.questions import OutOfMemory, outcomes_of, rows_of, scores_of, wanted_size
from nova_eval.media import Clip
from nova_eval.protocols import (
    AestheticModel,
    Asking,
    ColorClassifier,
    Detector,
    ImageTextModel,
    Item,
    OpticalFlow,
    Question,
)
from nova_eval.records import Prompt, Sample, SampleKey, Score


def item(shade: int, frames: int = 2, size: tuple[int, int] = (4, 4), text: str = "") -> Item:
    clip = Clip(np.full((frames, *size, 3), shade, np.uint8), 8.0)
    key = SampleKey(f"test/{shade:04}", 0)
    return Item(Prompt(key.prompt_id, text), Sample(key, 0, "", "", 0, size[1], size[0], frames, 8.0, 0.0), clip)


class Judge:
    """Answers with shades; one above 200 is too much for it."""

    name, digest = "shades", "shades"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def to(self, device: str) -> Judge:
        return self

    def _shades(self, frames: np.ndarray) -> np.ndarray:
        if (frames > 200).any():
            raise RuntimeError("too bright")
        return frames[:, 0, 0, 0].astype(np.float32)

    def aesthetic(self, frames: np.ndarray) -> np.ndarray:
        self.asked.append(("aesthetic", len(frames)))
        return self._shades(frames)

    def image_text_similarity(self, frames: np.ndarray, text: str) -> np.ndarray:
        self.asked.append(("image_text_similarity", len(frames), text))
        return self._shades(frames)

    def detect(self, frames: np.ndarray) -> list[list[str]]:
        self.asked.append(("detect", len(frames)))
        return [[f"shade {shade:.0f}"] for shade in self._shades(frames)]

    def colors(self, frame: np.ndarray, objects: list[str]) -> list[str]:
        self.asked.append(("colors", *objects))
        return ["red" for _ in objects]

    def flow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        self.asked.append(("flow", len(first)))
        return np.zeros((len(first), 2, 2, 2), np.float32) + first[0, 0, 0, 0]


def rated(item: Item) -> Asking[Score]:
    ratings = yield from ask_each_frame(item.clip, AestheticModel.aesthetic)
    return scored(item, "rated", float(np.mean(ratings)), detail={"ratings": [float(r) for r in ratings]})


def alike(item: Item) -> Asking[Score]:
    similarity = ImageTextModel.image_text_similarity
    (value,) = yield from ask(similarity, first_frame(item), item.prompt.text, joined=True)
    return scored(item, "alike", float(value))


def two_steps(item: Item) -> Asking[Score]:
    """Asks the second question of bright items only, and the third of none that is found dark."""
    (rating,) = yield from ask(AestheticModel.aesthetic, first_frame(item), joined=True)
    if rating < 50:
        return scored(item, "two", 0.0)
    (found,) = yield from ask(Detector.detect, first_frame(item), joined=True)
    colors = yield from ask(ColorClassifier.colors, item.clip.frames[0], found)
    return scored(item, "two", float(rating), detail={"found": found, "colors": colors})


def forgiving(item: Item) -> Asking[Score]:
    try:
        found = yield from ask(Detector.detect, item.clip.frames)
    except RuntimeError as error:
        return scored(item, "forgiving", 0.0, detail={"error": str(error)})
    return scored(item, "forgiving", float(len(found)))


def motion(item: Item) -> Asking[Score]:
    """Stops at the first pair that moves."""
    for t in range(len(item.clip) - 1):
        flow = yield from ask(OpticalFlow.flow, item.clip.frames[t : t + 1], item.clip.frames[t + 1 : t + 2])
        if flow.max() > 10:
            break
    return scored(item, "motion", float(t))


def pixels(item: Item) -> Score:
    return scored(item, "pixels", float(item.clip.frames.mean()))


def values(scores: list[Score]) -> list[float | None]:
    return [score.value for score in scores]


class TestTogether:
    def test_every_frame_s_answer_goes_to_the_item_that_asked(self) -> None:
        judge, items = Judge(), [item(10, 2), item(20, 3), item(30, 1)]
        scores = scores_of(Rule("rated", "r", rated), items, judge)
        assert values(scores) == [10, 20, 30]
        assert [len(score.detail["ratings"]) for score in scores] == [2, 3, 1]
        assert judge.asked == [("aesthetic", 6)]

    def test_frames_of_another_size_are_another_question(self) -> None:
        judge, items = Judge(), [item(10), item(20, size=(8, 4)), item(30)]
        assert values(scores_of(Rule("rated", "r", rated), items, judge)) == [10, 20, 30]
        assert judge.asked == [("aesthetic", 4), ("aesthetic", 2)]

    def test_another_text_is_another_question(self) -> None:
        judge = Judge()
        items = [item(10, text="a"), item(20, text="b"), item(30, text="a")]
        assert values(scores_of(Rule("alike", "a", alike), items, judge)) == [10, 20, 30]
        assert judge.asked == [("image_text_similarity", 2, "a"), ("image_text_similarity", 1, "b")]

    def test_a_later_question_is_joined_among_those_who_ask_it(self) -> None:
        judge, items = Judge(), [item(60), item(10), item(70), item(80)]
        scores = scores_of(Rule("two", "t", two_steps), items, judge)
        assert values(scores) == [60, 0, 70, 80]
        assert [score.detail.get("found") for score in scores] == [["shade 60"], None, ["shade 70"], ["shade 80"]]
        assert judge.asked[:2] == [("aesthetic", 4), ("detect", 3)]
        assert judge.asked[2:] == [("colors", "shade 60"), ("colors", "shade 70"), ("colors", "shade 80")]

    def test_questions_that_are_not_joined_are_put_one_by_one_until_the_rule_knows(self) -> None:
        judge, items = Judge(), [item(5, 4), item(50, 4)]
        assert values(scores_of(Rule("motion", "m", motion), items, judge)) == [2, 0]
        assert judge.asked == [("flow", 1)] * 4

    def test_a_rule_without_questions_needs_no_judge(self) -> None:
        assert values(scores_of(Rule("pixels", None, pixels), [item(10), item(20)], None)) == [10, 20]

    def test_no_item_is_no_question(self) -> None:
        judge = Judge()
        assert outcomes_of(Rule("rated", "r", rated), [], judge) == []
        assert judge.asked == []


class TestErrors:
    def test_who_is_at_fault_is_found_by_asking_one_by_one(self) -> None:
        judge, items = Judge(), [item(10), item(250), item(30)]
        before, error, after = outcomes_of(Rule("rated", "r", rated), items, judge)
        assert isinstance(before, Score)
        assert isinstance(after, Score)
        assert (before.value, after.value) == (10, 30)
        assert isinstance(error, RuntimeError)
        assert judge.asked == [("aesthetic", 6), ("aesthetic", 2), ("aesthetic", 2), ("aesthetic", 2)]

    def test_the_rule_itself_may_fail_on_one_item(self) -> None:
        def fails(item: Item) -> Score:
            return scored(item, "fails", 1 / (item.clip.frames[0, 0, 0, 0] - 10.0 or 0))

        good, error = outcomes_of(Rule("fails", None, fails), [item(20), item(10)], None)
        assert isinstance(good, Score)
        assert isinstance(error, ZeroDivisionError)

    def test_a_rule_may_catch_what_the_judge_raises(self) -> None:
        scores = scores_of(Rule("forgiving", "f", forgiving), [item(10), item(250)], Judge())
        assert values(scores) == [2, 0]
        assert scores[1].detail == {"error": "too bright"}

    def test_an_answer_with_too_few_parts_is_not_divided(self) -> None:
        class Short(Judge):
            def aesthetic(self, frames: np.ndarray) -> np.ndarray:
                return super().aesthetic(frames)[:3]

        assert values(scores_of(Rule("rated", "r", rated), [item(10), item(20)], Short())) == [10, 20]

    def test_what_the_judge_held_when_it_failed_is_free_before_the_next_question(self) -> None:
        class Memory:
            pass

        class Hungry(Judge):
            held: ClassVar[list[weakref.ref[Memory]]] = []
            alive: ClassVar[list[int]] = []

            def aesthetic(self, frames: np.ndarray) -> np.ndarray:
                self.alive.append(sum(reference() is not None for reference in self.held))
                memory = Memory()
                self.held.append(weakref.ref(memory))
                return super().aesthetic(frames)

        gc.disable()
        try:
            errors = outcomes_of(Rule("rated", "r", rated), [item(250), item(250), item(250)], Hungry())
        finally:
            gc.enable()
        assert [type(error) for error in errors] == [RuntimeError] * 3
        assert Hungry.alive == [0, 0, 0, 0]

    def test_scores_of_raises_the_first_error(self) -> None:
        with pytest.raises(RuntimeError, match="too bright"):
            scores_of(Rule("rated", "r", rated), [item(10), item(250)], Judge())

    def test_no_room_is_said_at_once_where_less_can_be_tried_and_is_a_reason_where_not(self) -> None:
        def full(item: Item) -> Score:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

        rule = Rule("full", None, full)
        with pytest.raises(OutOfMemory, match="full of 2 samples: RuntimeError: CUDA out of memory"):
            rows_of(rule, [item(1), item(2)], None, less=True)
        [row] = rows_of(rule, [item(1)], None)
        assert row.reason.startswith("RuntimeError: CUDA out of memory")

    def test_an_interrupt_is_no_error_of_an_item(self) -> None:
        class Interrupted(Judge):
            def aesthetic(self, frames: np.ndarray) -> np.ndarray:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            outcomes_of(Rule("rated", "r", rated), [item(10), item(20)], Interrupted())


class TestSize:
    def test_an_item_carries_the_size_that_the_judge_wants(self) -> None:
        def seen(item: Item) -> Score:
            return scored(item, "seen", 1.0, detail={"size": item.size})

        class Small(Judge):
            input_size = (2, 3)

        assert wanted_size(Small()) == (2, 3)
        assert wanted_size(Judge()) is wanted_size(None) is None
        for judge, size in ((Small(), (2, 3)), (Judge(), None)):
            (score,) = scores_of(Rule("seen", "s", seen), [item(10)], judge)
            assert score.detail == {"size": size}


def test_a_question_names_the_judge_s_method_and_its_arguments() -> None:
    frames = item(10).clip.frames
    question = next(ask(ImageTextModel.image_text_similarity, frames, "a text", joined=True))
    assert question == Question("image_text_similarity", (frames, "a text"), joined=True)


class TestOddAnswers:
    @pytest.mark.parametrize("answer", [None, np.zeros(1), np.zeros(5), [], 3.0, (rating for rating in (1.0, 2.0))])
    def test_a_judge_that_does_not_rate_every_frame_rates_none(self, answer: Any) -> None:
        """One rating for two frames would pass as the mean of both."""

        class Odd(Judge):
            def aesthetic(self, frames: np.ndarray) -> Any:
                return answer if (frames == 20).any() else self._shades(frames)

        before, error, after = outcomes_of(Rule("rated", "r", rated), [item(10), item(20), item(30)], Odd())
        assert isinstance(before, Score)
        assert isinstance(after, Score)
        assert (before.value, after.value) == (10, 30)
        assert isinstance(error, ValueError)
        assert "answers about 2 frames" in str(error)

    @pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), MemoryError(), RecursionError()])
    def test_whatever_a_judge_raises_is_of_one_item(self, error: BaseException) -> None:
        class Odd(Judge):
            def _shades(self, frames: np.ndarray) -> np.ndarray:
                if (frames == 20).any():
                    raise error
                return super()._shades(frames)

        for rule in (rated, two_steps, motion, forgiving):
            name = "two" if rule is two_steps else rule.__name__
            found = outcomes_of(Rule(name, "r", rule), [item(10), item(20), item(30)], Odd())
            assert isinstance(found[0], Score)
            assert isinstance(found[2], Score)
            if rule is rated:
                assert found[1] is error

    @pytest.mark.parametrize(
        "make",
        [
            lambda key: None,
            lambda key: 0.5,
            lambda key: Score(key, "odd", float("inf")),
            lambda key: Score(key, "odd", np.float32(1)),
            lambda key: Score(key, "odd", 1.0, weight=float("nan")),
            lambda key: Score(key, "odd", 1.0, detail={"x": float("nan")}),
            lambda key: Score(key, "odd", 1.0, detail={"x": np.zeros(2)}),
            lambda key: Score(key, "odd", 1.0, detail={"x": "\udce9"}),
            lambda key: Score(key, "another", 1.0),
            lambda key: Score(SampleKey("test/9999", 0), "odd", 1.0),
        ],
    )
    def test_what_no_row_can_hold_is_an_error_of_its_item(self, make: Any) -> None:
        def odd(item: Item) -> Any:
            return make(item.sample.key) if item.sample.key.prompt_id == "test/0020" else scored(item, "odd", 1.0)

        found = outcomes_of(Rule("odd", None, odd), [item(10), item(20), item(30)], None)
        assert [isinstance(one, Score) for one in found] == [True, False, True]


def test_a_judge_is_asked_in_full_float32_whatever_the_process_has_set() -> None:
    torch = pytest.importorskip("torch")
    seen = []

    class Looks(Judge):
        def aesthetic(self, frames: np.ndarray) -> np.ndarray:
            seen.append((torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32))
            return super().aesthetic(frames)

    def rule(item: Item) -> Asking[Score]:
        found = yield from ask(AestheticModel.aesthetic, item.clip.frames)
        return scored(item, "rule", float(found[0]))

    with environment.arithmetic(tf32=True):
        torch.backends.cuda.matmul.allow_tf32 = True
        assert scores_of(Rule("rule", "aesthetic", rule), [item(5)], Looks())[0].value == 5
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    assert seen == [(False, False)]
