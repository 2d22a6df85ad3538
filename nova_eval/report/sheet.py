"""Runs and published rows side by side, before they have cells: one table for a comparison and for a paper's preset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from nova_eval.report.grid import MISSING, Cell, Column, Table, Unit, build, rounded, shown, words
from nova_eval.report.numbers import CONTRADICTS, DIFFERS, PARTIAL, UNSTATED, UNVERIFIED, Numbers

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


@dataclass(frozen=True, slots=True)
class Section:
    """The columns of one benchmark. ``unit`` and ``decimals`` are the table's, not the benchmark's."""

    config: BenchmarkConfig
    title: str
    metrics: tuple[str, ...]
    unit: Unit
    decimals: int

    @property
    def name(self) -> str:
        return self.config.name

    def value(self, one: Numbers, metric: str) -> Decimal:
        """A value in the benchmark's unit in the table's: only the decimal point moves."""
        places = {"fraction": 0, "percent": 2}
        return one.values[metric].scaleb(places[self.unit] - places[self.config.report.unit])


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: what a model has in each benchmark that it has numbers of."""

    label: str
    kind: Literal["run", "published"]
    numbers: Mapping[str, Numbers]
    group: str = ""
    params_b: Decimal | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> str:
        """The marks of all its numbers, each once."""
        found = {mark for one in self.numbers.values() for mark in one.marks}
        return "".join(mark for mark in (DIFFERS, UNSTATED, CONTRADICTS, UNVERIFIED) if mark in found)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that a table of rows side by side is made of.

    A paper's sheet has several benchmarks: its columns and remarks say of which, contradictions are marked at the
    number, and ``facts`` are the titles of columns that hold no score.
    """

    title: str
    parts: tuple[Section, ...]
    lines: tuple[Line, ...]
    paper: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)

    def numbers(self, part: Section) -> Iterator[tuple[Line, Numbers]]:
        """Who has numbers in one benchmark, and which."""
        for line in self.lines:
            if part.name in line.numbers:
                yield line, line.numbers[part.name]

    @property
    def published(self) -> list[Line]:
        return [line for line in self.lines if line.kind == "published"]

    @property
    def sources(self) -> list[str]:
        """Where the published rows were printed, each once."""
        return list(dict.fromkeys(one.source for line in self.published for one in line.numbers.values()))


def side_by_side(sheet: Sheet, footnotes: Sequence[str]) -> Table:
    """The table: only unmarked numbers compete for the best value, at the precision shown."""
    best = {(part.name, name): _best(sheet, part, name) for part in sheet.parts for name in part.metrics}
    with_published: Literal["both", "data"] = "both" if sheet.published else "data"
    lines = sheet.lines
    sections = [(line.kind, line.group) for line in lines]
    fields: list[tuple[Column, Callable[[Line], Cell]]] = [
        (Column("model", "Model"), lambda line: Cell(f"{line.label} {_line_marks(line, sheet)}".strip(), line.label)),
        (Column("kind", "Kind", place="data"), lambda line: words(line.kind)),
        (Column("group", "Group", place="data"), lambda line: words(line.group)),
        (Column("params_b", "Params (B)", "right", with_published), _params),
        *((Column(key, title, "right", with_published), _fact(key)) for key, title in sheet.facts.items()),
        *(
            (_score_column(sheet, part, name), _score(sheet, part, name, best[part.name, name]))
            for part in sheet.parts
            for name in part.metrics
        ),
        (Column("unit", "Unit", place="data"), lambda line: words(sheet.parts[0].unit)),
        (Column("source", "Source", place="data"), _sources),
        (Column("reference", "Ref.", "right", "page" if sheet.published else "data"), _references(sheet)),
        (Column("note", "Note", place="data"), lambda line: words("; ".join(_remarks(line, sheet)))),
    ]
    unused = "unit" if sheet.paper else "group"
    return build(
        sheet.title,
        [(column, cell) for column, cell in fields if column.key != unused],
        lines,
        ruled={place for place in range(1, len(lines)) if sections[place] != sections[place - 1]},
        footnotes=footnotes,
        strong_means="best of the unmarked rows" if any(value is not None for value in best.values()) else "",
    )


def reference_notes(sheet: Sheet) -> list[str]:
    return [f"[{number}] {source}" for number, source in enumerate(sheet.sources, 1)]


def closed_note(variant: str) -> str:
    return f"Published numbers are not shown beside {variant} prompts."


def _best(sheet: Sheet, part: Section, name: str) -> Decimal | None:
    """The best value as shown, if at least two compete and they do not all tie."""
    competing = [one for _, one in sheet.numbers(part) if one.comparable(name)]
    values = {shown(part.value(one, name), part.decimals) for one in competing}
    if len(values) < 2:
        return None
    known = part.config.dimensions.get(name)
    return max(values) if known is None or known.higher_is_better else min(values)


def _line_marks(line: Line, sheet: Sheet) -> str:
    return line.marks.replace(CONTRADICTS, "") if sheet.paper else line.marks


def _params(line: Line) -> Cell:
    return Cell("" if line.params_b is None else f"{line.params_b:f}", line.params_b)


def _fact(key: str) -> Callable[[Line], Cell]:
    return lambda line: words(line.facts.get(key, ""))


def _score_column(sheet: Sheet, part: Section, name: str) -> Column:
    title = part.config.label(name)
    if len(sheet.parts) > 1:
        title = f"{part.title} {title}"
    return Column(f"{part.name}.{name}" if sheet.paper else name, title, "right")


def _score(sheet: Sheet, part: Section, name: str, best: Decimal | None) -> Callable[[Line], Cell]:
    def cell(line: Line) -> Cell:
        one = line.numbers.get(part.name)
        if one is None or name not in one.values:
            return Cell(MISSING)
        value = part.value(one, name)
        text = f"{value:f}" if line.kind == "published" else rounded(value, part.decimals)
        text += f" {PARTIAL}" * (name in one.partial)
        text += f" {CONTRADICTS}" * (sheet.paper and any(wrong.name == name for wrong in one.contradictions))
        return Cell(text, value, one.comparable(name) and shown(value, part.decimals) == best)

    return cell


def _sources(line: Line) -> Cell:
    return words("; ".join(dict.fromkeys(one.source for one in line.numbers.values())))


def _references(sheet: Sheet) -> Callable[[Line], Cell]:
    places = {source: number for number, source in enumerate(sheet.sources, 1)}

    def cell(line: Line) -> Cell:
        found = {places[one.source] for one in line.numbers.values()} if line.kind == "published" else ()
        return Cell("".join(f"[{place}]" for place in sorted(found)))

    return cell


def _remarks(line: Line, sheet: Sheet) -> list[str]:
    return [
        f"{part.title}: {remark}" if sheet.paper else remark
        for part in sheet.parts
        if part.name in line.numbers
        for remark in line.numbers[part.name].remarks
    ]
