"""DPG-Bench: questions that depend on each other, what the official reader loses, categories, grids and names."""

from __future__ import annotations

import csv
import random
from hashlib import sha1
from pathlib import Path

import numpy as np
import pytest
from metrics_by_name import named

from nova_eval.adapters import load_benchmark, sources
from nova_eval.adapters.dpg_bench import DPGBench
from nova_eval.adapters.dpg_bench.answers import is_yes, zeroed
from nova_eval.adapters.dpg_bench.benchmark import DETAILED
from nova_eval.adapters.dpg_bench.names import item_of, official_name
from nova_eval.adapters.dpg_bench.prompts import CATEGORIES, ITEM, OVERALL
from nova_eval.adapters.dpg_bench.questions import (
    QUESTIONS,
    DSGQuestion,
    QuestionTable,
    broad_category,
    category_of,
    check_graph,
    load_table,
    read_table,
)
from nova_eval.adapters.dpg_bench.tiles import tiles
from nova_eval.adapters.reduce import coverage_of, reduced
from nova_eval.adapters.rule import Rule
from nova_eval.config import facts_of
from nova_eval.engines.questions import scores_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.report.baselines import load_baselines, select_baselines

HEADER = "item_id,text,proposition_id,dependency,tuple,question_natural_language\n"
SKIPPED = "x,t,9,0,entity - whole (x),skipped?\n"
BOAT = (
    "boat,t,1,0,entity - whole (boat),Is there a boat?\n"
    'boat,t,2,1,"attribute - color (boat, red)",Is the boat red?\n'
    'boat,t,3,"1,2","relation - spatial (boat, sea)",Is it on the sea?\n'
    "boat,t,4,0,global - (photo),Is it a photo?\n"
)
TABLE = read_table(HEADER + SKIPPED + BOAT)


def question(number: int, *parents: int) -> DSGQuestion:
    return DSGQuestion(number, parents, "entity - whole (x)", f"q{number}?")


def row(number: object, dependency: str) -> dict[str, object]:
    """A row that a prompt brings."""
    facts = {"tuple": "entity - whole (boat)", "question_natural_language": "Is there a boat?"}
    return {"proposition_id": number, "dependency": dependency, **facts}


def rule(table: QuestionTable = TABLE, scoring: str = "official") -> Rule:
    (only,) = DPGBench(table).scorers(scoring)
    return only  # type: ignore[return-value]


def score(
    make_item, judge, answers: list[str], table: QuestionTable = TABLE, scoring: str = "official", name: str = "boat"
):
    item = make_item(1, "a boat", {ITEM: name})
    (row,) = scores_of(rule(table, scoring), [item], judge(answer=[answers]))
    return row


class TestDependencies:
    def test_what_depends_on_a_no_does_not_hold(self, make_item, judge) -> None:
        row = score(make_item, judge, ["yes", "no", "yes", "yes"])
        assert row.value == 0.5
        assert row.detail["answers"] == {"1": 1.0, "2": 0.0, "3": 1.0, "4": 1.0}
        assert row.detail["counted"] == {"1": 1.0, "2": 0.0, "3": 0.0, "4": 1.0}
        assert row.detail["subjects"]["2"] == "attribute - color (boat, red)"

    @pytest.mark.parametrize("scoring", ["official", "corrected"])
    def test_questions_that_the_prompt_brings_are_asked_instead_of_the_tables(self, make_item, judge, scoring) -> None:
        rows = [row(1, "0"), row(2, "1"), row(3, "")]
        item = make_item(1, "a boat", {ITEM: "boat", QUESTIONS: rows})
        (found,) = scores_of(rule(QuestionTable(), scoring), [item], judge(answer=[["no", "yes", "yes"]]))
        assert found.value == pytest.approx(1 / 3)
        assert found.detail["counted"] == {"1": 0.0, "2": 0.0, "3": 1.0}

    def test_zeros_run_down_a_chain(self) -> None:
        chain = [question(1, 0), question(2, 1), question(3, 2), question(4, 3, 1)]
        assert zeroed({1: 0.0, 2: 1.0, 3: 1.0, 4: 1.0}, chain) == dict.fromkeys((1, 2, 3, 4), 0.0)

    def test_a_child_before_its_parent_sees_the_answer_only_until_repaired(self) -> None:
        reverse = [question(3, 2), question(2, 1), question(1, 0)]
        answers = {3: 1.0, 2: 1.0, 1: 0.0}
        assert zeroed(answers, reverse) == {3: 1.0, 2: 0.0, 1: 0.0}
        assert zeroed(answers, reverse, in_row_order=False) == {3: 0.0, 2: 0.0, 1: 0.0}

    def test_the_answers_given_are_not_changed(self) -> None:
        answers = {1: 0.0, 2: 1.0}
        zeroed(answers, [question(1, 0), question(2, 1)])
        assert answers == {1: 0.0, 2: 1.0}

    @pytest.mark.parametrize("answer", ["Yes", "yes.", "YES", " yes", "yes, it is"])
    def test_only_a_plain_yes_counts_until_repaired(self, answer: str) -> None:
        assert (is_yes(answer), is_yes(answer, official=False)) == (False, True)

    @pytest.mark.parametrize("answer", ["no", "", "not yes", "yesterday", "y"])
    def test_what_is_no_yes_at_all(self, answer: str) -> None:
        assert (is_yes(answer), is_yes(answer, official=False)) == (False, False)
        assert is_yes("yes")


