"""Runs beside published rows: what differs is marked, and only what compares competes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from nova_eval.errors import UsageError
from nova_eval.records import Coverage, Interval, Metric
from nova_eval.report.comparison import comparison_table
from nova_eval.report.options import TableOptions


def _cells(table, label):
    keys = [column.key for column in table.columns]
    row = next(row for row in table.rows if row.cells[0].datum == label)
    return dict(zip(keys, row.cells, strict=True))


def _strong(table, name):
    index = [column.key for column in table.columns].index(name)
    return [row.cells[0].datum for row in table.rows if row.cells[index].strong]


class TestMarks:
    def test_each_row_says_how_it_departs_from_the_run(self, summary, published):
        table = comparison_table([summary], published)
        assert [row.cells[0].text for row in table.rows] == ["mini", "Plain & Co_1", "Rewriter †", "Odd ‡§"]
        rules = "official prompts, samples per prompt: official, official scoring"
        assert f"† differs from mini ({rules}): rewritten prompts (Rewriter)." in table.footnotes
        assert "§ Odd: total is printed as 79.00, its printed quality and semantic give 78.00." in table.footnotes

    def test_settings_that_are_not_the_protocols_are_marked_and_do_not_compete(self, summary, published):
        table = comparison_table([replace(summary, departs=("guidance_scale 3.0, not 7.0",))], published)
        assert table.rows[0].cells[0].text == "mini ⁑"
        assert "⁑ mini: settings are not the protocol's: guidance_scale 3.0, not 7.0." in table.footnotes
        assert not _strong(table, "sharp") or "mini" not in _strong(table, "sharp")

    def test_original_prompts_differ_from_a_rewritten_run(self, summary, published):
        table = comparison_table([replace(summary, variant="rewritten")], published)
        assert _cells(table, "Plain & Co_1")["model"].text.endswith("†")
        assert _cells(table, "Rewriter")["model"].text == "Rewriter"

    def test_another_number_of_samples_marks_every_row_that_does_not_state_it(self, summary, published):
        same = replace(published.rows[0], samples_per_prompt="2", model="Same")
        table = comparison_table(
            [replace(summary, samples_per_prompt="2")], replace(published, rows=(*published.rows, same))
        )
        assert [row.cells[0].text for row in table.rows[1:]] == ["Plain & Co_1 †", "Rewriter †", "Odd †‡§", "Same"]
        assert "official number of samples (published rows except Same)" in table.footnotes[0]

    def test_corrected_scoring_never_mixes_with_published_numbers(self, summary, published):
        table = comparison_table([replace(summary, scoring="corrected")], published)
        assert all("†" in row.cells[0].text for row in table.rows[1:])
        assert "official scoring (every published row)" in table.footnotes[0]

    def test_evaluator_and_unverified_rows(self, summary, published):
        rows = [
            replace(published.rows[0], model="Long", protocol=("VBench-Long",)),
            replace(published.rows[0], model="Heard", verified=False, source="unverified"),
        ]
        table = comparison_table([summary], replace(published, rows=tuple(rows)))
        assert [row.cells[0].text for row in table.rows[1:]] == ["Long †", "Heard ¶"]
        assert _cells(table, "Heard")["note"].datum == "unverified"

    def test_sources_are_numbered_once_each(self, summary, published):
        table = comparison_table([summary], published)
        assert [row.cells[-2].text for row in table.rows] == ["", "[1]", "[1]", "[2]"]
        assert table.footnotes[-2:] == ("[1] Paper, Table 1", "[2] Blog")


def by_more_than_chance(config, one, other):
    return abs(one.value - other.value) > 0.05


class TestEmphasis:
    def test_a_difference_that_may_be_chance_is_not_emphasised(self, summary, published):
        runs = [replace(summary, model=name, metrics=(Metric("sharp", value),)) for name, value in
                (("a", 0.5), ("b", 0.52), ("c", 0.2))]  # fmt: skip
        bare = replace(published, rows=())
        assert _strong(comparison_table(runs, bare, established=by_more_than_chance), "sharp") == []
        far = comparison_table([runs[0], runs[2]], bare, established=by_more_than_chance)
        assert _strong(far, "sharp") == ["a"]
        assert far.strong_means == "best of the unmarked rows, by more than chance"
        assert _strong(comparison_table([runs[0], runs[2]], bare), "sharp") == []

    @pytest.mark.parametrize(("low", "best"), [(0.502, ["mini"]), (0.5, []), (None, [])])
    def test_a_run_is_better_than_a_published_number_outside_its_interval(self, summary, published, low, best):
        interval = None if low is None else Interval(low, 0.53)
        run = replace(summary, metrics=(Metric("sharp", 0.51, interval),))
        assert _strong(comparison_table([run], replace(published, rows=published.rows[:1])), "sharp") == best

    def test_only_unmarked_rows_compete(self, summary, published):
        table = comparison_table([summary], published)
        assert _strong(table, "sharp") == ["Plain & Co_1"]

    def test_a_column_with_one_competitor_has_no_best(self, summary, published):
        table = comparison_table([summary], published)
        assert _strong(table, "total") == []

    def test_partial_values_are_marked_and_do_not_compete(self, summary, published):
        low = replace(summary, model="low", metrics=(Metric("steady", 0.1, samples=8),), coverage=Coverage(8, 8, 0))
        also = replace(low, model="also", metrics=(Metric("steady", 0.2, samples=8),))
        table = comparison_table([summary, low, also], replace(published, rows=()), established=by_more_than_chance)
        assert _cells(table, "mini")["steady"].line == "50.00 ‖ ± 12.50"
        assert _strong(table, "steady") == ["also"]

    def test_values_equal_as_shown_tie(self, summary, published):
        run = replace(summary, metrics=(Metric("sharp", 0.500999, Interval(0.49, 0.51), samples=8),))
        third = replace(published.rows[0], model="Third", values={"sharp": Decimal("40.00")})
        assert _strong(comparison_table([run], replace(published, rows=(published.rows[0], third))), "sharp") == [
            "mini",
            "Plain & Co_1",
        ]

    def test_lower_is_better_where_the_benchmark_says_so(self, summary, published):
        config = published.config
        sharp = config.dimensions["sharp"].model_copy(update={"higher_is_better": False})
        flipped = config.model_copy(update={"dimensions": {**config.dimensions, "sharp": sharp}})
        assert _strong(comparison_table([summary], replace(published, config=flipped)), "sharp") == ["mini"]


class TestWhatMayShareATable:
    def test_a_closed_variant_shows_no_published_numbers_and_says_why(self, summary, published):
        table = comparison_table([replace(summary, variant="sprites")], published)
        assert [row.cells[0].text for row in table.rows] == ["mini"]
        assert "compare with each other only" in table.footnotes
        assert "Published numbers are not shown beside sprites prompts." in table.footnotes

    def test_a_closed_variant_does_not_meet_another(self, summary, published):
        with pytest.raises(UsageError, match=r"used sprites prompts.*make two tables"):
            comparison_table([summary, replace(summary, variant="sprites")], replace(published, rows=()))

    def test_two_benchmarks_do_not_meet(self, summary, published):
        with pytest.raises(UsageError, match=r"ran other.*ran toy"):
            comparison_table([summary, replace(summary, benchmark="other")], replace(published, rows=()))

    def test_a_run_under_another_protocol_is_marked(self, summary, published):
        table = comparison_table(
            [summary, replace(summary, model="more", samples_per_prompt="3")], replace(published, rows=())
        )
        assert [row.cells[0].text for row in table.rows] == ["mini", "more †"]
        assert "samples per prompt: 3 (more)" in table.footnotes[0]

    def test_a_run_of_other_prompts_is_marked(self, summary, published):
        fewer = replace(summary, model="fewer", prompts=2, samples=2, per_prompt=(1, 1), selection="two")
        others = replace(summary, model="others", selection="others")
        more = replace(summary, model="more", per_prompt=(2, 5), selection="more")
        table = comparison_table([summary, fewer, others, more], replace(published, rows=()))
        assert [row.cells[0].text for row in table.rows] == ["mini", "fewer †", "others †", "more †"]
        told = "2 of 4 prompts × 1 sample (fewer); other prompts (others); 4 prompts × 2–5 samples (more)."
        assert table.footnotes[0].endswith(told)
        assert table.title == "toy, official prompts, 4 prompts × 2 samples, in percent"

    def test_published_rows_are_of_the_whole_suite(self, summary, published):
        table = comparison_table([replace(summary, suite=9)], published)
        assert all("†" in row.cells[0].text for row in table.rows[1:])
        assert "all 9 prompts (every published row)" in table.footnotes[0]

    def test_two_runs_of_one_model_are_told_apart(self, summary, published):
        table = comparison_table([summary, replace(summary, run="toy/mini-89ab")], replace(published, rows=()))
        assert [row.cells[0].text for row in table.rows] == ["mini (0123abcd)", "mini (89ab)"]


class TestColumns:
    def test_a_value_without_an_interval_says_why(self, summary, published):
        few = "no interval, fewer than 5 prompts"
        run = replace(summary, metrics=(Metric("sharp", 0.5, reason=few), Metric("steady", 0.4, reason=few)))
        told = "No interval, fewer than 5 prompts: sharp, steady (mini)."
        assert told in comparison_table([run], published).footnotes
        assert told not in comparison_table([run], published, TableOptions(intervals="none")).footnotes

    def test_chosen_columns_in_the_order_asked_for(self, summary, published):
        table = comparison_table([summary], published, TableOptions(columns=("total", "sharp")))
        assert [column.key for column in table.columns[3:5]] == ["total", "sharp"]

    def test_unknown_columns_get_the_nearest(self, summary, published):
        with pytest.raises(UsageError, match="unknown column 'sharpe'; did you mean 'sharp'"):
            comparison_table([summary], published, TableOptions(columns=("sharpe",)))

    def test_missing_values_are_dashes_with_a_reason(self, summary, published):
        table = comparison_table([summary], published)
        assert _cells(table, "mini")["total"].text == "–"
        assert "– in a published row: not printed by its source." in table.footnotes
        assert "mini: coverage 70.8 %, 7 of 24 unscored; its own table says why." in table.footnotes
