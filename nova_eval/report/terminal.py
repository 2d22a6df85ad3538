"""A table for a terminal of a given width. Wide tables are turned on their side or split, never squeezed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nova_eval.errors import printable
from nova_eval.report.grid import Cell, Column, Table, turned

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WORD = 8
"""Longer words in a numeric column's title are abbreviated to at most this."""

PROSE = 14
"""A text column other than the first may be wrapped down to this."""

GAP = 2
"""Blanks between two columns."""

_PAD = "\ue000"
"""Stands for a blank until the page is laid out, because right justification drops blanks."""


def render_terminal(table: Table, width: int, *, color: bool = False) -> str:
    """The page at ``width`` columns. Emphasis is bold with ``color``, else a star; ends with one line break."""
    from rich.console import Console
    from rich.text import Text

    stream = io.StringIO()
    console = Console(
        file=stream,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    table = _printable(table)
    console.print(Text(table.title, style="bold"))
    for part in _parts(_page(table, color), width):
        console.print()
        console.print(_grid(part, width))
    notes = [f"{'Bold' if color else '*'}: {table.strong_means}"] if table.strong_means else []
    notes += table.footnotes
    if notes:
        console.print()
    for note in notes:
        console.print(Text(note, style="dim"))
    lines = stream.getvalue().replace(_PAD, " ").rstrip().splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _printable(table: Table) -> Table:
    rows = (
        replace(row, cells=tuple(replace(c, text=printable(c.line), span="") for c in row.cells)) for row in table.rows
    )
    columns = (replace(column, title=printable(column.heading), group="") for column in table.columns)
    notes = tuple(printable(note) for note in table.footnotes)
    title = printable(table.title)
    return replace(table, title=title, columns=tuple(columns), rows=tuple(rows), footnotes=notes)


def _page(table: Table, color: bool) -> Table:
    """The page's columns; without color, emphasis becomes a star that keeps its column aligned."""
    columns, rows = table.select("page")
    starred = [not color and any(row.cells[i].strong for row in rows) for i in range(len(columns))]
    return replace(
        table,
        columns=columns,
        rows=tuple(
            replace(row, cells=tuple(_starred(c) if s else c for c, s in zip(row.cells, starred, strict=True)))
            for row in rows
        ),
    )


def _parts(page: Table, width: int) -> list[Table]:
    """The whole table if it fits; else turned, if that fits; else blocks of columns under the same first column."""
    turned = _turn(page)
    page = replace(page, columns=tuple(replace(column, title=_title(column)) for column in page.columns))
    if _needed(page, range(len(page.columns)), width) <= width:
        return [page]
    if _needed(turned, range(len(turned.columns)), width) <= width:
        return [turned]
    rest = list(range(1, len(page.columns)))
    blocks: list[list[int]] = [[]]
    for index in rest:
        if blocks[-1] and _needed(page, [0, *blocks[-1], index], width) > width:
            blocks.append([])
        blocks[-1].append(index)
    size = -(-len(rest) // len(blocks))
    even = [rest[start : start + size] for start in range(0, len(rest), size)]
    if all(_needed(page, [0, *block], width) <= width for block in even):
        blocks = even
    return [_cut(page, [0, *block]) for block in blocks]


def _needed(page: Table, indices: Sequence[int], width: int) -> int:
    return sum(_width(page, index, width) + GAP for index in indices) - GAP


def _width(page: Table, index: int, width: int) -> int:
    """What a column needs: all of a number; of a label up to a third of the page; of other text enough to wrap."""
    from rich.cells import cell_len

    column = page.columns[index]
    longest = max((cell_len(row.cells[index].text) for row in page.rows), default=0)
    if column.align == "left":
        longest = min(longest, max(width // 3, PROSE) if index == 0 else PROSE)
    return max([longest, *(cell_len(line) for line in column.title.split("\n"))])


def _turn(page: Table) -> Table:
    """The page on its side, its headings a word a line."""
    page = turned(page)
    return replace(page, columns=tuple(replace(c, title=c.title.replace(" ", "\n")) for c in page.columns))


def _cut(page: Table, indices: Sequence[int]) -> Table:
    rows = tuple(replace(row, cells=tuple(row.cells[i] for i in indices)) for row in page.rows)
    return replace(page, columns=tuple(page.columns[i] for i in indices), rows=rows)


def _grid(page: Table, width: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for index, column in enumerate(page.columns):
        prose = column.align == "left"
        grid.add_column(
            Text(column.title),
            justify=column.align,
            no_wrap=not prose,
            width=None if prose and index else _width(page, index, width),
            vertical="bottom",
            overflow="fold",
        )
    for row, following in zip(page.rows, [*page.rows, None][1:], strict=True):
        cells = [Text(cell.text, style="bold" if cell.strong else "") for cell in row.cells]
        grid.add_row(*cells, end_section=following is not None and following.ruled)
    return grid


def _starred(cell: Cell) -> Cell:
    return Cell(f"{cell.text}*", cell.datum) if cell.strong else Cell(f"{cell.text}{_PAD}", cell.datum)


def _title(column: Column) -> str:
    """A numeric column's title, one abbreviated word a line; other titles as they are."""
    if column.align == "left":
        return column.title
    return "\n".join(_abbreviated(word) for word in column.title.split())


def _abbreviated(word: str) -> str:
    """Cut after a consonant that stands before a vowel, as dictionaries do: ``consistency`` becomes ``consist.``"""
    if len(word) <= WORD:
        return word
    for end in range(WORD - 1, 2, -1):
        if word[end - 1].lower() not in "aeiou" and word[end].lower() in "aeiouy":
            return f"{word[:end]}."
    return f"{word[: WORD - 1]}."