class TestOfficialReader:
    def test_the_first_row_is_skipped_and_what_depends_on_it_is_dropped(self, make_item, judge) -> None:
        table = read_table(HEADER + BOAT)
        assert [q.id for q in table.of("boat", official=True)] == [2, 3, 4]
        assert [q.id for q in table.of("boat", official=False)] == [1, 2, 3, 4]
        row = score(make_item, judge, ["yes"] * 3, table)
        assert (row.value, row.weight) == (None, 0.0)
        assert "depends on 1, which is not asked" in row.reason
        assert score(make_item, judge, ["yes"] * 4, table, "corrected").value == 1.0

    def test_a_later_block_replaces_an_earlier_one(self) -> None:
        other = "car,t,1,0,entity - whole (car),Is there a car?\n"
        lines = BOAT.splitlines(keepends=True)
        table = read_table(HEADER + SKIPPED + "".join([*lines[:2], other, *lines[2:]]))
        assert [q.id for q in table.of("boat", official=True)] == [3, 4]
        assert [q.id for q in table.of("boat", official=False)] == [1, 2, 3, 4]

    def test_numbers_alone_stop_it(self) -> None:
        table = read_table(f"{HEADER}{SKIPPED}a,t,1,0,entity (a),q1?\na,t,2,1,entity (b),q2?\n")
        assert table.official_reader_stops
        assert table.of("a", official=True) == ()
        assert len(table.of("a", official=False)) == 2

    def test_an_item_without_questions_is_dropped_or_unscored(self, make_item, judge) -> None:
        row = score(make_item, judge, [], name="unknown")
        assert (row.value, row.weight) == (None, 0.0)
        row = score(make_item, judge, [], name="unknown", scoring="corrected")
        assert (row.value, row.weight, row.reason) == (None, 1.0, "no question is asked about 'unknown'")

    def test_without_a_table_the_reason_says_how_to_get_one(self, make_item, judge) -> None:
        with pytest.raises(PrerequisiteError, match=r"dpg_bench\.csv is not at hand; .*prompts fetch dpg_bench"):
            score(make_item, judge, [], QuestionTable())


class TestGraph:
    @pytest.mark.parametrize(
        ("questions", "problem"),
        [
            ((question(1, 0), question(2, 9, 1)), "question 2 of 'a' depends on 9, which does not exist"),
            ((question(1, 1),), r"questions \[1\] of 'a' depend on each other in a circle"),
            ((question(1, 0), question(2, 3), question(3, 2)), r"questions \[2, 3\] of 'a' depend on each other"),
        ],
    )
    def test_a_question_that_can_never_be_asked_is_one_line(self, questions, problem: str) -> None:
        with pytest.raises(UsageError, match=problem) as error:
            check_graph({"a": questions})
        assert "\n" not in str(error.value)

    def test_any_order_of_rows_is_a_graph(self) -> None:
        questions = [question(1, 0), question(2, 1), question(3, 2, 1), question(4, 0, 3)]
        for seed in range(10):
            random.Random(seed).shuffle(questions)
            check_graph({"a": tuple(questions)})
            with pytest.raises(UsageError):  # the same rows, one of them gone
                check_graph({"a": tuple(row for row in questions if row.id != 2)})

    @pytest.mark.parametrize(
        ("rows", "problem"),
        [
            ([row(1, "0"), row(2, "9")], "question 2 of 'x/1' depends on 9, which does not exist"),
            ([row(1, "2"), row(2, "1")], r"questions \[1, 2\] of 'x/1' depend on each other in a circle"),
            ([row(1, "0"), row(1, "0")], "questions of the prompt x/1 cannot be read: two questions of one"),
            (
                [row(1, "0"), {"proposition_id": 2}],
                "dependency is missing; each needs proposition_id",
            ),
            ([row("one", "0")], "x/1 cannot be read: invalid literal"),
            (["Is there a boat?"], r"prompt x/1: \[0\] should be an object"),
        ],
    )
    def test_questions_that_a_prompt_brings_are_checked_before_anything_is_sampled(self, rows, problem: str) -> None:
        prompt = Prompt("x/1", "a boat", (OVERALL,), {QUESTIONS: rows})
        with pytest.raises(UsageError, match=problem) as error:
            list(DPGBench(TABLE).pairs([prompt], [SampleKey("x/1", 0)]))
        assert "\n" not in str(error.value)

    def test_a_table_of_one_s_own_is_checked(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.csv"
        path.write_text(HEADER + SKIPPED + BOAT + "boat,t,5,7,entity - part (sail),Is there a sail?\n")
        with pytest.raises(UsageError, match=r"mine\.csv: question 5 of 'boat' depends on 7"):
            load_table(path)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "no column 'item_id'"),
            ("item_id,tuple\n", "no column 'proposition_id'"),
            (HEADER + "a,t,one,0,e (a),q?\n", "line 2: not a row of questions"),
            (HEADER + "a,t,1,x,e (a),q?\n", "line 2: not a row of questions"),
            (HEADER + "a,t,1\n", "line 2: 3 cells, the header has 6"),
        ],
    )
    def test_what_is_no_table_is_one_line(self, text: str, problem: str) -> None:
        with pytest.raises(UsageError, match=problem) as error:
            read_table(text)
        assert "\n" not in str(error.value)


