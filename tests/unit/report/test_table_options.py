"""Tables as a paper wants them: what each option does to the page, in every format."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.errors import UsageError
from nova_eval.records import Interval, Metric
from nova_eval.report.comparison import comparison_table
from nova_eval.report.formats import render, to_csv, to_latex
from nova_eval.report.grid import Table, two_lines
from nova_eval.report.html import WIDEST
from nova_eval.report.options import TableOptions
from nova_eval.report.pages import pages, paper_page
from nova_eval.report.tables import run_table


@pytest.fixture
def two(summary):
    """Two runs of one complete dimension, the second with a lopsided interval."""
    first = replace(summary, metrics=(Metric("sharp", 0.456789, Interval(0.446789, 0.466789)),))
    return [first, replace(first, model="other", metrics=(Metric("sharp", 0.98, Interval(0.9, 1.0)),))]


def texts(table: Table, key: str) -> list[str]:
    place = [column.key for column in table.columns].index(key)
    return [row.cells[place].line for row in table.rows]


class TestNumbers:
    def test_intervals_stand_beside_in_one_form_a_column(self, two, published):
        bare = replace(published, rows=())
        assert texts(comparison_table(two[:1], bare), "sharp") == ["45.68 ± 1.00"]
        assert texts(comparison_table(two, bare), "sharp") == ["45.68 [44.68, 46.68]", "98.00 [90.00, 100.00]"]
        assert texts(comparison_table(two, bare, TableOptions(intervals="none")), "sharp") == ["45.68", "98.00"]

    def test_both_ends_are_in_the_data(self, two, published):
        row, _ = csv.DictReader(io.StringIO(to_csv(comparison_table(two, replace(published, rows=())))))
        assert (row["sharp"], row["sharp.low"], row["sharp.high"]) == ("45.6789", "44.6789", "46.6789")

    def test_lowered_intervals_are_subscripts_where_there_are_any(self, two, published):
        options = TableOptions(intervals="lowered")
        table = comparison_table(two[:1], replace(published, rows=()), options)
        assert r"45.68\textsubscript{$\pm$ 1.00}" in to_latex(table)
        assert "45.68 <sub>± 1.00</sub>" in render(table, "md")
        assert "45.68 <sub>± 1.00</sub>" in render(table, "html")
        own = run_table(two[0], published.config, options)
        assert "interval" not in [column.key for column in own.columns]
        assert texts(own, "value") == ["45.68 ± 1.00"]

    def test_digits_are_for_published_numbers_too(self, two, published):
        table = comparison_table(two[:1], published, TableOptions(digits=0, intervals="none"))
        assert texts(table, "sharp")[:3] == ["46", "50", "60"]
        assert texts(run_table(two[0], published.config, TableOptions(digits=1)), "value") == ["45.7"]

    @pytest.mark.parametrize(("change", "message"), [({"digits": -1}, "digits"), ({"key": "a}b"}, "referred to")])
    def test_what_cannot_be_is_refused(self, change, message):
        with pytest.raises(UsageError, match=message):
            TableOptions(**change)


class TestLatex:
    def test_caption_and_label(self, two, published):
        options = TableOptions(caption="Ours & theirs", key="tab:main")
        text = to_latex(comparison_table(two, published, options))
        assert "\\caption{Ours \\& theirs}\n\\label{tab:main}\n" in text

    def test_headings_of_two_lines_and_one_line_a_benchmark(self):
        text = to_latex(paper_page("paper-t2i", []))
        assert (
            r"\multicolumn{3}{c}{T2I-CompBench} & \multicolumn{7}{c}{GenEval} & \multicolumn{1}{c}{DPG-Bench}" in text
        )
        assert r"\cmidrule(lr){5-7}" in text
        assert r"\shortstack[r]{Single\\object}" in text
        assert all(head.count(r"\\") == 1 for head in re.findall(r"\\shortstack\[r\]{(.*?)}", text))
        assert "\\resizebox{" in text

    @pytest.mark.parametrize("title", ["a", "Overall consistency", "Text-image alignment of colors", ""])
    def test_two_lines_keep_the_words(self, title):
        assert " ".join(two_lines(title)).split() == title.split()
        assert len(two_lines(title)) <= 2


class TestColumns:
    @pytest.mark.parametrize(
        ("columns", "keys"),
        [
            (("geneval.overall",), ["geneval.overall"]),
            (("overall", "color"), ["t2i_compbench.color", "geneval.overall", "dpg_bench.overall"]),
        ],
    )
    def test_a_papers_columns_are_chosen_with_or_without_their_benchmark(self, columns, keys):
        page = paper_page("paper-t2i", [], TableOptions(columns=columns))
        assert [column.key for column in page.columns if "." in column.key] == keys

    def test_a_column_that_no_paper_has(self):
        with pytest.raises(UsageError, match=r"unknown column 'geneval\.overal'; did you mean 'geneval\.overall'"):
            paper_page("paper-t2i", [], TableOptions(columns=("geneval.overal",)))


class TestTransposed:
    def test_models_are_columns_and_dimensions_rows(self, two, published):
        table = comparison_table(two, replace(published, rows=()), TableOptions(transpose=True))
        assert [column.title for column in table.columns] == ["", "mini", "other"]
        assert [row.cells[0].text for row in table.rows] == ["Sharp"]

    def test_a_paper_has_a_line_between_benchmarks(self):
        page = paper_page("paper-t2i", [], TableOptions(transpose=True))
        ruled = [row.cells[0].text for row in page.rows if row.ruled]
        assert ruled == ["T2I-CompBench Color", "GenEval Overall", "DPG-Bench Overall", "Ref."]
        for format in ("md", "tex", "html"):
            assert "GenEval Single object" in render(page, format)

    def test_data_are_not_turned(self, two, published):
        options = TableOptions(transpose=True, format="csv")
        assert comparison_table(two, published, options) == comparison_table(two, published)


class TestHtml:
    @pytest.mark.parametrize("runs", [0, 2])
    @pytest.mark.parametrize("name", ["vbench", "paper-t2i", "paper-t2v"])
    def test_the_widest_tables_fit_1300_pixels(self, summary, name, runs):
        """Told by letters: at 12 px one is 7 wide and a line 15 high, in an interval at 10 px 6; Latin text alone."""
        benchmark = {"paper-t2i": "geneval"}.get(name, "vbench")
        config = load_benchmark(benchmark).config
        metrics = tuple(Metric(metric, 0.5, Interval(0.3, 0.6)) for metric in config.metrics)
        run = replace(summary, run=f"{benchmark}/mini-0123abcd", benchmark=benchmark, metrics=metrics)
        several = [run, replace(run, model="nova-d48w1024")][:runs]
        if name == "vbench":
            (page,) = pages(several or [run], TableOptions(baselines="some"))
        else:
            page = paper_page(name, several)
        columns, rows = page.select("page")
        upright = len(columns) > WIDEST
        assert ('class="wide widest"' if upright else 'class="wide"') in render(page, "html")
        width = 12 + 7 * 30  # a model's name
        for place, column in list(enumerate(columns))[1:]:
            cells = [row.cells[place] for row in rows]
            words = [len(word) for line in two_lines(column.title) for word in line.split()]
            title = 15 * len(two_lines(column.title)) if upright else 7 * max(words, default=0)
            spans = [6 * len(word) for cell in cells for word in cell.span.split()]
            width += (8 if upright else 12) + max(title, *(7 * len(cell.text) for cell in cells), *spans)
        assert width <= 1300
