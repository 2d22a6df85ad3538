"""A table says what was measured, with its interval, and why the rest is missing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from nova_eval.adapters.compose import compose
from nova_eval.records import Interval, Metric
from nova_eval.report.grid import Cell, Column, Row, Table, in_unit, intervals, rounded, share
from nova_eval.report.options import TableOptions
from nova_eval.report.tables import latency_table, run_table


def _row(table, key):
    keys = [column.key for column in table.columns]
    row = next(row for row in table.rows if row.cells[0].datum == key)
    return dict(zip(keys, row.cells, strict=True))


class TestOneRun:
    def test_dimensions_in_the_benchmarks_order_composites_last_under_a_rule(self, summary, config):
        table = run_table(summary, config)
        names = [row.cells[0].datum for row in table.rows]
        assert names == ["sharp", "steady", "color", "quality", "semantic", "total"]
        assert [row.ruled for row in table.rows] == [False, False, False, True, False, False]

    def test_values_in_percent_with_two_decimals_and_every_digit_in_the_data(self, summary, config):
        sharp = _row(run_table(summary, config), "sharp")
        assert sharp["value"].text == "45.68"
        assert sharp["value"].datum == Decimal("45.6789")
        assert (sharp["interval"].text, sharp["low"].datum, sharp["high"].datum) == (
            "± 1.00",
            Decimal("44.6789"),
            Decimal("46.6789"),
        )

    def test_what_cannot_be_stated_is_a_dash_with_its_reason_never_a_number(self, summary, config):
        table = run_table(summary, config)
        color = _row(table, "color")
        assert color["value"] == Cell("–", None)
        assert color["interval"].text == ""
        assert color["note"].datum == "no weights | for 50 % of_it"
        assert "Unscored 6 × no weights | for 50 % of_it (Color 6)." in table.footnotes
        assert "– Semantic, Total: color is missing." in table.footnotes

    def test_each_reason_for_unscored_once_most_frequent_first_with_counts(self, summary, config):
        notes = run_table(summary, config).footnotes
        assert notes[:3] == (
            "Coverage 70.8 % of 24 wanted scores: 15 scored, 2 excluded by rule, 7 unscored.",
            "Unscored 6 × no weights | for 50 % of_it (Color 6).",
            "Unscored 1 × out of memory (Steady 1).",
        )

    def test_a_value_without_an_interval_says_why_in_its_place(self, summary, config):
        reason = "no interval, fewer than 5 prompts"
        metrics = [
            replace(metric, interval=None, reason=reason) if metric.name in {"sharp", "steady"} else metric
            for metric in summary.metrics
        ]
        table = run_table(replace(summary, metrics=tuple(metrics)), config)
        told = "Sharp, Steady: no interval, fewer than 5 prompts."
        assert told not in table.footnotes
        sharp = _row(table, "sharp")
        assert (sharp["value"].text, sharp["interval"].text) == ("45.68", "fewer than 5 prompts")
        lowered = run_table(replace(summary, metrics=tuple(metrics)), config, TableOptions(intervals="lowered"))
        assert told in lowered.footnotes
        assert _row(table, "sharp")["note"].datum == reason

    def test_a_metric_the_benchmark_does_not_list_stands_after_those_it_does(self, summary, config):
        extra = replace(summary, metrics=(Metric("novelty", 0.1), *summary.metrics))
        names = [row.cells[0].datum for row in run_table(extra, config).rows]
        assert names[2:5] == ["color", "novelty", "quality"]

    def test_notes_of_run_and_variant_appear_once(self, summary, config):
        sprites = replace(summary, variant="sprites", notes=("compare with each other only", "three prompts"))
        assert run_table(sprites, config).footnotes[-2:] == ("compare with each other only", "three prompts")

    def test_nothing_in_it_depends_on_how_long_sampling_took(self, summary, config):
        assert run_table(summary, config) == run_table(replace(summary, latency=None), config)


class TestLatency:
    def test_runs_beside_published_figures_as_printed(self, summary, published):
        table = latency_table([summary, replace(summary, model="other", latency=None)], published.rows)
        texts = [[cell.text for cell in row.cells] for row in table.rows]
        assert texts[0][:4] == ["mini", "12.3", "2.75", "one A100"]
        assert texts[1][:4] == ["other", "–", "–", ""]
        assert texts[2][:4] == ["Rewriter", "–", "–", "12s on A100"]
        assert len(texts) == 3
        assert table.footnotes[1:] == ("– nothing was sampled in this run.", "[1] Paper, Table 1")


class TestNumbers:
    def test_moving_the_point_keeps_every_digit(self):
        for value in (0.1 + 0.2, 1e-9, 0.7848, 1.0, -0.171):
            assert float(in_unit(value, "percent").scaleb(-2)) == value

    @pytest.mark.parametrize(
        ("value", "text"),
        [("-3.217", "−3.22"), ("-0.001", "0.00"), ("0", "0.00"), ("100", "100.00"), ("2.345", "2.34")],
    )
    def test_rounding(self, value, text):
        assert rounded(Decimal(value), 2) == text

    def test_one_lopsided_interval_puts_all_in_brackets(self):
        spans = intervals([Interval(0.4, 0.6), None, Interval(0.9, 1.0)], [0.5, None, 0.98], "percent", 2)
        assert spans == ["[40.00, 60.00]", "", "[90.00, 100.00]"]

    def test_coverage_is_rounded_down_so_that_100_means_all(self):
        assert share(9999, 10000) == "99.9 %"
        assert share(10000, 10000) == "100 %"
        assert share(0, 0) == "–"

    def test_composites_follow_the_formula_and_need_every_dimension(self, config):
        scores = compose(config, {"sharp": 0.45, "steady": 0.8, "color": 0.3})
        assert scores["quality"] == pytest.approx((0.5 + 0.5 * 0.8) / 1.5)
        assert scores["total"] == pytest.approx((4 * 0.6 + 0.3) / 5)
        assert compose(config, {"sharp": 0.45, "steady": 0.8}) == {
            "quality": scores["quality"],
            "semantic": None,
            "total": None,
        }

    def test_a_row_must_fit_its_columns(self):
        with pytest.raises(ValueError, match="1 cells under 2 columns"):
            Table("t", (Column("a", "A"), Column("b", "B")), (Row((Cell("x"),)),))
