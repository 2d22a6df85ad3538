"""Runs and published rows side by side, before they have cells: one table for a comparison and for a paper's preset."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from nova_eval.records import Metric
from nova_eval.report.grid import (
    MISSING,
    Cell,
    Column,
    Table,
    Unit,
    build,
    in_unit,
    intervals,
    rounded,
    shown,
    turned,
    words,
)
from nova_eval.report.numbers import CONTRADICTS, DEPARTS, DIFFERS, PARTIAL, UNSTATED, UNVERIFIED, Numbers
from nova_eval.report.options import USUAL, TableOptions

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


_BEST = "best of the unmarked rows"
_BEST_OF_RUNS = f"{_BEST}, by more than chance"

Established: TypeAlias = "Callable[[BenchmarkConfig, Metric, Metric], bool]"
"""Whether two runs differ in a metric by more than chance, compared prompt by prompt."""


def unpaired(config: BenchmarkConfig, one: Metric, other: Metric) -> bool:
    """Nothing is known of differences by prompt: none is established."""
    return False


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
        return "".join(mark for mark in (DIFFERS, DEPARTS, UNSTATED, CONTRADICTS, UNVERIFIED) if mark in found)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that a table of rows side by side is made of.

    A paper's sheet has several benchmarks: its columns and remarks say of which, contradictions are marked at the
    number, and ``facts`` are the titles of columns that hold no score. ``options`` say what the page looks like, and
    ``established`` which differences between two runs are more than chance.
    """

    title: str
    parts: tuple[Section, ...]
    lines: tuple[Line, ...]
    paper: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    options: TableOptions = USUAL
    established: Established = unpaired

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
    """The table: only unmarked numbers compete for the best value, at the precision shown.

    The best of them is emphasised where it is better by more than chance: between runs by ``sheet.established``,
    between a run and a published number where that lies outside the run's interval.
    """
    columns = [(part, name) for part in sheet.parts for name in part.metrics]
    best = {(part.name, name): _best(sheet, part, name) for part, name in columns}
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
            field
            for part, name in columns
            for field in (
                (_score_column(sheet, part, name), _score(sheet, part, name, best[part.name, name])),
                *_bounds(sheet, part, name),
            )
        ),
        (Column("unit", "Unit", place="data"), lambda line: words(sheet.parts[0].unit)),
        (Column("source", "Source", place="data"), _sources),
        (Column("reference", "Ref.", "right", "page" if sheet.published else "data"), _references(sheet)),
        (Column("note", "Note", place="data"), lambda line: words("; ".join(_remarks(line, sheet)))),
    ]
    unused = "unit" if sheet.paper else "group"
    runs_compete = any(line.kind == "run" for lines_best in best.values() for line in lines_best)
    page = build(
        sheet.options.caption or sheet.title,
        [(column, cell) for column, cell in fields if column.key != unused],
        lines,
        ruled={place for place in range(1, len(lines)) if sections[place] != sections[place - 1]},
        footnotes=footnotes,
        strong_means="" if not any(best.values()) else _BEST_OF_RUNS if runs_compete else _BEST,
    )
    page = replace(page, key=sheet.options.key, lowered=sheet.options.intervals == "lowered")
    return turned(page) if sheet.options.transpose and sheet.options.format != "csv" else page


def reference_notes(sheet: Sheet) -> list[str]:
    return [f"[{number}] {source}" for number, source in enumerate(sheet.sources, 1)]


def closed_note(variant: str) -> str:
    return f"Published numbers are not shown beside {variant} prompts."


def _best(sheet: Sheet, part: Section, name: str) -> list[Line]:
    """The lines of the best value as shown, where another is worse, and all others are by more than chance."""
    competing = [(line, one) for line, one in sheet.numbers(part) if one.comparable(name)]
    values = [shown(part.value(one, name), _decimals(sheet, part)) for _, one in competing]
    if len(set(values)) < 2:
        return []
    known = part.config.dimensions.get(name)
    top = max(values) if known is None or known.higher_is_better else min(values)
    first = [pair for pair, value in zip(competing, values, strict=True) if value == top]
    others = [pair for pair, value in zip(competing, values, strict=True) if value != top]
    sure = all(_differ(sheet, part, name, one, other) for _, one in first for _, other in others)
    return [line for line, _ in first] if sure else []


