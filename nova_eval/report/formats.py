"""One table as Markdown, CSV or LaTeX. Equal tables give equal bytes; every text ends with one line break."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal

from nova_eval.errors import printable, unknown
from nova_eval.report.grid import Cell, Column, Datum, Table
from nova_eval.report.html import to_html

WIDE = 9
"""A LaTeX table of more columns than this spans the page, its notes in the smallest type."""


def render(table: Table, format: str) -> str:
    """``format`` is ``md``, ``csv``, ``tex`` or ``html``."""
    if format not in FORMATS:
        raise unknown("table format", format, FORMATS)
    return FORMATS[format](table)


def to_markdown(table: Table) -> str:
    """A GitHub table under a heading, footnotes as a list."""
    columns, rows = table.select("page")
    lines = [
        f"### {_markdown(table.title)}",
        "",
        _pipes([_markdown(column.title) for column in columns]),
        _pipes(["---:" if column.align == "right" else "---" for column in columns]),
        *(_pipes([_strong(_markdown(c.text), c, "**", "**") for c in row.cells]) for row in rows),
    ]
    notes = [_markdown(note) for note in table.footnotes]
    if table.strong_means:
        notes.insert(0, f"**Bold**: {_markdown(table.strong_means)}")
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def to_csv(table: Table) -> str:
    """RFC 4180 quoting, line feeds: a header of column keys, numbers with every digit, missing cells empty.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    columns, rows = table.select("data")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.key for column in columns])
    writer.writerows([[_datum(cell.datum) for cell in row.cells] for row in rows])
    return text.getvalue()


def to_latex(table: Table) -> str:
    """A ``table`` environment with booktabs rules, shrunk by graphicx where it is wider than the line."""
    columns, rows = table.select("page")
    wide = len(columns) > WIDE
    align = "".join("r" if column.align == "right" else "l" for column in columns)
    environment = "table*" if wide else "table"
    notes = [f"\\textbf{{Bold}}: {_latex(table.strong_means)}"] if table.strong_means else []
    notes += [_latex(note) for note in table.footnotes]
    body = [
        _SHRINK,
        f"\\begin{{tabular}}{{{align}}}",
        "\\toprule",
        _ampersands([_latex_title(c) for c in columns]),
        "\\midrule",
    ]
    for row in rows:
        body += ["\\midrule"] if row.ruled else []
        body.append(_ampersands([_strong(_latex(c.text), c, "\\textbf{", "}") for c in row.cells]))
    body += ["\\bottomrule", "\\end{tabular}}"]
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        f"\\begin{{{environment}}}[tp]",
        "\\centering",
        f"\\caption{{{_latex(table.title)}}}",
        *body,
    ]
    if notes:
        lines += [
            "\\par\\smallskip",
            f"\\begin{{minipage}}{{\\linewidth}}\\{'tiny' if wide else 'footnotesize'}\\raggedright",
        ]
        lines += [f"{note}\\quad" if wide else f"{note}\\par" for note in notes]
        lines += ["\\end{minipage}"]
    return "\n".join([*lines, f"\\end{{{environment}}}"]) + "\n"


_SHRINK = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"

RENDERERS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
"""What every run writes."""

FORMATS = {**RENDERERS, "html": to_html}


def _strong(text: str, cell: Cell, before: str, after: str) -> str:
    return f"{before}{text}{after}" if cell.strong else text


def _pipes(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ampersands(cells: list[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _markdown(text: str) -> str:
    text = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", text)


def _datum(datum: Datum) -> str:
    if datum is None:
        return ""
    if not isinstance(datum, str):
        return f"{datum:f}" if isinstance(datum, Decimal) else str(datum)
    datum = printable(datum)
    formula = datum.startswith(_FORMULA) and not _NUMBER.fullmatch(datum)
    return f"'{datum}" if formula else datum


_FORMULA = ("=", "+", "-", "@", "\t")
"""What a spreadsheet would take for the beginning of one."""

_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


_LATEX = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "%": "\\%",
    "_": "\\_",
    "&": "\\&",
    "#": "\\#",
    "$": "\\$",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "''",
    "`": "\\`{}",
    "[": "{[}",
    "]": "{]}",
    "†": "\\textdagger{}",
    "‡": "\\textdaggerdbl{}",
    "§": "\\S{}",
    "¶": "\\P{}",
    "‖": "$\\|$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": "$\\times$",
    "±": "$\\pm$",
    "≥": "$\\geq$",
    "≤": "$\\leq$",
    "…": "\\ldots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "\u00a0": "~",
}


def _latex(text: str) -> str:
    """Ordinary text for LaTeX; letters beyond ASCII stay UTF-8."""
    text = "".join(_LATEX.get(character, character) for character in " ".join(text.replace("--", "-\0-").split()))
    return text.replace("\0", "{}")


def _latex_title(column: Column) -> str:
    parts = [_latex(word) for word in column.title.split()]
    if len(parts) < 2 or column.align == "left":
        return " ".join(parts)
    stacked = "\\\\".join(parts)
    return f"\\shortstack[r]{{{stacked}}}"
