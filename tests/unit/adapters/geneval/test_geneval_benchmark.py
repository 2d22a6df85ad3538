"""Six tasks, their mean, and what stands beside them; nothing is stated that was not decided."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from metrics_by_name import named

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.geneval import OFFICIAL, GenEval
from nova_eval.adapters.geneval.names import official_metadata, official_name
from nova_eval.adapters.geneval.prompts import TASKS, prompts
from nova_eval.adapters.reduce import coverage_of, reduced
from nova_eval.config import BenchmarkConfig
from nova_eval.engines.questions import scores_of
from nova_eval.errors import UsageError
from nova_eval.protocols import Detection
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.report.baselines import BaselineRow, contradictions, load_baselines, select_baselines

GENEVAL = GenEval()


def suite(samples: int = 2) -> tuple[list[Prompt], list[SampleKey]]:
    made = [Prompt(f"t/{task}_{n}", "", (task,)) for place, task in enumerate(TASKS) for n in range(place + 2)]
    return made, [SampleKey(prompt.id, index) for prompt in made for index in range(samples)]


class TestScorers:
    def test_one_rule_a_task_and_one_judge(self) -> None:
        assert [rule.name for rule in OFFICIAL] == list(TASKS) == list(GENEVAL.config.dimensions)
        assert {rule.role for rule in OFFICIAL} == {"objects"}
        assert list(GENEVAL.scorers("corrected")) == list(OFFICIAL)
        with pytest.raises(UsageError, match="did you mean 'official'"):
            GENEVAL.scorers("offical")

    def test_a_row_says_why_in_words_and_which_boxes_counted(self, make_item, judge) -> None:
        found = [
            Detection("car", (0, 0, 10, 10), 0.5),
            Detection("car", (20, 0, 30, 10), 0.9),
            Detection("dog", (5, 5, 9, 9), 0.3),
        ]
        item = make_item(1, "a photo of a red car", {"include": [{"class": "car", "count": 1, "color": "red"}]})
        eye = judge(detect=[found], colors=lambda frame, objects: ["blue"] * len(objects))
        (row,) = scores_of(OFFICIAL[TASKS.index("colors")], [item], eye)
        assert (row.value, row.weight, row.metric) == (0.0, 1.0, "colors")
        assert row.detail["reason"] == "expected red car>=1, found 0 red; and 1 blue"
        assert row.detail["details"] == {
            "car": [[20.0, 0.0, 30.0, 10.0, float(np.float32(0.9))], [0.0, 0.0, 10.0, 10.0, 0.5]]
        }
        _, (frame, asked) = eye.asked
        assert frame.shape == (4, 4, 3)
        assert [o.box for o in asked] == [(20, 0, 30, 10)]

    def test_colors_are_asked_only_where_a_clause_names_one(self, make_item, judge) -> None:
        item = make_item(1, reference={"include": [{"class": "car", "count": 1}]})
        eye = judge(detect=[[Detection("car", (0, 0, 1, 1), 0.31)]])
        (row,) = scores_of(OFFICIAL[0], [item], eye)
        assert (row.value, row.detail["reason"]) == (1.0, "")

    def test_what_the_judge_raises_passes_through(self, make_item, judge) -> None:
        def fail(frames: object) -> None:
            raise RuntimeError("out of memory")

        with pytest.raises(RuntimeError, match="out of memory"):
            scores_of(OFFICIAL[0], [make_item(1)], judge(detect=fail))


class TestOverall:
    def test_tasks_weigh_the_same_whatever_their_size(self) -> None:
        made, wanted = suite()
        rows = [Score(key, key.prompt_id[2:-2], float(key.prompt_id.endswith("_0"))) for key in wanted]
        metrics = named(reduced(GENEVAL, made, wanted, rows))
        expected = [1 / (place + 2) for place in range(6)]
        assert [metrics[task].value for task in TASKS] == pytest.approx(expected, abs=1e-15)
        assert metrics["overall"].value == pytest.approx(sum(expected) / 6, abs=1e-15)
        assert metrics["correct_images"].value == pytest.approx(6 / sum(range(2, 8)), abs=1e-15)
        assert metrics["overall"].interval is not None

    def test_it_is_not_stated_before_every_image_is_decided(self) -> None:
        made, wanted = suite()
        rows = [Score(key, key.prompt_id[2:-2], 1.0) for key in wanted[1:]]
        metrics = named(reduced(GENEVAL, made, wanted, rows))
        assert metrics["overall"].value is None
        assert "Single object" in metrics["overall"].reason
        assert (metrics["single_object"].value, metrics["single_object"].unscored) == (1.0, 1)
        assert coverage_of(GENEVAL.rows(made, wanted, rows)).unscored == 1

    def test_it_is_not_stated_without_a_task(self) -> None:
        made, wanted = [Prompt("t/a", "", ("colors",))], [SampleKey("t/a", 0)]
        metrics = named(reduced(GENEVAL, made, wanted, [Score(wanted[0], "colors", 1.0)]))
        assert metrics["overall"].value is None
        assert metrics["colors"].value == 1.0

    def test_a_prompt_counts_when_any_of_its_images_is_right_and_waits_while_one_may_be(self) -> None:
        made = [Prompt(f"t/{name}", "", ("colors",)) for name in ("hit", "miss", "open")]
        wanted = [SampleKey(prompt.id, index) for prompt in made for index in range(2)]
        values = (0.0, 1.0, 0.0, 0.0, 0.0, None)
        rows = [Score(key, "colors", value, reason="torn") for key, value in zip(wanted, values, strict=True)]
        metric = named(reduced(GENEVAL, made, wanted, rows))["correct_prompts"]
        assert (metric.value, metric.prompts, metric.unscored) == (0.5, 2, 1)

    def test_metrics_do_not_depend_on_the_order_of_anything(self) -> None:
        made, wanted = suite(3)
        values = np.random.default_rng(1).integers(0, 2, len(wanted))
        rows = [Score(key, key.prompt_id[2:-2], float(v)) for key, v in zip(wanted, values, strict=True)]
        expected = reduced(GENEVAL, made, wanted, rows)
        for seed in range(4):
            for order in (made, wanted, rows):
                random.Random(seed).shuffle(order)
            assert reduced(GENEVAL, made, wanted, [*rows, *rows[:5]]) == expected


class TestConfiguration:
    def test_official_counts_are_four_a_prompt(self) -> None:
        config = load_benchmark("geneval").config
        assert {config.samples_of(prompt.tags, "official") for prompt in prompts()} == {4}
        assert list(config.variants) == ["official", "rewritten", "sprites", "custom"]
        assert list(config.profiles) == ["mini", "paper"]

    def test_files_are_named_as_the_official_evaluator_looks_for_them(self) -> None:
        assert official_name(412, 3) == "00412/samples/00003.png"
        first = next(prompts())
        assert list(official_metadata(first)) == ["tag", "include", "prompt"]


@pytest.fixture(scope="module")
def config() -> BenchmarkConfig:
    return load_benchmark("geneval").config


@pytest.fixture(scope="module")
def rows(config: BenchmarkConfig) -> tuple[BaselineRow, ...]:
    return load_baselines(load_benchmark("geneval").facts.benchmark / "baselines.csv", config)


class TestPublishedRows:
    def test_the_rows_that_contradict_their_own_mean(self, rows, config) -> None:
        found = [
            (c.model, c.name, str(c.printed), round(c.recomputed, 3)) for r in rows for c in contradictions(r, config)
        ]
        assert found == [
            ("SD v2.1 (as printed by NOVA)", "overall", "0.50", 0.480),
            ("SDXL (as printed by NOVA)", "overall", "0.55", 0.507),
            ("TokenFlow-XL", "overall", "0.55", 0.528),
        ]

    def test_values_are_the_printed_digits(self, rows, config, baselines: Path) -> None:
        given = list(csv.DictReader((baselines / "geneval.csv").open()))
        columns = {**{name: name for name in config.metrics}, "color_attr": "color_attribution"}
        printed = [row for row in rows if not row.model.endswith("(as printed by NOVA)")]
        assert [{n: str(row.values[n]) if n in row.values else "" for n in columns} for row in printed] == [
            {name: row[column] for name, column in columns.items()} for row in given
        ]

    def test_the_rows_shown_beside_runs_exist(self, rows, config) -> None:
        beside = config.report.beside
        assert [row.model for row in select_baselines(rows, beside)] == list(beside)
        assert (config.report.unit, config.composites) == ("fraction", ("overall",))
