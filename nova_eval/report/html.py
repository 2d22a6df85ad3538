"""Tables as a page of HTML that stands alone: no script, no outside file, light and dark."""

from __future__ import annotations

from html import escape
from itertools import groupby

from nova_eval.report.grid import Cell, Column, Row, Table, two_lines

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; color-scheme: light dark; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 1.2rem; font-weight: 600; padding-bottom: .6rem; }
th, td { padding: .25rem .7rem; text-align: left; vertical-align: bottom; }
th.right, td.right { text-align: right; }
thead th { border-top: 2px solid; border-bottom: 1px solid; }
tbody tr:last-child td { border-bottom: 2px solid; }
tr.ruled td { border-top: 1px solid; }
thead tr + tr th { border-top: 0; }
th.group { text-align: center; border-bottom: 1px solid; }
.wide { font-size: 12px; }
.wide th, .wide td { padding: .2rem .35rem; }
.span, sub { white-space: nowrap; }
.wide .span { display: block; font-size: 10px; white-space: normal; }
.widest th, .widest td { padding: .2rem 4px; }
.widest th.right { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
.notes { max-width: 70rem; font-size: .85rem; }
"""

WIDE, WIDEST = 9, 16
"""A table of more columns than these has smaller type, and upright headings too: twenty-two fit 1,300 pixels."""


def to_html(table: Table, *more: Table) -> str:
    """The columns of the page, emphasis as ``<strong>``, footnotes as a list. All text is escaped."""
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{escape(table.title)}</title><style>{_STYLE}</style></head>',
        "<body>",
        *(line for one in (table, *more) for line in _table(one)),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def tables_of(*tables: Table) -> str:
    """The tables alone, for a page that has a style of its own, such as a notebook."""
    return "\n".join(line for one in tables for line in _table(one))


def _table(table: Table) -> list[str]:
    columns, rows = table.select("page")
    notes = [f"<strong>Bold</strong>: {escape(table.strong_means)}"] if table.strong_means else []
    notes += [escape(note) for note in table.footnotes]
    style = "wide widest" if len(columns) > WIDEST else "wide" if len(columns) > WIDE else ""
    opening = f'<table class="{style}">' if style else "<table>"
    titles = "".join(_cell("th", column, _title(column)) for column in columns)
    lines = [
        f"{opening}<caption>{escape(table.title)}</caption>",
        f"<thead>{_groups(columns)}<tr>{titles}</tr></thead>",
        "<tbody>",
        *(_row(row, columns, table.lowered) for row in rows),
        "</tbody></table>",
    ]
    if notes:
        lines += ['<ul class="notes">', *(f"<li>{note}</li>" for note in notes), "</ul>"]
    return lines


def _row(row: Row, columns: tuple[Column, ...], lowered: bool) -> str:
    cells = [_cell("td", column, _text(cell, lowered)) for column, cell in zip(columns, row.cells, strict=True)]
    opening = '<tr class="ruled">' if row.ruled else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _groups(columns: tuple[Column, ...]) -> str:
    """The line of what neighbouring columns have in common; nothing without groups."""
    if not any(column.group for column in columns):
        return ""
    runs = [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
    cells = (
        f'<th class="group" colspan="{number}">{escape(group)}</th>' if group else "<th></th>" * number
        for group, number in runs
    )
    return f"<tr>{''.join(cells)}</tr>"


def _title(column: Column) -> str:
    if column.align == "left":
        return escape(column.title)
    return "<br>".join(escape(line) for line in two_lines(column.title))


def _text(cell: Cell, lowered: bool) -> str:
    text = f"<strong>{escape(cell.text)}</strong>" if cell.strong else escape(cell.text)
    span = f"<sub>{escape(cell.span)}</sub>" if lowered else f'<span class="span">{escape(cell.span)}</span>'
    return f"{text} {span}" if cell.span else text


def _cell(tag: str, column: Column, content: str) -> str:
    opening = f'<{tag} class="right">' if column.align == "right" else f"<{tag}>"
    return f"{opening}{content}</{tag}>"
