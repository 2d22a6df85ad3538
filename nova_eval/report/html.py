"""Tables as a page of HTML that stands alone: no script, no outside file, light and dark."""

from __future__ import annotations

from html import escape

from nova_eval.report.grid import Column, Row, Table

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; color-scheme: light dark; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 1.2rem; font-weight: 600; padding-bottom: .6rem; }
th, td { padding: .25rem .7rem; text-align: left; vertical-align: bottom; }
th.right, td.right { text-align: right; }
thead th { border-top: 2px solid; border-bottom: 1px solid; }
tbody tr:last-child td { border-bottom: 2px solid; }
tr.ruled td { border-top: 1px solid; }
.notes { max-width: 70rem; font-size: .85rem; }
"""


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


def _table(table: Table) -> list[str]:
    columns, rows = table.select("page")
    notes = [f"<strong>Bold</strong>: {escape(table.strong_means)}"] if table.strong_means else []
    notes += [escape(note) for note in table.footnotes]
    lines = [
        f"<table><caption>{escape(table.title)}</caption>",
        f"<thead><tr>{''.join(_cell('th', column, escape(column.title)) for column in columns)}</tr></thead>",
        "<tbody>",
        *(_row(row, columns) for row in rows),
        "</tbody></table>",
    ]
    if notes:
        lines += ['<ul class="notes">', *(f"<li>{note}</li>" for note in notes), "</ul>"]
    return lines


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    cells = [
        _cell("td", column, f"<strong>{escape(cell.text)}</strong>" if cell.strong else escape(cell.text))
        for column, cell in zip(columns, row.cells, strict=True)
    ]
    opening = '<tr class="ruled">' if row.ruled else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _cell(tag: str, column: Column, content: str) -> str:
    opening = f'<{tag} class="right">' if column.align == "right" else f"<{tag}>"
    return f"{opening}{content}</{tag}>"
