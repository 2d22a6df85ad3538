"""Tables of papers: columns of several benchmarks side by side, published rows under the paper's names, runs joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from nova_eval.errors import UsageError, unknown
from nova_eval.records import RunSummary
from nova_eval.report.baselines import BaselineRow, contradictions, select_baselines
from nova_eval.report.entries import (
    CONTRADICTS,
    DIFFERS,
    PARTIAL,
    UNSTATED,
    UNVERIFIED,
    Entry,
    contradicted,
    published_entry,
    run_entry,
)
from nova_eval.report.grid import MISSING, Cell, Column, Row, Table, rounded, share, words
from nova_eval.report.spec import ReportSpec
from nova_eval.report.tables import run_notes

Entries: TypeAlias = Mapping[str, Entry]  # by benchmark


@dataclass(frozen=True, slots=True)
class Part:
    """The columns of one benchmark. ``unit`` and ``decimals`` are the table's, not the benchmark's."""

    benchmark: str
    title: str
    metrics: tuple[str, ...]
    unit: Literal["percent", "fraction"]
    decimals: int


@dataclass(frozen=True, slots=True)
class PresetRow:
    """One published model: ``published`` names its row in each benchmark's baselines, ``facts`` what else is known."""

    label: str
    group: str
    published: Mapping[str, str]
    params_b: Decimal | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preset:
    """``facts`` are the titles of columns that hold no score."""

    name: str
    title: str
    parts: tuple[Part, ...]
    rows: tuple[PresetRow, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the table: one entry a benchmark that it has numbers of."""

    label: str
    kind: str
    entries: Entries
    group: str = ""
    params_b: Decimal | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> str:
        """The marks of all parts but that of contradictions, which stands at the number."""
        found = {mark for entry in self.entries.values() for mark in entry.marks} - {CONTRADICTS}
        return "".join(mark for mark in (DIFFERS, UNSTATED, UNVERIFIED) if mark in found)


def load_preset(content: Mapping[str, Any], name: str) -> Preset:
    """The preset called ``name`` of what a presets file holds."""
    if name not in content:
        raise unknown("preset", name, content)
    found = content[name]
    try:
        parts = tuple(Part(**{**part, "metrics": tuple(part["metrics"])}) for part in found["parts"])
        rows = tuple(
            PresetRow(**{**row, "params_b": Decimal(row["params_b"]) if "params_b" in row else None})
            for row in found["rows"]
        )
        return Preset(name, found["title"], parts, rows, found.get("facts", {}))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise UsageError(f"preset {name!r} has another form: {error!r}") from error


def preset_table(
    preset: Preset,
    specs: Mapping[str, ReportSpec],
    published: Mapping[str, Sequence[BaselineRow]],
    summaries: Sequence[RunSummary] = (),
) -> Table:
    """Published rows in the preset's order, then runs, those of one model and prompts joined in one row.

    The first run of a benchmark sets the protocol that its other numbers are held against; without one it is the
    benchmark's own. Marks are those of ``comparison_table``; a composite that its dimensions contradict is marked
    itself, and a footnote says what they give. Only unmarked numbers compete for the best.
    """
    _check(preset, specs, summaries)
    first: dict[str, RunSummary] = {}
    for summary in summaries:
        first.setdefault(summary.benchmark, summary)
    closed = [s for s in first.values() if not specs[s.benchmark].variant(s.variant).baselines]
    lines = [] if closed else [_published_line(row, preset, specs, published, first) for row in preset.rows]
    count = len(lines)
    lines += _run_lines(summaries, first, specs)
    wrong = {
        (row.label, part.benchmark, found.name)
        for row in ([] if closed else preset.rows)
        for part in preset.parts
        for baseline in _baselines(row, part.benchmark, published)
        for found in contradictions(baseline, specs[part.benchmark])
    }
    best = {(part.benchmark, name): _best(lines, part, name, specs) for part in preset.parts for name in part.metrics}
    sources = list(dict.fromkeys(e.source for line in lines[:count] for e in line.entries.values()))
    rows = []
    for place, line in enumerate(lines):
        ruled = place > 0 and (line.kind, line.group) != (lines[place - 1].kind, lines[place - 1].group)
        rows.append(Row(_cells(line, preset, specs, wrong=wrong, best=best, sources=sources), ruled=ruled))
    notes = [*_footnotes(lines, preset, specs, first), *_contradictions(preset, specs, published, bool(closed))]
    notes += _remarks([] if closed else preset.rows, preset, published)
    notes += [note for summary in summaries for note in _run_lines_of(summary, specs[summary.benchmark])]
    notes += [f"[{number}] {source}" for number, source in enumerate(sources, 1)]
    if closed:
        notes.append(f"Published numbers are not shown beside {closed[0].variant} prompts.")
    return Table(
        preset.title,
        _columns(preset, specs, "both" if count else "data"),
        tuple(rows),
        tuple(dict.fromkeys(notes)),
        "best of the unmarked rows" if any(value is not None for value in best.values()) else "",
    )


def _check(preset: Preset, specs: Mapping[str, ReportSpec], summaries: Sequence[RunSummary]) -> None:
    known = [part.benchmark for part in preset.parts]
    for summary in summaries:
        if summary.benchmark not in known:
            raise UsageError(
                f"{summary.run} ran {summary.benchmark}, which {preset.name} has no column of",
                remedy=f"its columns are of {', '.join(known)}",
            )
    variants = {s.variant for s in summaries}
    opened = {s.variant for s in summaries if specs[s.benchmark].variant(s.variant).baselines}
    if opened and variants - opened:
        raise UsageError(
            f"runs over {', '.join(sorted(variants))} prompts do not compare", remedy="make a table for each"
        )


def _published_line(
    row: PresetRow,
    preset: Preset,
    specs: Mapping[str, ReportSpec],
    published: Mapping[str, Sequence[BaselineRow]],
    first: Mapping[str, RunSummary],
) -> _Line:
    entries = {
        part.benchmark: published_entry(baseline, first.get(part.benchmark), specs[part.benchmark])
        for part in preset.parts
        for baseline in _baselines(row, part.benchmark, published)
    }
    return _Line(row.label, "published", entries, row.group, row.params_b, row.facts)


def _baselines(
    row: PresetRow, benchmark: str, published: Mapping[str, Sequence[BaselineRow]]
) -> tuple[BaselineRow, ...]:
    """The row of one benchmark, or none."""
    name = row.published.get(benchmark)
    return () if name is None else select_baselines(published[benchmark], [name])


def _run_lines(
    summaries: Sequence[RunSummary], first: Mapping[str, RunSummary], specs: Mapping[str, ReportSpec]
) -> list[_Line]:
    """Runs of one model over the same kind of prompts share a line, unless two of them ran one benchmark."""
    joined: dict[tuple[str, str, int], dict[str, RunSummary]] = {}
    for summary in summaries:
        turn = 0
        while summary.benchmark in joined.get((summary.model, summary.variant, turn), {}):
            turn += 1
        joined.setdefault((summary.model, summary.variant, turn), {})[summary.benchmark] = summary
    models = [model for model, _, _ in joined]
    lines = []
    for (model, variant, _), runs in joined.items():
        digests = ", ".join(summary.run.rsplit("-", 1)[-1] for summary in runs.values())
        label = model if models.count(model) == 1 else f"{model} ({variant} prompts, {digests})"
        entries = {name: run_entry(summary, label, first[name], specs[name]) for name, summary in runs.items()}
        lines.append(_Line(label, "run", entries))
    return lines


def _columns(preset: Preset, specs: Mapping[str, ReportSpec], published: Literal["both", "data"]) -> tuple[Column, ...]:
    """``published`` says where the columns go that runs have nothing for."""
    scores = [
        Column(
            f"{part.benchmark}.{name}",
            f"{part.title} {specs[part.benchmark].label(name)}" if len(preset.parts) > 1 else _label(part, name, specs),
            "right",
        )
        for part in preset.parts
        for name in part.metrics
    ]
    return (
        Column("model", "Model"),
        Column("kind", "Kind", place="data"),
        Column("group", "Group", place="data"),
        Column("params_b", "Params (B)", "right", published),
        *(Column(key, title, "right", published) for key, title in preset.facts.items()),
        *scores,
        Column("source", "Source", place="data"),
        Column("reference", "Ref.", "right", "page" if published == "both" else "data"),
        Column("note", "Note", place="data"),
    )


def _label(part: Part, name: str, specs: Mapping[str, ReportSpec]) -> str:
    return specs[part.benchmark].label(name)


def _cells(
    line: _Line,
    preset: Preset,
    specs: Mapping[str, ReportSpec],
    *,
    wrong: set[tuple[str, str, str]],
    best: Mapping[tuple[str, str], Decimal | None],
    sources: Sequence[str],
) -> tuple[Cell, ...]:
    numbers = []
    for part in preset.parts:
        entry = line.entries.get(part.benchmark)
        for name in part.metrics:
            if entry is None or name not in entry.values:
                numbers.append(Cell(MISSING))
                continue
            value = _in_unit(entry.values[name], part, specs)
            text = f"{value:f}" if line.kind == "published" else rounded(value, part.decimals)
            text += f" {PARTIAL}" * (name in entry.partial)
            text += f" {CONTRADICTS}" * ((line.label, part.benchmark, name) in wrong)
            strong = entry.comparable(name) and _step(value, part) == best[part.benchmark, name]
            numbers.append(Cell(text, value, strong))
    places = sorted({sources.index(e.source) + 1 for e in line.entries.values() if e.kind == "published"})
    remarks = [
        f"{part.title}: {remark}"
        for part in preset.parts
        if part.benchmark in line.entries
        for remark in line.entries[part.benchmark].remarks
    ]
    return (
        Cell(f"{line.label} {line.marks}".strip(), line.label),
        words(line.kind),
        words(line.group),
        Cell("" if line.params_b is None else f"{line.params_b:f}", line.params_b),
        *(words(line.facts.get(key, "")) for key in preset.facts),
        *numbers,
        words("; ".join(dict.fromkeys(e.source for e in line.entries.values()))),
        Cell("".join(f"[{place}]" for place in places)),
        words("; ".join(remarks)),
    )


def _in_unit(value: Decimal, part: Part, specs: Mapping[str, ReportSpec]) -> Decimal:
    """A value in the benchmark's unit in the table's: only the decimal point moves."""
    places = {"fraction": 0, "percent": 2}
    return value.scaleb(places[part.unit] - places[specs[part.benchmark].unit])


def _step(value: Decimal, part: Part) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-part.decimals))


def _best(lines: Sequence[_Line], part: Part, name: str, specs: Mapping[str, ReportSpec]) -> Decimal | None:
    """The best value as shown, if at least two compete and they do not all tie."""
    entries = [line.entries[part.benchmark] for line in lines if part.benchmark in line.entries]
    shown = {_step(_in_unit(e.values[name], part, specs), part) for e in entries if e.comparable(name)}
    if len(shown) < 2:
        return None
    lower = any(d.name == name and not d.higher_is_better for d in specs[part.benchmark].dimensions)
    return min(shown) if lower else max(shown)


def _footnotes(
    lines: Sequence[_Line], preset: Preset, specs: Mapping[str, ReportSpec], first: Mapping[str, RunSummary]
) -> list[str]:
    notes = []
    for part in preset.parts:
        reasons: dict[str, list[str]] = {}
        for line in lines:
            for reason in line.entries[part.benchmark].differs if part.benchmark in line.entries else ():
                reasons.setdefault(reason, []).append(line.label)
        if reasons:
            run = first.get(part.benchmark)
            rules = "the benchmark's own protocol"
            if run is not None:
                rules = f"{run.model} ({run.variant} prompts, samples per prompt: {run.samples_per_prompt}, "
                rules += f"{run.scoring} scoring)"
            said = "; ".join(f"{reason} ({', '.join(labels)})" for reason, labels in reasons.items())
            notes.append(f"{DIFFERS} {part.title}, against {rules}: {said}.")
    notes += _marked(lines, preset, UNSTATED, "the source does not say whether prompts were rewritten")
    notes += _marked(lines, preset, UNVERIFIED, "unverified, not seen in a source")
    if any(entry.partial for line in lines for entry in line.entries.values()):
        notes.append(f"{PARTIAL} some samples are unscored.")
    return notes


def _marked(lines: Sequence[_Line], preset: Preset, mark: str, meaning: str) -> list[str]:
    notes = []
    for part in preset.parts:
        labels = [
            line.label
            for line in lines
            if part.benchmark in line.entries and mark in line.entries[part.benchmark].marks
        ]
        notes += [f"{mark} {part.title}: {meaning} ({', '.join(labels)})."] if labels else []
    return notes


def _contradictions(
    preset: Preset,
    specs: Mapping[str, ReportSpec],
    published: Mapping[str, Sequence[BaselineRow]],
    closed: bool,
) -> list[str]:
    return [
        f"{CONTRADICTS} {row.label}, {part.title}: {contradicted(found, specs[part.benchmark])}."
        for row in (() if closed else preset.rows)
        for part in preset.parts
        for baseline in _baselines(row, part.benchmark, published)
        for found in contradictions(baseline, specs[part.benchmark])
    ]


def _remarks(rows: Iterable[PresetRow], preset: Preset, published: Mapping[str, Sequence[BaselineRow]]) -> list[str]:
    """What the collections of published rows note, each once."""
    remarks: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for part in preset.parts:
            for baseline in _baselines(row, part.benchmark, published):
                if baseline.note:
                    remarks.setdefault((part.title, baseline.note), []).append(row.label)
    return [f"{title}, {', '.join(labels)}: {note}." for (title, note), labels in remarks.items()]


def _run_lines_of(summary: RunSummary, spec: ReportSpec) -> list[str]:
    """What a run says of itself: its rules, its coverage, its notes."""
    coverage = summary.coverage
    rules = f"{summary.variant} prompts, samples per prompt: {summary.samples_per_prompt}, {summary.scoring} scoring"
    covered = share(coverage.scored + coverage.excluded, coverage.wanted)
    return [f"{summary.run}: {rules}, coverage {covered}.", *run_notes(summary, spec)]
