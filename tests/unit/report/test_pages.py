"""A reader gets the tables that the runs allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_eval.errors import UsageError
from nova_eval.records import RunSummary
from nova_eval.report.pages import comparison_pages, run_pages


@pytest.fixture
def geneval(summary: RunSummary) -> RunSummary:
    return replace(summary, run="geneval/mini-0123abcd", benchmark="geneval", metrics=())


def test_a_run_over_official_prompts_has_published_rows_beside_it(geneval: RunSummary) -> None:
    own, latency, beside = run_pages(geneval)
    assert own.title.startswith("mini on geneval")
    assert latency.title == "Latency"
    assert "NOVA 0.6B 512" in [row.cells[0].datum for row in beside.rows]


def test_one_over_the_embedded_worlds_prompts_has_none(geneval: RunSummary) -> None:
    pages = run_pages(replace(geneval, variant="sprites", latency=None))
    assert [page.title.partition(",")[0] for page in pages] == ["mini on geneval"]


@pytest.mark.parametrize(("columns", "title"), [(None, "mini on"), (["overall"], "geneval")])
def test_one_run_alone_is_its_own_table_unless_columns_are_chosen(
    geneval: RunSummary, columns: list[str] | None, title: str
) -> None:
    (page,) = comparison_pages([geneval], baselines="none", columns=columns)
    assert page.title.startswith(title)


def test_latency_is_a_page_of_its_own(geneval: RunSummary) -> None:
    pages = comparison_pages([geneval, replace(geneval, model="other")], baselines="all", latency=True)
    assert [page.title for page in pages] == ["geneval, official prompts, 4 prompts × 2 samples", "Latency"]


def test_runs_of_two_benchmarks_do_not_share_a_table(summary: RunSummary, geneval: RunSummary) -> None:
    with pytest.raises(UsageError, match="different benchmarks do not share a table: geneval, toy"):
        comparison_pages([geneval, summary], baselines="all")
