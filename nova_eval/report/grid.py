"""A table before it has a format: columns, rows of cells, footnotes; and how numbers become text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Literal, TypeAlias, TypeVar

from nova_eval.records import Interval

MISSING = "–"

Datum: TypeAlias = str | int | Decimal | None
Unit: TypeAlias = Literal["percent", "fraction"]

T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Column:
    """``place`` says where it appears: on the ``page`` (terminal, Markdown, LaTeX), in the ``data`` (CSV), or both.

    ``group`` is what neighbouring columns have in common: a line of its own above their titles, where there is room.
    """

    key: str
    title: str
    align: Literal["left", "right"] = "left"
    place: Literal["both", "page", "data"] = "both"
    group: str = ""

    @property
    def heading(self) -> str:
        """Group and title in one line."""
        return f"{self.group} {self.title}".strip()


@dataclass(frozen=True, slots=True)
class Cell:
    """``text`` for the page and ``datum``, at full precision, for the data. ``strong`` is emphasised on the page.

    ``span`` is an interval that follows the text.
    """

    text: str
    datum: Datum = None
    strong: bool = False
    span: str = ""

    @property
    def line(self) -> str:
        """All of it as plain text."""
        return f"{self.text} {self.span}" if self.span else self.text


@dataclass(frozen=True, slots=True)
class Row:
    """Cells in the order of the columns; ``ruled`` draws a line above the row."""

    cells: tuple[Cell, ...]
    ruled: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """``strong_means`` explains the emphasis, where there is any. Every row has a cell for every column.

    ``key`` is what a LaTeX document refers to; intervals are ``lowered`` to subscripts where there are any.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    strong_means: str = ""
    key: str = ""
    lowered: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"{self.title}: a row of {len(row.cells)} cells under {len(self.columns)} columns")

    def select(self, place: Literal["page", "data"]) -> tuple[tuple[Column, ...], tuple[Row, ...]]:
        """The columns of one place, and the rows cut to them."""
        kept = [i for i, column in enumerate(self.columns) if column.place in ("both", place)]
        rows = tuple(Row(tuple(row.cells[i] for i in kept), row.ruled) for row in self.rows)
        return tuple(self.columns[i] for i in kept), rows


def build(
    title: str,
    fields: Sequence[tuple[Column, Callable[[T], Cell]]],
    subjects: Sequence[T],
    *,
    ruled: Collection[int] = (),
    footnotes: Sequence[str] = (),
    strong_means: str = "",
) -> Table:
    """The table with a row a subject: each column with what it says of one. ``ruled``: rows under a line, from 0."""
    rows = [
        Row(tuple(cell(subject) for _, cell in fields), ruled=place in ruled) for place, subject in enumerate(subjects)
    ]
    return Table(title, tuple(column for column, _ in fields), tuple(rows), tuple(footnotes), strong_means)


def turned(table: Table) -> Table:
    """The page on its side: a column for each row, a row for each column after the first, a line between groups."""
    columns, rows = table.select("page")
    heads = (Column(f"row {place}", row.cells[0].text, "right") for place, row in enumerate(rows))
    groups = [column.group for column in columns]
    sides = tuple(
        Row((Cell(column.heading), *(row.cells[place] for row in rows)), ruled=place > 1 and groups[place - 1] != group)
        for place, (column, group) in enumerate(zip(columns, groups, strict=True))
        if place
    )
    return replace(table, columns=(Column("name", ""), *heads), rows=sides)


def two_lines(title: str) -> list[str]:
    """The words of a heading in at most two lines of about one length."""
    parts = title.split()
    cuts = [[" ".join(parts[:cut]), " ".join(parts[cut:])] for cut in range(1, len(parts))]
    return min(cuts, key=lambda lines: max(map(len, lines))) if cuts else parts


def words(text: str) -> Cell:
    """A cell whose text is its datum; empty text is a missing datum."""
    return Cell(text, text or None)


def count(number: int | None) -> Cell:
    return Cell(MISSING if number is None else str(number), number)


def gathered(pairs: Iterable[tuple[K, str]]) -> dict[K, list[str]]:
    """What each key says, keys in the order in which they first come: notes name everyone they are about once."""
    found: dict[K, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def in_unit(value: float, unit: Unit) -> Decimal:
    """A raw value in the reporting unit, with every digit it has: only the decimal point moves."""
    exact = Decimal(repr(float(value)))
    return exact.scaleb(2) if unit == "percent" else exact


def rounded(value: Decimal, decimals: int) -> str:
    """Half-even to ``decimals`` places, with a typographic minus."""
    text = f"{shown(value, decimals):f}"
    return text.replace("-", "−") if text.strip("-0.") else text.lstrip("-")


def shown(value: Decimal, decimals: int) -> Decimal:
    """The value at the precision of the page."""
    return value.quantize(Decimal(1).scaleb(-decimals))


def intervals(given: list[Interval | None], values: list[float | None], unit: Unit, decimals: int) -> list[str]:
    """Each as ``± half-width`` if all are, as displayed, symmetric about their values; else as ``[low, high]``."""
    half_widths: list[str] = []
    brackets: list[str] = []
    symmetric = True
    for interval, value in zip(given, values, strict=True):
        if interval is None or value is None:
            half_widths.append("")
            brackets.append("")
            continue
        low, centre, high = (in_unit(v, unit) for v in (interval.low, value, interval.high))
        symmetric = symmetric and abs((high - centre) - (centre - low)) < Decimal(1).scaleb(-decimals)
        half_widths.append(f"± {rounded((high - low) / 2, decimals)}")
        brackets.append(f"[{rounded(low, decimals)}, {rounded(high, decimals)}]")
    return half_widths if symmetric else brackets


def share(part: int, whole: int) -> str:
    """A percentage rounded down to one decimal, so that 100 means all."""
    if whole == 0:
        return MISSING
    percent = (Decimal(100 * part) / Decimal(whole)).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)
    return "100 %" if part == whole else f"{percent} %"
