"""Every defect of the official code is reproduced under its name, and repaired only under corrected scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nova_eval.adapters.vbench import CORRECTED, OFFICIAL, VBench
from nova_eval.adapters.vbench.action import label_of_file, label_of_prompt
from nova_eval.adapters.vbench.color import OFFICIAL_COLOR_WORDS, object_name
from nova_eval.adapters.vbench.spatial import position_score
from nova_eval.engines.questions import scores_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.records import Prompt, SampleKey, Score


def both(name: str, item: Any, official_judge: Any, corrected_judge: Any = None) -> tuple[Score, Score]:
    rows = []
    for rules, judge in ((OFFICIAL, official_judge), (CORRECTED, corrected_judge or official_judge)):
        rule = next(rule for rule in rules if rule.name == name).with_settings(
            **({"frames": None} if name not in {"dynamic_degree", "static_filter"} else {})
        )
        rows += scores_of(rule, [item], judge)
    return rows[0], rows[1]


class TestColor:
    def item(self, make_item: Any, length: int = 1, color: str = "red", text: str = "a red car") -> Any:
        return make_item(length, text=text, reference={"color": {"color": color}})

    def test_the_first_box_lends_its_class(self, make_item: Any, judge: Any, box: Any) -> None:
        found = [[box("car", caption="a car"), box("bird", caption="a red bird")]]
        official, corrected = both("color", self.item(make_item), judge(describe=found))
        assert (official.value, corrected.value) == (1.0, 0.0)
        behind = [[box("bird", caption="a bird"), box("car", caption="a red car")]]
        official, corrected = both("color", self.item(make_item), judge(describe=behind))
        assert (official.value, official.weight) == (None, 0.0)
        assert corrected.value == 1.0

    def test_colors_are_substrings(self, make_item: Any, judge: Any, box: Any) -> None:
        found = [[box("car", caption="a covered car")], [box("car", caption="a blue car")]]
        official, corrected = both("color", self.item(make_item, 2), judge(describe=found))
        assert (official.value, corrected.value) == (0.5, 0.0)

    def test_case_matters(self, make_item: Any, judge: Any, box: Any) -> None:
        found = [[box("car", caption="a Red car")], [box("car", caption="a blue car")]]
        official, corrected = both("color", self.item(make_item, 2), judge(describe=found))
        assert (official.value, corrected.value) == (0.0, 0.5)

    def test_a_clip_that_never_shows_the_object_is_left_out(self, make_item: Any, judge: Any, box: Any) -> None:
        official, corrected = both("color", self.item(make_item), judge(describe=[[box("dog", caption="a red dog")]]))
        assert (official.value, official.weight) == (None, 0.0)
        assert official.reason
        assert (corrected.value, corrected.weight) == (0.0, 1.0)

    def test_other_colors_push_a_rate_over_one(self, make_item: Any, judge: Any, box: Any) -> None:
        assert "brown" not in OFFICIAL_COLOR_WORDS
        found = [[box("dog", caption=f"a {color} dog")] for color in ("brown", "brown", "white")]
        item = self.item(make_item, 3, "brown", "a brown dog")
        official, corrected = both("color", item, judge(describe=found))
        assert (official.value, corrected.value) == (2.0, pytest.approx(2 / 3))

    def test_articles_are_eaten_inside_words(self, make_item: Any, judge: Any, box: Any) -> None:
        assert object_name("a red sofa bed", "red") == "sofbed"
        item = self.item(make_item, text="a red sofa bed")
        official, corrected = both("color", item, judge(describe=[[box("sofa bed", caption="a red sofa bed")]]))
        assert (official.value, corrected.value) == (None, 1.0)


class TestSpatialRelationship:
    def item(self, make_item: Any, relation: str = "on the left of", b: str = "car") -> Any:
        info = {"object_a": "bicycle", "object_b": b, "relationship": relation}
        return make_item(1, reference={"spatial_relationship": {"spatial_relationship": info}})

    @pytest.mark.parametrize(
        ("relation", "right", "wrong"),
        [
            ("on the left of", (0, 0, 10, 10), (20, 0, 30, 10)),
            ("on the right of", (20, 0, 30, 10), (0, 0, 10, 10)),
            ("on the top of", (0, 0, 10, 10), (0, 20, 10, 30)),
            ("on the bottom of", (0, 20, 10, 30), (0, 0, 10, 10)),
        ],
    )
    def test_direction_is_ignored(
        self, relation: str, right: Any, wrong: Any, make_item: Any, judge: Any, box: Any
    ) -> None:
        item = self.item(make_item, relation)
        as_told = judge(detect=[[box("bicycle", *right), box("car", *wrong)]])
        swapped = judge(detect=[[box("bicycle", *wrong), box("car", *right)]])
        assert [row.value for row in both("spatial_relationship", item, as_told)] == [1.0, 1.0]
        assert [row.value for row in both("spatial_relationship", item, swapped)] == [1.0, 0.0]

    def test_two_boxes_of_one_class_are_a_pair(self, make_item: Any, judge: Any, box: Any) -> None:
        found = judge(detect=[[box("bicycle", 0, 0, 10, 10), box("bicycle", 20, 0, 30, 10)]])
        assert [row.value for row in both("spatial_relationship", self.item(make_item), found)] == [1.0, 0.0]

    def test_overlap_costs_under_both(self, make_item: Any, judge: Any, box: Any) -> None:
        found = judge(detect=[[box("bicycle", 0, 0, 30, 10), box("car", 20, 0, 50, 10)]])
        official, corrected = both("spatial_relationship", self.item(make_item), found)
        assert official.value == corrected.value == pytest.approx(0.5)

    def test_boxes_are_whole_pixels(self, make_item: Any, judge: Any, box: Any) -> None:
        found = judge(detect=[[box("bicycle", 0.9, 0.9, 30.9, 10.9), box("car", 20.1, 0.2, 50.3, 10.4)]])
        official, _ = both("spatial_relationship", self.item(make_item), found)
        assert official.value == pytest.approx(0.5, abs=1e-12)

    def test_a_relation_is_a_part_of_the_phrase(self, make_item: Any, judge: Any, box: Any) -> None:
        found = judge(detect=[[box("bicycle", 0, 0, 10, 10), box("car", 20, 0, 30, 10)]])
        official, corrected = both("spatial_relationship", self.item(make_item, "on the"), found)
        assert (official.value, corrected.value) == (1.0, None)
        assert "on the" in corrected.reason

    def test_two_boxes_without_area_have_no_official_score(self, make_item: Any, judge: Any, box: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            position_score("on the left of", (5, 5, 5, 5), (5, 5, 5, 5))
        found = judge(detect=[[box("bicycle", 5, 5, 5.5, 5.5), box("car", 5, 5, 5.5, 5.5)]])
        official, corrected = both("spatial_relationship", self.item(make_item), found)
        assert (official.value, official.weight) == (None, 1.0)
        assert corrected.value == 0.0


class TestScene:
    def test_the_caption_of_a_frame_describes_the_frame_at_a_third_of_the_way(self, make_item: Any, judge: Any) -> None:
        def caption(frames: np.ndarray) -> list[str]:
            return ["an alley" if frame[0, 0, 0] >= 6 else "a street" for frame in frames]

        asked = judge(caption=caption)
        official, corrected = both("scene", make_item(16, reference={"scene": {"scene": "alley"}}), asked)
        assert (official.value, corrected.value) == (0.0, 10 / 16)
        rows = asked.asked[0][0][:, 0, 0, 0].tolist()
        assert rows == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5]

    def test_words_are_substrings(self, make_item: Any, judge: Any) -> None:
        item = make_item(3, reference={"scene": {"scene": "bar"}})
        official, corrected = both("scene", item, judge(caption=["a red barn", "a Bar", "the bar, at night"]))
        assert (official.value, corrected.value) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
        official, corrected = both("scene", item, judge(caption=["a red barn"] * 3))
        assert (official.value, corrected.value) == (1.0, 0.0)

    def test_frames_are_decoded_at_the_judges_size(self, make_item: Any, judge: Any) -> None:
        asked = judge(caption=lambda frames: [""] * len(frames))
        asked.input_size = (24, 32)
        both("scene", make_item(4, reference={"scene": "x"}), asked)
        assert asked.asked[0][0].shape == (4, 24, 32, 3)


class TestHumanAction:
    @pytest.mark.parametrize(
        ("path", "label"),
        [
            ("x/A person is riding a bike-0.mp4", "riding a bike"),
            ("A PERSON IS MARCHING-3.MP4", "marching"),
            ("a person is push-up-0.mp4", "push"),
            ("a person is marching_seed12-0.mp4", "marching"),
            ("a person is marching.mp4", "marching.mp4"),
            ("a person is tai chi-0/a person is marching-1.mp4", "marching"),
            ("a person is saying person is here-0.mp4", "here"),
            ("marching-0.mp4", "marching"),
        ],
    )
    def test_the_label_is_cut_out_of_the_file_name(self, path: str, label: str) -> None:
        assert label_of_file(path) == label

    def test_a_hyphen_in_the_prompt_ends_the_label(self, make_item: Any, judge: Any) -> None:
        answer = judge(action_logits=(["push-up", "push"], np.array([9.0, -9.0])))
        official, corrected = both("human_action", make_item(2, text="A person is push-up"), answer)
        assert (official.value, official.detail["label"]) == (0.0, "push")
        assert (corrected.value, corrected.detail["label"]) == (1.0, "push-up")

    def test_the_name_of_the_file_on_disk_plays_no_part(self, make_item: Any, judge: Any) -> None:
        item = make_item(2, text="A person is clapping", index=3)
        assert item.sample.path == "x.mp4"
        official, _ = both("human_action", item, judge(action_logits=(["clapping"], np.array([9.0]))))
        assert official.value == 1.0

    def test_a_suite_may_store_the_action(self) -> None:
        assert label_of_prompt(Prompt("a/0", "a disc slides", (), {"human_action": {"action": "Sliding"}})) == "sliding"
        assert label_of_prompt(Prompt("a/0", "a disc slides", (), {"human_action": "Sliding"})) == "sliding"
        assert label_of_prompt(Prompt("a/0", "A person is Waving.")) == "waving"


class TestDetectorErrors:
    def test_object_class_counts_a_failing_detector_as_an_empty_frame(self, make_item: Any, judge: Any) -> None:
        def fails(frames: np.ndarray) -> list[list[Any]]:
            raise MemoryError("CUDA out of memory")

        item = make_item(2, reference={"object": "dog"})
        with pytest.raises(MemoryError):  # the corrected rule is the second of the two
            both("object_class", item, judge(detect=fails))
        (row,) = scores_of(next(rule for rule in OFFICIAL if rule.name == "object_class"), [item], judge(detect=fails))
        assert row.value == 0.0

    def test_missing_weights_are_not_an_empty_frame(self, make_item: Any, judge: Any) -> None:
        def fails(frames: np.ndarray) -> list[list[Any]]:
            raise PrerequisiteError("no weights")

        rule = next(rule for rule in OFFICIAL if rule.name == "object_class")
        with pytest.raises(PrerequisiteError):
            scores_of(rule, [make_item(2, reference={"object": "dog"})], judge(detect=fails))


class TestShortAndUndefinedMotion:
    def flow(self, value: float) -> Any:
        return lambda first, second: np.full((len(first), 8, 8, 2), value)

    @pytest.mark.parametrize(("length", "official", "corrected"), [(1, 0.0, None), (2, 1.0, 0.0), (3, 0.0, 0.0)])
    def test_two_still_frames_are_dynamic(
        self, length: int, official: float, corrected: float | None, make_item: Any, judge: Any
    ) -> None:
        rows = both("dynamic_degree", make_item(length, size=(256, 256)), judge(flow=self.flow(0.0)))
        assert [row.value for row in rows] == [official, corrected]

    @pytest.mark.parametrize("length", [1, 2, 4])
    def test_no_clip_of_four_frames_is_static(self, length: int, make_item: Any, judge: Any) -> None:
        rows = both("static_filter", make_item(length, size=(256, 256)), judge(flow=self.flow(0.01)))
        assert [row.value for row in rows] == [0.0, 1.0]

    def test_undefined_flow_is_still(self, make_item: Any, judge: Any) -> None:
        for name, value in (("dynamic_degree", 0.0), ("static_filter", 1.0)):
            official, corrected = both(name, make_item(8), judge(flow=self.flow(np.nan)))
            assert (official.value, corrected.value) == (value, None)
            assert official.detail["pair_motion"] == [None] * 7


class TestSets:
    def test_seventeen_scorers_under_each_name(self) -> None:
        vbench = VBench()
        names = [scorer.name for scorer in vbench.scorers("official")]
        assert sorted(names) == sorted([*vbench.dimensions, "static_filter"])
        assert [scorer.name for scorer in vbench.scorers("corrected")] == names
        with pytest.raises(UsageError, match="did you mean 'official'"):
            vbench.scorers("offical")

    def test_repaired_rules_never_share_rows_with_official_ones(self) -> None:
        differing = {a.name for a, b in zip(OFFICIAL, CORRECTED, strict=True) if a.rule is not b.rule}
        assert differing == {
            "static_filter",
            "dynamic_degree",
            "temporal_flickering",
            "motion_smoothness",
            "object_class",
            "human_action",
            "color",
            "spatial_relationship",
            "scene",
        }
        for official, corrected in zip(OFFICIAL, CORRECTED, strict=True):
            assert (official.version == corrected.version) == (official.name not in differing)

    def test_roles_are_those_of_the_benchmark_file(self) -> None:
        vbench = VBench()
        for rule in OFFICIAL:
            if rule.name != "static_filter":
                assert (rule.role or "") == vbench.dimensions[rule.name].role
            for judges in vbench.config.judges.values():
                assert rule.role is None or rule.role in judges

    def test_the_static_filter_looks_at_flickering_prompts(self) -> None:
        prompts = [Prompt("a/0", "", ("temporal_flickering",)), Prompt("a/1", "", ("color",))]
        wanted = [SampleKey(prompt.id, index) for prompt in prompts for index in range(6)]
        looked_at = [key for key, scorer in VBench().pairs(prompts, wanted) if scorer == "static_filter"]
        assert looked_at == wanted[:6]
