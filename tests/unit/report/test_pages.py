"""A reader gets the tables that the runs allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_eval.errors import UsageError
from nova_eval.records import Interval, Metric, RunSummary
from nova_eval.report.options import TableOptions
from nova_eval.report.pages import pages


@pytest.fixture
def geneval(summary: RunSummary) -> RunSummary:
    return replace(summary, run="geneval/mini-0123abcd", benchmark="geneval", metrics=())


def test_a_run_is_its_own_table_and_nothing_else_until_more_is_asked_for(geneval: RunSummary) -> None:
    (own,) = pages([geneval])
    assert own.title.startswith("mini on geneval")
    (beside,) = pages([geneval], TableOptions(baselines="some"))
    assert "NOVA 0.6B 512" in [row.cells[0].datum for row in beside.rows]


def test_one_over_the_embedded_worlds_prompts_has_no_published_row_and_says_so_when_asked(geneval: RunSummary) -> None:
    sprites = replace(geneval, variant="sprites")
    for baselines, told in (("none", False), ("all", True)):
        (page,) = pages([sprites], TableOptions(baselines=baselines))
        assert page.title.startswith("mini on geneval")
        assert ("Published numbers are not shown beside sprites prompts." in page.footnotes) is told


def test_one_number_is_one_small_table(geneval: RunSummary) -> None:
    one = replace(geneval, metrics=(Metric("colors", 0.5, Interval(0.4, 0.6), prompts=4, samples=8),))
    (page,) = pages([one])
    assert [column.title for column in page.select("page")[0]] == [
        *("Dimension", "Value", "95% interval", "Prompts", "Samples")
    ]
    (beside,) = pages([one], TableOptions(baselines="all"))
    keys = [column.key for column in beside.columns]
    assert keys == ["model", "kind", "params_b", "colors", "colors.low", "colors.high", "unit", "source", *keys[8:]]
    assert all(row.cells[3].datum is not None for row in beside.rows)


def test_chosen_columns_of_one_run_are_rows_of_its_own_table(geneval: RunSummary) -> None:
    both = replace(geneval, metrics=(Metric("colors", 0.5), Metric("position", 0.25), Metric("overall", 0.3)))
    (page,) = pages([both], TableOptions(columns=("overall", "colors")))
    assert [row.cells[0].datum for row in page.rows] == ["overall", "colors"]
    with pytest.raises(UsageError, match="unknown column 'color'; did you mean 'colors'"):
        pages([both], TableOptions(columns=("color",)))


def test_labels_stand_in_place_of_models(geneval: RunSummary) -> None:
    (page,) = pages([geneval, replace(geneval, run="geneval/b")], TableOptions(label=("ours", "theirs")))
    assert [row.cells[0].datum for row in page.rows] == ["ours", "theirs"]
    (own,) = pages([geneval], TableOptions(label=("ours",)))
    assert own.title.startswith("ours on geneval")
    with pytest.raises(UsageError, match="2 labels for 1 runs"):
        pages([geneval], TableOptions(label=("a", "b")))


def test_latency_is_a_page_of_its_own(geneval: RunSummary) -> None:
    found = pages([geneval, replace(geneval, model="other")], TableOptions(baselines="all", latency=True))
    assert [page.title for page in found] == ["geneval, official prompts, 4 prompts × 2 samples", "Latency"]


def test_runs_of_two_benchmarks_do_not_share_a_table(summary: RunSummary, geneval: RunSummary) -> None:
    with pytest.raises(UsageError, match="different benchmarks do not share a table: geneval, toy"):
        pages([geneval, summary])
