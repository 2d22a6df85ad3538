"""One table as Markdown, CSV or any format by its name. Equal tables give equal bytes and end with one line break."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from decimal import Decimal

from nova_eval.errors import printable, unknown
from nova_eval.report.grid import Cell, Datum, Table
from nova_eval.report.html import to_html
from nova_eval.report.latex import to_latex


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
        _pipes([_markdown(column.heading) for column in columns]),
        _pipes(["---:" if column.align == "right" else "---" for column in columns]),
        *(_pipes([_cell(cell, table.lowered) for cell in row.cells]) for row in rows),
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


RENDERERS: dict[str, Callable[[Table], str]] = {"md": to_markdown, "csv": to_csv, "tex": to_latex}
"""What every run writes."""

FORMATS = {**RENDERERS, "html": to_html}


def _cell(cell: Cell, lowered: bool) -> str:
    text = f"**{_markdown(cell.text)}**" if cell.strong else _markdown(cell.text)
    span = f"<sub>{_markdown(cell.span)}</sub>" if lowered and cell.span else _markdown(cell.span)
    return f"{text} {span}" if span else text


def _pipes(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
