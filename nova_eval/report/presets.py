"""Tables of papers: columns of several benchmarks side by side, published rows under the paper's names, runs joined."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from nova_eval.errors import UsageError, unknown
from nova_eval.records import RunSummary
from nova_eval.report.baselines import Published
from nova_eval.report.grid import Table, Unit, gathered, share
from nova_eval.report.numbers import (
    CONTRADICTS,
    DIFFERS,
    PARTIAL,
    UNSTATED,
    UNVERIFIED,
    contradicted,
    departing,
    published_numbers,
    run_numbers,
)
from nova_eval.report.options import USUAL, TableOptions
from nova_eval.report.sheet import (
    Established,
    Line,
    Section,
    Sheet,
    closed_note,
    reference_notes,
    side_by_side,
    unpaired,
)
from nova_eval.report.tables import run_notes, short_name


@dataclass(frozen=True, slots=True)
class PresetPart:
    """The columns of one benchmark, with the title, unit and precision that the paper gives them."""

    benchmark: str
    title: str
    metrics: tuple[str, ...]
    unit: Unit
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
    parts: tuple[PresetPart, ...]
    rows: tuple[PresetRow, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


def load_preset(content: Mapping[str, Any], name: str) -> Preset:
    """The preset called ``name`` of what a presets file holds."""
    if name not in content:
        raise unknown("preset", name, content)
    found = content[name]
    try:
        parts = tuple(PresetPart(**{**part, "metrics": tuple(part["metrics"])}) for part in found["parts"])
        rows = tuple(
            PresetRow(**{**row, "params_b": Decimal(row["params_b"]) if "params_b" in row else None})
            for row in found["rows"]
        )
        return Preset(name, found["title"], parts, rows, found.get("facts", {}))
    except (KeyError, TypeError, ArithmeticError) as error:
        raise UsageError(f"preset {name!r} has another form: {error!r}") from error


def preset_table(
    preset: Preset,
    published: Mapping[str, Published],
    summaries: Sequence[RunSummary] = (),
    options: TableOptions = USUAL,
    established: Established = unpaired,
) -> Table:
    """Published rows in the preset's order, then runs, those of one model and prompts joined in one row.

    The first run of a benchmark sets the protocol that its other numbers are held against; without one it is the
    benchmark's own. Marks are those of ``comparison_table``; a composite that its dimensions contradict is marked
    itself, and a footnote says what they give. Only unmarked numbers compete for the best.
    """
    preset = _chosen(preset, options)
    _check(preset, published, summaries)
    first: dict[str, RunSummary] = {}
    for summary in summaries:
        first.setdefault(summary.benchmark, summary)
    closed = [s for s in first.values() if not published[s.benchmark].config.with_baselines(s.variant)]
    sheet = Sheet(
        title=preset.title,
        parts=tuple(
            Section(published[part.benchmark].config, part.title, part.metrics, part.unit, part.decimals)
            for part in preset.parts
        ),
        lines=(
            *([] if closed else [_published_line(row, preset, published, first) for row in preset.rows]),
            *_run_lines(summaries, first, published),
        ),
        paper=True,
        facts=preset.facts,
        options=options,
        established=established,
    )
    notes = [
        *_footnotes(sheet, first),
        *(line for summary in summaries for line in _of_run(summary, published[summary.benchmark])),
        *reference_notes(sheet),
        *(closed_note(summary.variant) for summary in closed[:1]),
    ]
    return side_by_side(sheet, list(dict.fromkeys(notes)))


def _chosen(preset: Preset, options: TableOptions) -> Preset:
    """The preset with the columns chosen, as ``overall`` or ``geneval.overall``, and the rows that have any of them."""
    if not options.columns:
        return preset
    known = {
        name for part in preset.parts for metric in part.metrics for name in (metric, f"{part.benchmark}.{metric}")
    }
    for name in options.columns:
        if name not in known:
            raise unknown("column", name, known)
    parts = (
        replace(part, metrics=tuple(m for m in part.metrics if {m, f"{part.benchmark}.{m}"} & set(options.columns)))
        for part in preset.parts
    )
    kept = tuple(part for part in parts if part.metrics)
    benchmarks = {part.benchmark for part in kept}
    return replace(preset, parts=kept, rows=tuple(row for row in preset.rows if row.published.keys() & benchmarks))


def _check(preset: Preset, published: Mapping[str, Published], summaries: Sequence[RunSummary]) -> None:
    known = [part.benchmark for part in preset.parts]
    for summary in summaries:
        if summary.benchmark not in known:
            raise UsageError(
                f"{summary.run} ran {summary.benchmark}, which {preset.name} has no column of",
                remedy=f"its columns are of {', '.join(known)}",
            )
    variants = {s.variant for s in summaries}
    opened = {s.variant for s in summaries if published[s.benchmark].config.with_baselines(s.variant)}
    if opened and variants - opened:
        raise UsageError(
            f"runs over {', '.join(sorted(variants))} prompts do not compare", remedy="make a table for each"
        )


def _published_line(
    row: PresetRow, preset: Preset, published: Mapping[str, Published], first: Mapping[str, RunSummary]
) -> Line:
    numbers = {
        name: published_numbers(published[name].row(row.published[name]), first.get(name), published[name].config)
        for name in (part.benchmark for part in preset.parts)
        if name in row.published
    }
    return Line(row.label, "published", numbers, row.group, row.params_b, row.facts)


def _run_lines(
    summaries: Sequence[RunSummary], first: Mapping[str, RunSummary], published: Mapping[str, Published]
) -> Iterator[Line]:
    """Runs of one model over the same kind of prompts share a line, unless two of them ran one benchmark."""
    joined: dict[tuple[str, str, int], dict[str, RunSummary]] = {}
    for summary in summaries:
        turn, name = 0, summary.label or summary.model
        while summary.benchmark in joined.get((name, summary.variant, turn), {}):
            turn += 1
        joined.setdefault((name, summary.variant, turn), {})[summary.benchmark] = summary
    models = [model for model, _, _ in joined]
    for (model, variant, _), runs in joined.items():
        digests = ", ".join(short_name(summary.run) for summary in runs.values())
        label = model if models.count(model) == 1 else f"{model} ({variant} prompts, {digests})"
        yield Line(
            label,
            "run",
            {name: run_numbers(summary, first[name], published[name].config) for name, summary in runs.items()},
        )


def _footnotes(sheet: Sheet, first: Mapping[str, RunSummary]) -> Iterator[str]:
    """What the marks mean and whom they are about, then what the collections of published rows note, each once."""
    for part in sheet.parts:
        reasons = gathered((reason, line.label) for line, one in sheet.numbers(part) for reason in one.differs)
        if reasons:
            run = first.get(part.name)
            rules = "the benchmark's own protocol"
            if run is not None:
                rules = f"{run.model} ({run.variant} prompts, samples per prompt: {run.samples_per_prompt}, "
                rules += f"{run.scoring} scoring)"
            said = "; ".join(f"{reason} ({', '.join(labels)})" for reason, labels in reasons.items())
            yield f"{DIFFERS} {part.title}, against {rules}: {said}."
        for line, one in sheet.numbers(part):
            yield from departing(f"{part.title}, {line.label}", one)
    for mark, meaning in (
        (UNSTATED, "the source does not say whether prompts were rewritten"),
        (UNVERIFIED, "unverified, not seen in a source"),
    ):
        for part in sheet.parts:
            labels = [line.label for line, one in sheet.numbers(part) if mark in one.marks]
            if labels:
                yield f"{mark} {part.title}: {meaning} ({', '.join(labels)})."
    if any(one.partial for part in sheet.parts for _, one in sheet.numbers(part)):
        yield f"{PARTIAL} some samples are unscored."
    rows = [
        (line, part, line.numbers[part.name])
        for line in sheet.published
        for part in sheet.parts
        if part.name in line.numbers
    ]
    for line, part, one in rows:
        for wrong in one.contradictions:
            yield f"{CONTRADICTS} {line.label}, {part.title}: {contradicted(wrong, part.config)}."
    remarks = gathered(((part.title, one.note), line.label) for line, part, one in rows if one.note)
    yield from (f"{title}, {', '.join(labels)}: {note}." for (title, note), labels in remarks.items())


def _of_run(summary: RunSummary, published: Published) -> Iterator[str]:
    """What a run says of itself: its rules, its coverage, its notes."""
    coverage = summary.coverage
    rules = f"{summary.variant} prompts, samples per prompt: {summary.samples_per_prompt}, {summary.scoring} scoring"
    covered = share(coverage.scored + coverage.excluded, coverage.wanted)
    yield f"{summary.run}: {rules}, coverage {covered}."
    yield from run_notes(summary, published.config)