def answered(key: SampleKey, answers: list[int], counted: list[int] | None = None) -> Score:
    subjects = ["entity - whole (a)", "entity - part (b)", "attribute - color (a)"]
    detail = {
        "answers": {str(k): float(v) for k, v in enumerate(answers)},
        "counted": {str(k): float(v) for k, v in enumerate(counted or answers)},
        "subjects": {str(k): subjects[k] for k in range(len(answers))},
    }
    return Score(key, OVERALL, sum(counted or answers) / len(answers), detail=detail)


class TestCategories:
    PROMPT = Prompt("t/a", "", (*CATEGORIES, OVERALL))
    KEYS = tuple(SampleKey("t/a", index) for index in range(2))

    def test_names(self) -> None:
        assert category_of("attribute - color (boat, red)") == "attribute - color"
        assert [broad_category(name) for name in ("attribute - color", "global -", "entity-part", "other")] == [
            "attribute",
            "global",
            "entity",
            "other",
        ]

    def test_official_ones_are_of_the_last_image_before_zeroing_corrected_of_all_after(self) -> None:
        rows = [answered(self.KEYS[0], [1, 1, 1]), answered(self.KEYS[1], [0, 1, 1], [0, 0, 0])]
        official = named(reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS, rows))
        assert (official["entity"].value, official["attribute"].value) == (0.5, 1.0)
        assert (official[f"{DETAILED}entity - part"].value, official[f"{DETAILED}entity - whole"].value) == (1.0, 0.0)
        corrected = named(reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS, rows, "corrected"))
        assert (corrected["entity"].value, corrected["attribute"].value) == (0.5, 0.5)
        assert official[OVERALL].value == corrected[OVERALL].value == 0.5
        assert official["relation"].reason == "no prompt of this run serves it"

    def test_they_pool_questions_where_overall_averages_images(self) -> None:
        prompts = [Prompt(f"t/{name}", "", (*CATEGORIES, OVERALL)) for name in "ab"]
        keys = [SampleKey(prompt.id, 0) for prompt in prompts]
        rows = [answered(keys[0], [1, 0, 1]), answered(keys[1], [1])]
        metrics = named(reduced(DPGBench(TABLE), prompts, keys, rows))
        assert metrics["entity"].value == pytest.approx(2 / 3, abs=1e-15)
        assert metrics[OVERALL].value == pytest.approx((2 / 3 + 1) / 2, abs=1e-15)
        assert list(metrics)[-1] == OVERALL

    def test_what_is_undecided_lowers_coverage_of_every_category(self) -> None:
        metrics = named(reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS, [answered(self.KEYS[0], [1])]))
        assert {metrics[name].unscored for name in (*CATEGORIES, OVERALL)} == {1}
        assert coverage_of(DPGBench(TABLE).rows([self.PROMPT], self.KEYS, [])).unscored == 2

    def test_a_dropped_image_costs_nothing_officially(self) -> None:
        rows = [answered(self.KEYS[0], [1, 0]), Score(self.KEYS[1], OVERALL, None, 0.0, "dropped")]
        metric = named(reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS, rows))[OVERALL]
        assert (metric.value, metric.excluded, metric.unscored) == (0.5, 1, 0)

    def test_order_does_not_matter(self) -> None:
        rows = [answered(self.KEYS[0], [1, 0, 1]), answered(self.KEYS[1], [0, 1, 1])]
        expected = reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS, rows)
        assert reduced(DPGBench(TABLE), [self.PROMPT], self.KEYS[::-1], rows[::-1]) == expected

    def test_every_image_is_asked_once_whatever_is_wanted(self) -> None:
        entity_only = Prompt("t/a", "", ("entity",))
        assert list(DPGBench(TABLE).pairs([entity_only], self.KEYS)) == [(key, OVERALL) for key in self.KEYS]

    def test_the_table_is_part_of_the_version(self) -> None:
        assert rule().version != rule(read_table(HEADER + BOAT)).version
        assert rule().version != rule(scoring="corrected").version


