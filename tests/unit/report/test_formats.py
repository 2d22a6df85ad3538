"""Small tables written by hand in each format, and what escaping must survive."""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

import pytest

from nova_eval.errors import UsageError
from nova_eval.report.comparison import comparison_table
from nova_eval.report.formats import RENDERERS, render, to_csv, to_latex, to_markdown
from nova_eval.report.grid import Cell, Column, Row, Table
from nova_eval.report.tables import run_table
from nova_eval.report.terminal import render_terminal

SMALL = Table(
    title="A | B",
    columns=(
        Column("model", "Model"),
        Column("value", "Value (%)", "right"),
        Column("span", "95% interval", "right", "page"),
        Column("low", "Low", "right", "data"),
        Column("note", "Note", place="data"),
    ),
    rows=(
        Row(
            (
                Cell("a_1 †", "a_1"),
                Cell("78.10", Decimal("78.10"), strong=True),
                Cell("± 1.00"),
                Cell("", Decimal("77.1")),
                Cell("", 'says "no", twice'),
            )
        ),
        Row((Cell("b|c", "b|c"), Cell("–"), Cell(""), Cell(""), Cell("")), ruled=True),
    ),
    footnotes=("† 100 % of C:\\dir & more.",),
    strong_means="best",
)


class TestGolden:
    def test_markdown(self):
        assert to_markdown(SMALL) == (
            "### A \\| B\n"
            "\n"
            "| Model | Value (%) | 95% interval |\n"
            "| --- | ---: | ---: |\n"
            "| a\\_1 † | **78.10** | ± 1.00 |\n"
            "| b\\|c | – |  |\n"
            "\n"
            "- **Bold**: best\n"
            "- † 100 % of C:\\\\dir &amp; more.\n"
        )

    def test_csv(self):
        assert to_csv(SMALL) == ('model,value,low,note\na_1,78.10,77.1,"says ""no"", twice"\nb|c,,,\n')

    def test_latex(self):
        assert to_latex(SMALL) == (
            "% \\usepackage{booktabs,graphicx}\n"
            "\\begin{table}[tp]\n"
            "\\centering\n"
            "\\caption{A \\textbar{} B}\n"
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
            "\\begin{tabular}{lrr}\n"
            "\\toprule\n"
            "Model & \\shortstack[r]{Value\\\\(\\%)} & \\shortstack[r]{95\\%\\\\interval} \\\\\n"
            "\\midrule\n"
            "a\\_1 \\textdagger{} & \\textbf{78.10} & $\\pm$ 1.00 \\\\\n"
            "\\midrule\n"
            "b\\textbar{}c & -- &  \\\\\n"
            "\\bottomrule\n"
            "\\end{tabular}}\n"
            "\\par\\smallskip\n"
            "\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\n"
            "\\textbf{Bold}: best\\par\n"
            "\\textdagger{} 100 \\% of C:\\textbackslash{}dir \\& more.\\par\n"
            "\\end{minipage}\n"
            "\\end{table}\n"
        )

    def test_terminal(self):
        assert render_terminal(SMALL, 60) == (
            "A | B\n"
            "\n"
            "        Value       95%\n"
            "Model     (%)  interval\n"
            "───────────────────────\n"
            "a_1 †  78.10*    ± 1.00\n"
            "\n"
            "b|c        –\n"
            "\n"
            "*: best\n"
            "† 100 % of C:\\dir & more.\n"
        )


class TestEscaping:
    HOSTILE = 'a|b_c%d&e#f~g^h\\i{j}$k <b> [l] `m` "n" *o* --p\nq'

    def _table(self):
        return Table(
            self.HOSTILE, (Column("x", self.HOSTILE),), (Row((Cell(self.HOSTILE, self.HOSTILE),)),), (self.HOSTILE,)
        )

    def test_latex_leaves_no_configial_character_bare_and_balances_braces(self):
        text = to_latex(self._table())
        body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
        assert body == (
            "a\\textbar{}b\\_c\\%d\\&e\\#f\\textasciitilde{}g\\textasciicircum{}h\\textbackslash{}i\\{j\\}\\$k "
            "\\textless{}b\\textgreater{} {[}l{]} \\`{}m\\`{} ''n'' *o* -{}-p q \\\\\n"
        )
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")

    def test_markdown_keeps_one_row_and_no_markup(self):
        lines = to_markdown(self._table()).splitlines()
        assert lines[4] == ('| a\\|b\\_c%d&amp;e#f\\~g^h\\\\i{j}\\$k &lt;b> \\[l\\] \\`m\\` "n" \\*o\\* --p q |')

    def test_csv_comes_back_as_it_went(self):
        assert list(csv.reader(io.StringIO(to_csv(self._table()), newline="")))[1] == [self.HOSTILE]

    def test_unknown_format_names_the_nearest(self):
        with pytest.raises(UsageError, match="did you mean 'tex'"):
            render(SMALL, "texx")


class TestRoundTrip:
    def test_a_run_comes_back_from_csv_bit_for_bit(self, summary, config):
        rows = list(csv.DictReader(io.StringIO(to_csv(run_table(summary, config)))))
        back = {row["metric"]: row for row in rows}
        assert len(back) == len(summary.metrics)
        for metric in summary.metrics:
            row = back[metric.name]
            assert (float(Decimal(row["value"]).scaleb(-2)) if row["value"] else None) == metric.value
            bounds = [float(Decimal(row[end]).scaleb(-2)) if row[end] else None for end in ("low", "high")]
            assert bounds == (list(metric.interval) if metric.interval else [None, None])
            assert int(row["samples"] or 0) == metric.samples
            assert (row["source"], row["note"]) == (summary.run, metric.reason)

    def test_published_numbers_come_back_digit_for_digit(self, summary, published):
        rows = list(csv.DictReader(io.StringIO(to_csv(comparison_table([summary], published)))))
        assert [row["model"] for row in rows] == ["mini", "Plain & Co_1", "Rewriter", "Odd"]
        assert rows[1]["sharp"] == "50.10"
        assert rows[1]["total"] == "48.9"
        assert rows[1]["steady"] == ""
        assert [row["source"] for row in rows] == ["toy/mini-0123abcd", "Paper, Table 1", "Paper, Table 1", "Blog"]
        assert rows[2]["note"] == "rewritten prompts"


class TestEveryFormat:
    @pytest.mark.parametrize("format", sorted(RENDERERS))
    def test_equal_tables_give_equal_bytes_and_one_final_line_break(self, format, summary, published):
        first = render(comparison_table([summary], published), format)
        assert first == render(comparison_table([summary], published), format)
        assert first.endswith("\n")
        assert not first.endswith("\n\n")
        assert "nan" not in first.lower()
        assert "None" not in first

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_terminal_too(self, width, summary, published):
        table = comparison_table([summary], published)
        text = render_terminal(table, width)
        assert text == render_terminal(table, width)
        assert text.endswith("\n")
        assert max(len(line) for line in text.splitlines()) <= width
