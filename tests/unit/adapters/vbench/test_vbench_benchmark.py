"""Rows become sixteen dimensions, Quality, Semantic and Total, and nothing is stated that was not measured."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from metrics_by_name import named

from nova_eval.adapters.compose import normalised
from nova_eval.adapters.reduce import coverage_of, reduced
from nova_eval.adapters.vbench import VBench
from nova_eval.adapters.vbench.final import official_final_score, official_submission
from nova_eval.adapters.vbench.results import official_record
from nova_eval.adapters.vbench.static import in_filter_order
from nova_eval.errors import UsageError
from nova_eval.records import Metric, Prompt, SampleKey, Score

VBENCH = VBench()
NAMES = list(VBENCH.dimensions)

PUBLISHED = dict(
    zip(
        NAMES,
        (
            *(0.9684, 0.9678, 0.9861, 0.9836, 0.4722, 0.5794, 0.6529),
            *(0.8612, 0.4066, 0.92, 0.8489, 0.5311, 0.4247, 0.2352, 0.2485, 0.2634),
        ),
        strict=True,
    )
)


def suite(prompts_per_dimension: int = 3, samples: int = 2) -> tuple[list[Prompt], list[SampleKey]]:
    prompts = [Prompt(f"t/{name}_{number}", "", (name,)) for name in NAMES for number in range(prompts_per_dimension)]
    return prompts, [SampleKey(prompt.id, index) for prompt in prompts for index in range(samples)]


def rows_of(prompts: list[Prompt], wanted: list[SampleKey], value: Any) -> list[Score]:
    tags = {prompt.id: prompt.tags for prompt in prompts}
    return [Score(key, tag, value(key, tag)) for key in wanted for tag in tags[key.prompt_id]]


class TestFinalScore:
    def test_published_figures_give_the_published_composites(self) -> None:
        prompts, wanted = suite()
        metrics = named(reduced(VBENCH, prompts, wanted, rows_of(prompts, wanted, lambda key, tag: PUBLISHED[tag])))
        assert list(metrics) == [*NAMES, "quality", "semantic", "total"]
        assert metrics["quality"].value == pytest.approx(0.8157855500891666, abs=1e-14)
        assert metrics["semantic"].value == pytest.approx(0.7015467095231603, abs=1e-14)
        assert metrics["total"].value == pytest.approx(0.7929377819759653, abs=1e-14)
        final = official_final_score(VBENCH.config, PUBLISHED)
        assert (final.quality, final.semantic) == pytest.approx((0.8157855500891666, 0.7015467095231603), abs=1e-15)
        assert final.total == pytest.approx(0.7929377819759653, abs=1e-15)

    def test_normalised_scores_are_not_clamped(self) -> None:
        assert normalised(VBENCH.dimensions["motion_smoothness"], 1.0) == pytest.approx(1.0086, abs=1e-4)
        assert normalised(VBENCH.dimensions["motion_smoothness"], 0.0) == pytest.approx(-2.422, abs=1e-3)

    def test_the_official_formula_takes_a_missing_dimension_for_zero_and_the_benchmark_never_does(self) -> None:
        without = {name: value for name, value in PUBLISHED.items() if name != "motion_smoothness"}
        final = official_final_score(VBENCH.config, without)
        assert final.weighted["motion_smoothness"] == pytest.approx(-2.4219554, abs=1e-6)
        prompts, wanted = suite()
        rows = [row for row in rows_of(prompts, wanted, lambda key, tag: 0.5) if row.metric != "motion_smoothness"]
        metrics = named(reduced(VBENCH, prompts, wanted, rows))
        assert metrics["motion_smoothness"].value is None
        assert metrics["motion_smoothness"].reason == "6 unscored: not scored yet"
        assert metrics["quality"].value is None
        assert metrics["total"].value is None
        assert metrics["total"].reason == "needs every part; not complete: Motion smoothness"
        assert metrics["semantic"].value is not None

    def test_one_unscored_sample_withholds_the_composites_only(self) -> None:
        prompts, wanted = suite()
        rows = rows_of(prompts, wanted, lambda key, tag: 0.5)
        rows[-1] = Score(rows[-1].key, rows[-1].metric, None, reason="the file is empty")
        metrics = named(reduced(VBENCH, prompts, wanted, rows))
        last = metrics["overall_consistency"]
        assert (last.value, last.samples, last.unscored) == (0.5, 5, 1)
        assert metrics["semantic"].value is None
        assert metrics["semantic"].reason == "needs every part; not complete: Overall consistency"
        assert metrics["quality"].value is not None

    def test_a_dimension_without_prompts_says_so(self) -> None:
        prompts = [Prompt("t/0", "", ("color",))]
        metrics = named(reduced(VBENCH, prompts, [SampleKey("t/0", 0)], [Score(SampleKey("t/0", 0), "color", 0.5)]))
        assert metrics["color"].value == 0.5
        assert metrics["scene"].reason == "no prompt of this run serves it"
        assert "Scene" in metrics["total"].reason

    def test_a_dimension_that_the_rule_leaves_out_entirely_has_no_value(self) -> None:
        key = SampleKey("t/0", 0)
        rows = [Score(key, "color", None, weight=0.0, reason="no frame names a color of the object")]
        color = named(reduced(VBENCH, [Prompt("t/0", "", ("color",))], [key], rows))["color"]
        assert (color.value, color.excluded, color.unscored) == (None, 1, 0)
        assert color.reason == "the rule leaves out all 1 samples"


class TestSubmission:
    def test_files_at_the_top_and_one_folder_down(self) -> None:
        files = [
            ("a_eval_results.json", {"color": [0.1, []], "object class": [0.2, []], "unknown_key": ["x", []]}),
            ("sub/b.json", {"color": [0.3, []]}),
            ("sub/deeper/c.json", {"scene": [0.9, []]}),
            (".hidden.json", {"scene": [0.9, []]}),
            ("__MACOSX/d.json", {"scene": [0.9, []]}),
            ("sub/._e.json", {"human_action": [0.5, []]}),
            ("f_full_info.json", [{"prompt_en": "a"}]),
            ("notes.txt", {"scene": [0.9, []]}),
        ]
        raw = official_submission(VBENCH.config, files)
        found = {name: value for name, value in raw.items() if value}
        assert found == {"color": 0.3, "object_class": 0.2, "human_action": 0.5, "unknown_key": "x"}
        assert raw["scene"] == 0.0

    @pytest.mark.parametrize(
        "files",
        [
            [],
            [(".a.json", {"color": [0.1]})],
            [("a.json", {"color": []})],
            [("a.json", {"color": 0.1})],
            [("a.json", {"color": ["x"]})],
            [("a.json", {"color": [None]})],
        ],
    )
    def test_what_the_official_script_fails_on_is_a_usage_error(self, files: Any) -> None:
        with pytest.raises(UsageError):
            official_submission(VBENCH.config, files)


class TestPooling:
    def test_frames_are_pooled_by_weight_and_videos_by_count(self) -> None:
        prompts = [Prompt("t/a", "", ("scene", "human_action")), Prompt("t/b", "", ("scene", "human_action"))]
        a, b = SampleKey("t/a", 0), SampleKey("t/b", 0)
        rows = [Score(a, "scene", 1.0, weight=3), Score(b, "scene", 0.0, weight=1)]
        rows += [Score(a, "human_action", 1.0), Score(b, "human_action", 0.0)]
        metrics = named(reduced(VBENCH, prompts, [a, b], rows))
        assert metrics["scene"].value == 0.75
        assert metrics["human_action"].value == 0.5

    def test_only_wanted_samples_of_known_prompts_count(self) -> None:
        prompts = [Prompt("t/a", "", ("scene",))]
        keys = [SampleKey("t/a", 0), SampleKey("t/a", 1), SampleKey("t/gone", 0)]
        rows = [Score(key, "scene", float(key.index)) for key in keys] + [Score(keys[0], "color", 1.0)]
        scene = named(reduced(VBENCH, prompts, [keys[0], keys[2]], rows))["scene"]
        assert (scene.value, scene.samples, scene.unscored) == (0.0, 1, 0)

    def test_coverage_counts_pairs_by_reason(self) -> None:
        prompts = [Prompt("t/a", "", ("scene", "color"))]
        wanted = [SampleKey("t/a", index) for index in range(4)]
        rows = [Score(wanted[0], "scene", 1.0), Score(wanted[1], "scene", None, reason="torn file")]
        rows += [Score(wanted[0], "color", None, weight=0.0, reason="left out"), Score(wanted[1], "color", 0.5)]
        coverage = coverage_of(VBENCH.rows(prompts, wanted, rows))
        assert (coverage.wanted, coverage.scored, coverage.excluded, coverage.unscored) == (8, 2, 1, 5)
        assert [(gap.metric, gap.count, gap.reason) for gap in coverage.missing] == [
            ("color", 2, "not scored yet"),
            ("scene", 2, "not scored yet"),
            ("scene", 1, "torn file"),
        ]

    def test_metrics_do_not_depend_on_the_order_of_anything(self) -> None:
        random_values = np.random.default_rng(3)
        prompts, wanted = suite(4, 3)
        prompts.append(Prompt("t/both", "", ("scene", "aesthetic_quality")))
        wanted += [SampleKey("t/both", index) for index in range(3)]
        rows = rows_of(prompts, wanted, lambda key, tag: float(random_values.uniform()))
        expected = reduced(VBENCH, prompts, wanted, rows)
        for seed in range(5):
            shuffled = random.Random(seed)
            for order in (prompts, wanted, rows):
                shuffled.shuffle(order)
            assert reduced(VBENCH, prompts, wanted, [*rows, *rows[:7]]) == expected


class TestStaticFilter:
    def run(self, samples: int, static: Any, scoring: str = "official") -> tuple[Metric, list[Score], Any]:
        prompts = [Prompt("t/still", "", ("temporal_flickering",))]
        wanted = [SampleKey("t/still", index) for index in range(samples)]
        rows = [Score(key, "temporal_flickering", 1.0 + key.index) for key in wanted]
        rows += [Score(key, "static_filter", float(key.index in static)) for key in wanted]
        metrics = named(reduced(VBENCH, prompts, wanted, rows, scoring))
        return metrics["temporal_flickering"], rows, coverage_of(VBENCH.rows(prompts, wanted, rows, scoring))

    def test_five_samples_are_not_filtered_and_need_no_filter(self) -> None:
        metric, _, _ = self.run(5, static=())
        assert (metric.value, metric.samples, metric.excluded) == (3.0, 5, 0)
        prompts = [Prompt("t/still", "", ("temporal_flickering",))]
        assert {name for _, name in VBENCH.pairs(prompts, [SampleKey("t/still", k) for k in range(5)])} == {
            "temporal_flickering"
        }
        assert {name for _, name in VBENCH.pairs(prompts, [SampleKey("t/still", k) for k in range(6)])} == {
            "temporal_flickering",
            "static_filter",
        }

    def test_the_first_five_static_clips_by_path_are_kept(self) -> None:
        keys = [SampleKey("t/still", index) for index in range(25)]
        assert [key.index for key in in_filter_order(keys)][:6] == [0, 1, 10, 11, 12, 13]
        assert [key.index for key in in_filter_order(keys, by_path=False)] == list(range(25))
        metric, _, coverage = self.run(25, static=range(1, 25))
        assert metric.value == 1.0 + (1 + 10 + 11 + 12 + 13) / 5
        assert (metric.samples, metric.excluded, metric.unscored) == (5, 20, 0)
        assert (coverage.wanted, coverage.unscored) == (25, 0)
        corrected, _, _ = self.run(25, static=range(1, 25), scoring="corrected")
        assert corrected.value == 1.0 + (1 + 2 + 3 + 4 + 5) / 5

    def test_fewer_static_clips_contribute_fewer(self) -> None:
        metric, _, _ = self.run(25, static={3, 20})
        assert (metric.value, metric.samples, metric.excluded) == (12.5, 2, 23)

    def test_no_static_clip_leaves_the_prompt_out(self) -> None:
        metric, _, _ = self.run(25, static=())
        assert metric.value is None
        assert metric.reason == "the rule leaves out all 25 samples"

    def test_a_clip_without_verdict_is_unscored_for_that_reason(self) -> None:
        prompts = [Prompt("t/still", "", ("temporal_flickering",))]
        wanted = [SampleKey("t/still", index) for index in range(7)]
        rows = [Score(key, "temporal_flickering", 0.9) for key in wanted]
        rows += [Score(key, "static_filter", 1.0) for key in wanted[1:]]
        coverage = coverage_of(VBENCH.rows(prompts, wanted, rows))
        assert [(gap.metric, gap.count, gap.reason) for gap in coverage.missing] == [
            ("temporal_flickering", 1, "static filter: not scored yet")
        ]
        assert (coverage.scored, coverage.excluded) == (5, 1)


class TestOfficialRecords:
    def test_booleans_and_the_scale_of_imaging_quality(self) -> None:
        key = SampleKey("t/a", 0)
        assert official_record(Score(key, "dynamic_degree", 1.0, detail={"need": 4})) == {"video_results": True}
        assert official_record(Score(key, "imaging_quality", 0.65, detail={"video_results": 65.0})) == {
            "video_results": 65.0
        }
        assert official_record(
            Score(key, "human_action", 0.0, detail={"cor_num_per_video": 0, "label": "waving", "accepted": []})
        ) == {"video_results": False, "cor_num_per_video": 0}
        with pytest.raises(ValueError, match="no record"):
            official_record(Score(key, "color", None, weight=0.0, reason="left out"))


def test_every_prompt_of_a_dimension_is_found_by_its_tags() -> None:
    prompt = Prompt("t/a", "", ("scene", "background_consistency", "not_a_dimension"))
    assert VBENCH.metrics_of(prompt) == ("background_consistency", "scene")
