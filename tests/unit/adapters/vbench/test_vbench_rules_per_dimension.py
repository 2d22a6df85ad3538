"""Each rule computes what its dimension says, and a clip beyond its reach is unscored with the reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from nova_eval.adapters.vbench import CORRECTED, OFFICIAL
from nova_eval.adapters.vbench.action import top_indices
from nova_eval.adapters.vbench.flow import (
    dynamic_need,
    dynamic_threshold,
    static_allowance,
    static_threshold,
    stride,
    strongest_motion,
)
from nova_eval.adapters.vbench.frames import auxiliary, middle_indices
from nova_eval.engines.questions import scores_of
from nova_eval.errors import MediaError
from nova_eval.records import Prompt, Score

RULES = {rule.name: rule for rule in OFFICIAL}
REPAIRED = {rule.name: rule for rule in CORRECTED}


def only(name: str, item: Any, judge: Any, rules: Any = RULES) -> Score:
    (row,) = scores_of(rules[name], [item], judge)
    return row


class TestFrames:
    @pytest.mark.parametrize(
        ("wanted", "length", "indices"),
        [
            (8, 16, list(range(0, 15, 2))),
            (8, 49, [2, 8, 14, 20, 26, 32, 38, 45]),
            (16, 49, list(range(1, 47, 3))),
            (16, 8, [*range(8), *[7] * 8]),
            (16, 17, list(range(16))),
            (16, 1, [0] * 16),
            (8, 8, list(range(8))),
        ],
    )
    def test_the_middle_of_each_part(self, wanted: int, length: int, indices: list[int]) -> None:
        assert middle_indices(wanted, length) == indices

    def test_a_clip_without_frames_has_no_middle(self) -> None:
        with pytest.raises(MediaError):
            middle_indices(16, 0)

    def test_sixteen_frames_are_looked_at_and_eight_by_the_video_text_model(self, make_item: Any, judge: Any) -> None:
        asked = judge(detect=lambda frames: [[] for _ in frames], video_text_similarity=0.25)
        only("object_class", make_item(49, reference={"object": "dog"}), asked)
        only("temporal_style", make_item(49, text="a style"), asked)
        (detected,), (compared, text) = asked.asked
        assert detected[:, 0, 0, 0].tolist() == list(range(1, 47, 3))
        assert compared[:, 0, 0, 0].tolist() == [2, 8, 14, 20, 26, 32, 38, 45]
        assert text == "a style"


class TestReference:
    @pytest.mark.parametrize(
        ("dimension", "field", "reference", "found"),
        [
            ("object_class", "object", {"object": "dog"}, "dog"),
            ("object_class", "object", {"object_class": {"object": "dog"}}, "dog"),
            ("color", None, {"color": "red"}, "red"),
            ("color", None, {"color": {"color": "red"}}, "red"),
            ("scene", None, {"scene": {"scene": "alley"}}, "alley"),
            ("scene", None, {"scene": {"scene": {"scene": "alley"}}}, "alley"),
            ("appearance_style", None, {"appearance_style": {"appearance_style": "pixel art"}}, "pixel art"),
            ("spatial_relationship", "object_a", {"spatial_relationship": {"object_a": "cup"}}, "cup"),
            (
                "spatial_relationship",
                "object_a",
                {"spatial_relationship": {"spatial_relationship": {"object_a": "cup"}}},
                "cup",
            ),
            ("scene", None, {}, None),
            ("color", None, {"color": {"shade": "red"}}, None),
            ("object_class", "object", {"object_class": "dog"}, None),
        ],
    )
    def test_both_nestings_are_read(self, dimension: str, field: str | None, reference: Any, found: str | None) -> None:
        assert auxiliary(Prompt("a/0", "", (), reference), dimension, field) == found

    @pytest.mark.parametrize(
        "name", ["object_class", "multiple_objects", "color", "spatial_relationship", "scene", "appearance_style"]
    )
    def test_a_prompt_that_lacks_it_is_unscored(self, name: str, make_item: Any, judge: Any) -> None:
        row = only(name, make_item(4), judge())
        assert row.value is None
        assert row.weight > 0
        assert row.reason


class TestConsistency:
    def test_formula(self, make_item: Any, judge: Any) -> None:
        angles = np.array([0.0, 0.5, 2.5])
        features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) * [[1], [7], [0.1]]
        row = only("subject_consistency", make_item(3), judge(encode_images=features))
        pairs = [math.cos(0.5), 0.0]  # at t = 1 both terms are one pair; at t = 2 both cosines are negative
        assert row.value == pytest.approx(sum(pairs) / 2, abs=1e-7)
        assert row.weight == 2
        assert row.detail == {"video_sim": pytest.approx(sum(pairs), abs=1e-7), "cnt_per_video": 2}

    def test_a_feature_of_zeros_agrees_with_nothing(self, make_item: Any, judge: Any) -> None:
        assert only("background_consistency", make_item(2), judge(encode_images=np.zeros((2, 4)))).value == 0.0

    def test_a_network_that_answers_nan_is_unscored(self, make_item: Any, judge: Any) -> None:
        row = only("subject_consistency", make_item(2), judge(encode_images=np.full((2, 4), np.nan)))
        assert row.value is None
        assert "finite" in row.reason


class TestPixelsAndPrediction:
    def test_flicker_of_a_still_and_of_a_blinking_clip(self, make_item: Any) -> None:
        still = np.full((5, 6, 6, 3), 90, np.uint8)
        blinking = still.copy()
        blinking[1::2] = 255
        assert only("temporal_flickering", make_item(still), None).value == 1.0
        assert only("temporal_flickering", make_item(blinking), None).value == pytest.approx(90 / 255)

    @pytest.mark.parametrize("length", [3, 4, 17, 18, 39])
    def test_motion_smoothness_compares_each_odd_frame_that_has_two_neighbours(
        self, length: int, make_item: Any, judge: Any
    ) -> None:
        item = make_item(length)
        asked = judge(interpolate=lambda first, second: (first // 2 + second // 2).astype(np.uint8))
        row = only("motion_smoothness", item, asked)
        even = item.clip.frames[::2]
        predicted = even[:-1] // 2 + even[1:] // 2
        wrong = np.abs(predicted.astype(int) - item.clip.frames[1::2][: len(predicted)]).mean(axis=(1, 2, 3)).mean()
        assert sum(len(first) for first, _ in asked.asked) == (length + 1) // 2 - 1
        assert row.value == pytest.approx((255 - wrong) / 255, abs=1e-12)

    def test_ratings_are_scaled(self, make_item: Any, judge: Any) -> None:
        assert only("aesthetic_quality", make_item(2), judge(aesthetic=np.array([4.0, 6.0]))).value == 0.5
        row = only("imaging_quality", make_item(2), judge(quality=np.array([60.0, 70.0])))
        assert row.value == 0.65
        assert row.detail["video_results"] == 65.0

    def test_styles_are_weighted_by_frames(self, make_item: Any, judge: Any) -> None:
        item = make_item(3, reference={"appearance_style": "pixel art"})
        asked = judge(image_text_similarity=np.array([0.1, 0.2, 0.6]))
        row = only("appearance_style", item, asked)
        assert asked.asked[0][1] == "pixel art"
        assert (row.value, row.weight, row.detail["cur_sim"]) == (pytest.approx(0.3), 3, 0.6)


class TestMotion:
    @pytest.mark.parametrize(("fps", "every"), [(0, 1), (8, 1), (12, 2), (20, 2), (24, 3), (25, 3), (28, 4), (30, 4)])
    def test_stride_rounds_ties_to_even(self, fps: float, every: int) -> None:
        assert stride(fps) == every

    @pytest.mark.parametrize(
        ("height", "width", "threshold"),
        [
            *[(256, 256, 6), (320, 999, 7.5), (480, 768, 11.25), (512, 512, 12)],
            *[(576, 1024, 13.5), (720, 1280, 16.875), (768, 1360, 18), (1920, 1080, 25.3125)],
        ],
    )
    def test_thresholds(self, height: int, width: int, threshold: float) -> None:
        assert dynamic_threshold(height, width) == threshold
        assert static_threshold(height, width) == threshold / 2

    @pytest.mark.parametrize(
        ("frames", "fps", "sampled", "need"),
        [
            *[(16, 8, 16, 4), (49, 8, 49, 12), (81, 16, 41, 10), (121, 25, 41, 10), (129, 24, 43, 11)],
            *[(61, 24, 21, 5), (163, 30, 41, 10), (6, 8, 6, 2), (10, 8, 10, 2), (22, 8, 22, 6)],
            *[(2, 8, 2, 0), (1, 8, 1, 0)],
        ],
    )
    def test_needed_pairs(self, frames: int, fps: float, sampled: int, need: int) -> None:
        assert len(range(0, frames, stride(fps))) == sampled
        assert dynamic_need(sampled) == need

    @pytest.mark.parametrize(("frames", "allowance"), [(4, 0), (5, 1), (12, 2), (16, 2), (17, 2), (20, 2), (28, 4)])
    def test_static_allowance_rounds_ties_to_even(self, frames: int, allowance: int) -> None:
        assert static_allowance(frames) == allowance

    def test_the_strongest_share_of_the_padded_field(self) -> None:
        flow = np.zeros((2, 10, 20, 2), np.float32)
        flow[0, :2, :5] = (3, 4)
        flow[1, 0, 0] = (0, 20)
        assert strongest_motion(flow, 0.05) == [5.0, 2.0]
        assert math.isnan(strongest_motion(np.zeros((1, 3, 3, 2), np.float32), 0.05)[0])

    def flow(self, *lengths: float) -> Any:
        left = list(lengths)
        return lambda first, second: np.stack([np.full((8, 8, 2), [left.pop(0), 0.0]) for _ in first])

    @pytest.mark.parametrize(
        ("motion", "dynamic"),
        [([6.5, 6.5, 0, 0, 0, 0, 0], 1.0), ([6.5, 6.0, 6.0, 0, 0, 0, 0], 0.0), ([6.5, 6.0, 6.5, 0, 0, 0, 0], 1.0)],
    )
    def test_enough_pairs_must_exceed_the_threshold(
        self, motion: list[float], dynamic: float, make_item: Any, judge: Any
    ) -> None:
        item = make_item(8, size=(256, 260))
        assert only("dynamic_degree", item, judge(flow=self.flow(*motion))).value == dynamic

    def test_only_strided_frames_are_compared(self, make_item: Any, judge: Any) -> None:
        asked = judge(flow=lambda first, second: np.zeros((len(first), 8, 8, 2)))
        only("dynamic_degree", make_item(13, fps=24.0), asked)
        firsts = [frame[0, 0, 0] for first, _ in asked.asked for frame in first]
        assert firsts == [0, 3, 6, 9]

    @pytest.mark.parametrize(
        ("pairs", "wrap", "static"),
        [
            ([3.1, 3.1] + [0] * 13, [0, 0], 1.0),
            ([3.1, 3.1, 3.1] + [0] * 12, [0, 0], 0.0),
            ([3.0] * 15, [12.0, 12.0], 1.0),
            ([0] * 15, [12.1, 0], 0.0),
            ([0] * 15, [0, 12.1], 0.0),
        ],
    )
    def test_static_filter(
        self, pairs: list[float], wrap: list[float], static: float, make_item: Any, judge: Any
    ) -> None:
        asked = judge(flow=self.flow(*wrap, *pairs))
        assert only("static_filter", make_item(16, size=(256, 256)), asked).value == static
        first, second = asked.asked[0]
        assert (first[:, 0, 0, 0].tolist(), second[:, 0, 0, 0].tolist()) == ([0, 15], [15, 0])

    def test_no_pair_is_looked_at_once_the_answer_is_known(self, make_item: Any, judge: Any) -> None:
        def looked_at(metric: str, motion: list[float], frames: int) -> tuple[float | None, int]:
            asked = judge(flow=self.flow(*motion))
            return only(metric, make_item(frames, size=(256, 256)), asked).value, sum(len(f) for f, _ in asked.asked)

        assert looked_at("dynamic_degree", [6.5] * 32, 33) == (1.0, 8)  # eight pairs are enough
        assert looked_at("dynamic_degree", [0.0] * 32, 33) == (0.0, 28)  # the four left could not make eight
        assert looked_at("static_filter", [50.0, 0.0, *[0.0] * 32], 33) == (0.0, 2)  # the way back to the first frame
        assert looked_at("static_filter", [0.0, 0.0, *[3.1] * 32], 33) == (0.0, 10)  # more than four pairs move
        assert looked_at("static_filter", [0.0] * 34, 33) == (1.0, 34)


class TestWords:
    def test_object_names_are_exact_and_errors_of_one_frame_stay_there(
        self, make_item: Any, judge: Any, box: Any
    ) -> None:
        def detect(frames: np.ndarray) -> list[list[Any]]:
            if 3 in frames[:, 0, 0, 0]:
                raise RuntimeError("out of memory")
            return [[box("dog")] if frame[0, 0, 0] % 2 == 0 else [box("dogs")] for frame in frames]

        item = make_item(16, reference={"object_class": {"object": "dog"}})
        row = only("object_class", item, judge(detect=detect))
        assert (row.value, row.weight) == (0.5, 16)
        assert row.detail == {"success_frame_count": 8, "frame_count": 16}
        with pytest.raises(RuntimeError, match="out of memory"):
            only("object_class", item, judge(detect=detect), REPAIRED)

    def test_a_pair_needs_both_names_in_one_frame(self, make_item: Any, judge: Any, box: Any) -> None:
        item = make_item(16, reference={"object": "cat and dog"})
        found = [[box("cat")], [box("dog")], [box("dog"), box("cat")], []] * 4
        assert only("multiple_objects", item, judge(detect=found)).value == 0.25
        row = only("multiple_objects", make_item(16, reference={"object": "cat"}), judge())
        assert row.value is None
        assert "'cat'" in row.reason

    @pytest.mark.parametrize(
        "values",
        [[0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2], [1.0] * 12, [3, 1, 3, 2, 3, 3, 2, 3, 3, 1, 4], [0.3, 0.2]],
    )
    def test_the_five_largest_fall_as_torch_lets_them(self, values: list[float]) -> None:
        torch = pytest.importorskip("torch")
        padded = values + [-1.0] * (400 - len(values))
        expected = torch.topk(torch.tensor(padded), 5).indices.tolist()
        assert top_indices(padded, 5) == expected

    def test_random_ties_fall_as_torch_lets_them(self) -> None:
        torch = pytest.importorskip("torch")
        random = np.random.default_rng(0)
        for _ in range(300):
            values = random.integers(0, random.integers(2, 30), 400).astype(np.float32)
            expected = torch.topk(torch.from_numpy(values), 5).indices.tolist()
            assert top_indices(values, 5) == expected

    def test_fewer_than_five_classes_are_no_error(self, make_item: Any, judge: Any) -> None:
        item = make_item(4, text="A person is waving")
        row = only("human_action", item, judge(action_logits=(["Waving", "jumping"], np.array([9.0, -9.0]))))
        assert (row.value, row.detail["label"], row.detail["accepted"]) == (1.0, "waving", [["waving", 0.9999]])


def test_a_clip_of_one_frame_is_unscored_with_the_reason(make_item: Any, judge: Any) -> None:
    for name, needed in [
        ("subject_consistency", 2),
        ("background_consistency", 2),
        ("temporal_flickering", 2),
        ("motion_smoothness", 3),
    ]:
        row = only(name, make_item(1), judge())
        assert row.value is None
        assert row.weight > 0
        assert row.reason == f"the clip has 1 frame, the rule needs {needed}"


def test_a_clip_without_frames_is_unscored_by_every_rule(make_item: Any, judge: Any) -> None:
    relation = {"object_a": "a", "object_b": "b", "relationship": "on the left of"}
    references = {"multiple_objects": {"object": "a and b"}, "spatial_relationship": {"spatial_relationship": relation}}
    for rules in (RULES, REPAIRED):
        for name in rules:
            reference = references.get(name, {"object": "a", name: "red"})
            row = only(name, make_item(0, reference=reference), judge(), rules)
            assert row.value is None
            assert row.reason
            assert row.weight == (0.0 if (name, rules) == ("color", RULES) else 1.0)


def test_scores_do_not_depend_on_the_group(make_item: Any, judge: Any) -> None:
    items = [
        make_item(length, index=index, size=size) for index, (length, size) in enumerate([(3, (4, 4)), (5, (6, 8))])
    ]
    for rule in OFFICIAL[:2]:
        answering = judge(encode_images=lambda frames: frames.reshape(len(frames), -1) + 1.0)
        together = scores_of(rule, items, answering)
        assert together == [row for item in reversed(items) for row in scores_of(rule, [item], answering)][::-1]