def _differ(sheet: Sheet, part: Section, name: str, one: Numbers, other: Numbers) -> bool:
    ours, theirs = one.metrics.get(name), other.metrics.get(name)
    if ours is None and theirs is None:  # published numbers are taken as they are
        return True
    if ours is not None and theirs is not None:
        return sheet.established(part.config, ours, theirs)
    run, published = (ours, other) if ours is not None else (theirs, one)
    if run is None or run.interval is None:
        return False
    value = published.values[name]
    return (
        not in_unit(run.interval.low, part.config.report.unit)
        <= value
        <= in_unit(run.interval.high, part.config.report.unit)
    )


def _decimals(sheet: Sheet, part: Section) -> int:
    return part.decimals if sheet.options.digits is None else sheet.options.digits


def _line_marks(line: Line, sheet: Sheet) -> str:
    return line.marks.replace(CONTRADICTS, "") if sheet.paper else line.marks


def _params(line: Line) -> Cell:
    return Cell("" if line.params_b is None else f"{line.params_b:f}", line.params_b)


def _fact(key: str) -> Callable[[Line], Cell]:
    return lambda line: words(line.facts.get(key, ""))


def _score_column(sheet: Sheet, part: Section, name: str) -> Column:
    key = f"{part.name}.{name}" if sheet.paper else name
    return Column(key, part.config.label(name), "right", group=part.title if len(sheet.parts) > 1 else "")


def _score(sheet: Sheet, part: Section, name: str, best: Collection[Line]) -> Callable[[Line], Cell]:
    decimals = _decimals(sheet, part)
    spans = _spans(sheet, part, name) if sheet.options.intervals != "none" else {}

    def cell(line: Line) -> Cell:
        one = line.numbers.get(part.name)
        if one is None or name not in one.values:
            return Cell(MISSING)
        value = part.value(one, name)
        printed = line.kind == "published" and sheet.options.digits is None
        text = f"{value:f}" if printed else rounded(value, decimals)
        span = spans.get(line.label, "") if line.kind == "run" else ""
        text += f" {PARTIAL}" * (name in one.partial)
        text += f" {CONTRADICTS}" * (sheet.paper and any(wrong.name == name for wrong in one.contradictions))
        return Cell(text, value, line in best, span)

    return cell


def _spans(sheet: Sheet, part: Section, name: str) -> dict[str, str]:
    """The interval of each run that has one, in one form for all."""
    found = {line.label: one.metrics[name] for line, one in sheet.numbers(part) if name in one.metrics}
    given, values = [m.interval for m in found.values()], [m.value for m in found.values()]
    return dict(zip(found, intervals(given, values, part.unit, _decimals(sheet, part)), strict=True))


def _bounds(sheet: Sheet, part: Section, name: str) -> list[tuple[Column, Callable[[Line], Cell]]]:
    """Columns of the data for both ends of intervals, where any run has one."""
    if not any(name in one.metrics and one.metrics[name].interval for _, one in sheet.numbers(part)):
        return []

    def bound(end: Literal["low", "high"]) -> Callable[[Line], Cell]:
        def cell(line: Line) -> Cell:
            one = line.numbers.get(part.name)
            metric = one.metrics.get(name) if one is not None else None
            interval = None if metric is None else metric.interval
            return Cell("", None if interval is None else in_unit(getattr(interval, end), part.unit))

        return cell

    key = f"{part.name}.{name}" if sheet.paper else name
    ends: tuple[Literal["low", "high"], ...] = ("low", "high")
    return [(Column(f"{key}.{end}", end.capitalize(), "right", "data"), bound(end)) for end in ends]


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