class TestGrids:
    GRID = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)

    def test_quarters_come_rows_first_and_black_beyond_the_picture(self) -> None:
        cut = tiles(self.GRID, 4)
        assert cut.shape == (4, 4, 4, 3)
        assert np.array_equal(cut[0], self.GRID[:4, :4])
        assert np.array_equal(cut[1], self.GRID[:4, 4:])
        assert np.array_equal(cut[3][:2], self.GRID[4:, 4:])
        assert not cut[3][2:].any()
        assert np.array_equal(tiles(self.GRID, 2), tiles(self.GRID[:4, :4], 2))

    def test_names(self) -> None:
        assert (official_name("7"), item_of("x/item7.v2.png")) == ("7.png", "item7")


class TestSources:
    def test_the_suite_is_the_1065_pinned_files(self, mirror: Path) -> None:
        suite = load_benchmark("dpg_bench").suite("official", mirror=mirror, offline=True)
        assert len(suite.prompts) == len({prompt.text for prompt in suite.prompts}) == 1065
        assert [prompt.id for prompt in suite.prompts[:3]] == ["dpg_bench/0", "dpg_bench/1", "dpg_bench/2"]
        assert suite.prompts[-1].reference == {ITEM: suite.prompts[-1].id.removeprefix("dpg_bench/")}
        assert not any(prompt.text.endswith("\n") for prompt in suite.prompts)
        config = load_benchmark("dpg_bench").config
        assert {config.samples_of(prompt.tags, "official") for prompt in suite.prompts} == {4}

    def test_one_changed_file_is_noticed(self, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        (folder, table) = sources.load_sources(facts_of("dpg_bench"))
        for file in sources.files_of(folder):
            place = sources.cache_folder() / file.place
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((mirror / file.place).read_bytes())
        assert [check.problem == "" for check in sources.verify(facts_of("dpg_bench"))] == [True, False]
        (sources.cache_folder() / sources.files_of(folder)[500].place).write_text("another prompt")
        check = sources.verify(facts_of("dpg_bench"))[0]
        assert "is not the pinned" in check.problem
        with pytest.raises(PrerequisiteError, match="is not the pinned"):
            load_benchmark("dpg_bench").suite("official", offline=True)
        assert table.git_blob

    def test_a_file_can_be_pinned_by_its_git_blob(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        body = (HEADER + SKIPPED + BOAT).encode()
        blob = sha1(b"blob %d\0" % len(body) + body).hexdigest()
        pinned = sources.Source("dpg_bench", "questions", "o/r", "c", "dpg.csv", "", 10**6, 0, "", git_blob=blob)
        place = sources.cache_folder() / pinned.place
        place.parent.mkdir(parents=True)
        place.write_bytes(body)
        assert sources.locate(pinned, offline=True) == place
        place.write_bytes(body + b"\n")
        with pytest.raises(PrerequisiteError, match=f"expected git blob {blob}"):
            sources.locate(pinned, offline=True)

    def test_without_the_table_there_is_an_empty_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        assert not load_table()
        assert not DPGBench().table


def test_published_rows_are_the_printed_digits(baselines: Path) -> None:
    config = load_benchmark("dpg_bench").config
    rows = load_baselines(load_benchmark("dpg_bench").facts.benchmark / "baselines.csv", config)
    given = list(csv.DictReader((baselines / "dpg_bench.csv").open()))
    assert [{n: str(row.values[n]) if n in row.values else "" for n in config.metrics} for row in rows] == [
        {name: row[name] for name in config.metrics} for row in given
    ]
    beside = config.report.beside
    assert [row.model for row in select_baselines(rows, beside)] == list(beside)
    assert config.composites == ()
