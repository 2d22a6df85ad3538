"""Eight categories, complex images put together from parts, prompts and published rows of T2I-CompBench."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from metrics_by_name import named

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.reduce import coverage_of, reduced
from nova_eval.adapters.t2i_compbench import T2ICompBench
from nova_eval.adapters.t2i_compbench.numeracy import read_counts
from nova_eval.adapters.t2i_compbench.parses import Parses, load_parses, write_parses
from nova_eval.adapters.t2i_compbench.prompts import CATEGORIES, KIND, complex_kind
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.report.baselines import load_baselines, select_baselines

BENCHMARK = T2ICompBench(Parses())


def complex_prompt(name: str, kind: str | None) -> Prompt:
    return Prompt(f"t/{name}", "", ("complex",), {KIND: kind} if kind else {})


PROMPTS = [complex_prompt("s", "spatial"), complex_prompt("a", "action"), complex_prompt("b", "both")]
WANTED = [SampleKey(prompt.id, 0) for prompt in PROMPTS]


class TestComplex:
    def rows(self) -> list[Score]:
        parts = {"complex_attribute": 0.5, "complex_spatial": 1.0, "complex_action": 0.25}
        return [Score(key, name, value) for key in WANTED for name, value in parts.items()]

    def test_the_kind_says_which_parts_are_averaged(self) -> None:
        assert Counter(name for _, name in BENCHMARK.pairs(PROMPTS, WANTED)) == {
            "complex_attribute": 3,
            "complex_spatial": 2,
            "complex_action": 2,
        }
        together = {row.key.prompt_id: row.value for row in BENCHMARK.rows(PROMPTS, WANTED, self.rows())}
        assert together == {"t/s": 0.75, "t/a": 0.375, "t/b": pytest.approx(1.75 / 3, abs=1e-15)}
        metric = named(reduced(BENCHMARK, PROMPTS, WANTED, self.rows()))["complex"]
        assert (metric.samples, metric.unscored) == (3, 0)

    def test_an_image_waits_for_all_its_parts(self) -> None:
        rows = [row for row in self.rows() if row.metric != "complex_action"]
        coverage = coverage_of(BENCHMARK.rows(PROMPTS, WANTED, rows))
        assert (coverage.wanted, coverage.scored) == (3, 1)
        assert [(gap.count, gap.reason) for gap in coverage.missing] == [(2, "complex_action: not scored yet")]

    def test_without_the_lists_the_reason_names_them(self) -> None:
        prompt = complex_prompt("u", None)
        coverage = coverage_of(BENCHMARK.rows([prompt], [SampleKey(prompt.id, 0)], []))
        (gap,) = coverage.missing
        assert "complex_val_spatial.txt" in gap.reason

    def test_lists_are_compared_in_lower_case_up_to_the_full_stop_spatial_first(self) -> None:
        lists = ["The cat is near. Truly"], ["THE CAT IS NEAR", "A dog runs."]
        assert complex_kind("the CAT is near.", *lists) == "spatial"
        assert complex_kind("a dog runs. It does", *lists) == "action"
        assert complex_kind("a dog sleeps", *lists) == "both"

    def test_order_does_not_matter(self) -> None:
        expected = reduced(BENCHMARK, PROMPTS, WANTED, self.rows())
        rows = self.rows()
        for seed in range(4):
            random.Random(seed).shuffle(rows)
            assert reduced(BENCHMARK, PROMPTS, WANTED, [*rows, rows[0]]) == expected


class TestParses:
    def test_a_table_is_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "parses.json"
        entry = {"tokens": [["a", "DET"], ["cup", "NOUN"]], "noun_phrases": ["a cup"]}
        path.write_text(json.dumps({"parser": "spaCy 3.5.3", "prompts": {"a cup": entry}}))
        parses = load_parses(path)
        assert parses.of("a cup").noun_phrases == ("a cup",)
        assert parses.of("a cup").tokens[1].pos == "NOUN"
        with pytest.raises(PrerequisiteError, match="has not been parsed"):
            parses.of("a mug")

    def test_no_table_is_an_empty_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        assert not load_parses()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("{", "is not JSON"),
            ("[]", "should be an object"),
            ('{"prompts": {"a": 3}, "parser": ""}', r"prompts\.a .* \(it is 3\); write it anew"),
            ("{}", "parser is missing"),
        ],
    )
    def test_another_file_is_one_line(self, text: str, problem: str, tmp_path: Path) -> None:
        (tmp_path / "parses.json").write_text(text)
        with pytest.raises(PrerequisiteError, match=problem) as error:
            load_parses(tmp_path / "parses.json")
        assert "\n" not in str(error.value)

    def test_without_spacy_writing_says_what_to_install(self, tmp_path: Path) -> None:
        with pytest.raises(PrerequisiteError, match="spaCy with the model no_such_model"):
            write_parses(["a cup"], tmp_path / "x.json", model="no_such_model")


class TestSuite:
    def test_300_prompts_a_category(self, mirror: Path) -> None:
        suite = load_benchmark("t2i_compbench").suite("official", mirror=mirror, offline=True)
        assert Counter(prompt.tags[0] for prompt in suite.prompts) == dict.fromkeys(CATEGORIES, 300)
        assert suite.prompts[0].id == "t2i_compbench/color/0000"
        assert suite.prompts[0].text == "a green bench and a blue bowl"
        assert len({prompt.id for prompt in suite.prompts}) == 2400
        config = load_benchmark("t2i_compbench").config
        assert {config.samples_of(prompt.tags, "official") for prompt in suite.prompts} == {10}

    def test_every_numeracy_prompt_can_be_read(self, mirror: Path) -> None:
        suite = load_benchmark("t2i_compbench").suite("official", mirror=mirror, offline=True)
        counts = [read_counts(prompt.text) for prompt in suite.prompts if prompt.tags == ("numeracy",)]
        assert all(len(names) == len(numbers) for names, numbers in counts)
        assert Counter(len(names) for names, _ in counts) == {1: 91, 2: 89, 3: 48, 4: 37, 5: 35}

    def test_missing_lists_of_complex_prompts_are_a_note(self, mirror: Path, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        suite = load_benchmark("t2i_compbench").suite("official", mirror=mirror, offline=True)
        kinds = {prompt.reference.get(KIND) for prompt in suite.prompts}
        assert bool(suite.notes) == (kinds == {None})

    def test_no_rewritten_prompts_exist(self) -> None:
        with pytest.raises(UsageError, match="unknown variant of t2i_compbench 'rewritten'"):
            load_benchmark("t2i_compbench").suite("rewritten", offline=True)


def test_published_rows_are_the_printed_digits_and_say_which_code_they_rest_on(baselines: Path) -> None:
    config = load_benchmark("t2i_compbench").config
    rows = load_baselines(load_benchmark("t2i_compbench").facts.benchmark / "baselines.csv", config)
    given = list(csv.DictReader((baselines / "t2i_compbench.csv").open()))
    assert [{n: str(row.values[n]) if n in row.values else "" for n in CATEGORIES} for row in rows] == [
        {name: row[name] for name in CATEGORIES} for row in given
    ]
    codes = {"old": ("old evaluation code",), "new": (), "not": ("evaluation code not stated",)}
    assert [row.protocol for row in rows] == [codes[row["eval_version"][:3]] for row in given]
    beside = config.report.beside
    assert [row.model for row in select_baselines(rows, beside)] == list(beside)
