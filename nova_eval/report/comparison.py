"""Runs beside published rows: models as rows, dimensions and composites as columns, differences in protocol marked."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from nova_eval.errors import UsageError, unknown
from nova_eval.records import RunSummary
from nova_eval.report.baselines import BaselineRow, contradictions, recompute
from nova_eval.report.entries import (
    CONTRADICTS,
    DIFFERS,
    PARTIAL,
    UNSTATED,
    UNVERIFIED,
    Entry,
    absent,
    contradicted,
    published_entry,
    run_entry,
)
from nova_eval.report.grid import MISSING, Cell, Column, Row, Table, share, words
from nova_eval.report.spec import ReportSpec
from nova_eval.report.tables import run_labels, run_notes


def comparison_table(
    summaries: Sequence[RunSummary],
    baselines: Sequence[BaselineRow],
    spec: ReportSpec,
    columns: Sequence[str] | None = None,
) -> Table:
    """The runs in the order given, then the published rows in theirs; ``columns`` picks among ``spec.names``.

    The first run sets the protocol. A row carries a mark when it departs from that (prompts, samples per prompt,
    scoring, evaluator), does not say, contradicts itself, or is unverified. Only unmarked rows compete for the best
    value, at the precision shown.
    """
    if not summaries:
        raise UsageError("no run to compare", remedy="name at least one run")
    _check_alike(summaries, spec)
    names = _columns(columns, spec)
    first = summaries[0]
    with_published = spec.variant(first.variant).baselines
    published = list(baselines) if with_published else []
    runs = [run_entry(s, label, first, spec) for s, label in zip(summaries, run_labels(summaries), strict=True)]
    entries = runs + [published_entry(row, first, spec) for row in published]
    best = {name: _best([e for e in entries if e.comparable(name)], name, spec) for name in names}
    sources = list(dict.fromkeys(e.source for e in entries if e.kind == "published"))

    rows = []
    for index, entry in enumerate(entries):
        cells = _cells(entry, names, best, sources, spec)
        rows.append(Row(cells, ruled=index == len(runs) and index > 0))
    notes = _footnotes(entries, summaries, published, names, spec)
    notes += [f"[{number}] {source}" for number, source in enumerate(sources, 1)]
    if baselines and not with_published:
        notes.append(f"Published numbers are not shown beside {first.variant} prompts.")
    heads = (
        Column("model", "Model"),
        Column("kind", "Kind", place="data"),
        Column("params_b", "Params (B)", "right", "both" if published else "data"),
        *(Column(name, spec.label(name), "right") for name in names),
        Column("unit", "Unit", place="data"),
        Column("source", "Source", "right", "data"),
        Column("reference", "Ref.", "right", "page" if published else "data"),
        Column("note", "Note", place="data"),
    )
    unit = ", in percent" if spec.unit == "percent" else ""
    return Table(
        title=f"{first.benchmark}, {first.variant} prompts{unit}",
        columns=heads,
        rows=tuple(rows),
        footnotes=tuple(notes),
        strong_means="best of the unmarked rows" if any(v is not None for v in best.values()) else "",
    )


def _check_alike(summaries: Sequence[RunSummary], spec: ReportSpec) -> None:
    first = summaries[0]
    for other in summaries[1:]:
        if other.benchmark != first.benchmark:
            raise UsageError(
                f"{other.run} ran {other.benchmark}, {first.run} ran {first.benchmark}",
                remedy="compare runs of one benchmark",
            )
        closed = not (spec.variant(first.variant).baselines and spec.variant(other.variant).baselines)
        if other.variant != first.variant and closed:
            raise UsageError(
                f"{other.run} used {other.variant} prompts, {first.run} {first.variant} prompts",
                remedy="their numbers do not compare; make two tables",
            )


def _columns(columns: Sequence[str] | None, spec: ReportSpec) -> tuple[str, ...]:
    for name in columns or ():
        if name not in spec.names:
            raise unknown("column", name, spec.names)
    return tuple(dict.fromkeys(columns)) if columns else spec.names


def _best(entries: Sequence[Entry], name: str, spec: ReportSpec) -> Decimal | None:
    """The best value as shown, if at least two entries compete and they do not all tie."""
    step = Decimal(1).scaleb(-spec.decimals)
    shown = [entry.values[name].quantize(step) for entry in entries]
    if len(set(shown)) < 2:
        return None
    lower = any(d.name == name and not d.higher_is_better for d in spec.dimensions)
    return min(shown) if lower else max(shown)


def _cells(
    entry: Entry, names: Sequence[str], best: dict[str, Decimal | None], sources: Sequence[str], spec: ReportSpec
) -> tuple[Cell, ...]:
    step = Decimal(1).scaleb(-spec.decimals)
    numbers = []
    for name in names:
        value = entry.values.get(name)
        if value is None:
            numbers.append(Cell(MISSING))
            continue
        text = entry.printed[name] + (f" {PARTIAL}" if name in entry.partial else "")
        strong = entry.comparable(name) and value.quantize(step) == best[name]
        numbers.append(Cell(text, value, strong))
    published = entry.kind == "published"
    return (
        Cell(f"{entry.label} {entry.marks}".strip(), entry.label),
        words(entry.kind),
        Cell("" if entry.params_b is None else f"{entry.params_b:f}", entry.params_b),
        *numbers,
        words(spec.unit),
        words(entry.source),
        Cell(f"[{sources.index(entry.source) + 1}]" if published else ""),
        words("; ".join(entry.remarks)),
    )


def _footnotes(
    entries: Sequence[Entry],
    summaries: Sequence[RunSummary],
    published: Sequence[BaselineRow],
    names: Sequence[str],
    spec: ReportSpec,
) -> list[str]:
    first = summaries[0]
    notes = []
    differing: dict[str, list[str]] = {}
    for entry in entries:
        for reason in entry.differs:
            differing.setdefault(reason, []).append(entry.label)
    if differing:
        rules = f"{first.variant} prompts, samples per prompt: {first.samples_per_prompt}, {first.scoring} scoring"
        everyone = [row.model for row in published]
        reasons = [f"{reason} ({_models(labels, everyone)})" for reason, labels in differing.items()]
        notes.append(f"{DIFFERS} differs from {entries[0].label} ({rules}): {'; '.join(reasons)}.")
    if any(UNSTATED in entry.marks for entry in entries):
        notes.append(f"{UNSTATED} the source does not say whether prompts were rewritten.")
    wrong = [c for row in published for c in contradictions(row, spec)]
    notes += [f"{CONTRADICTS} {c.model}: {contradicted(c, spec)}." for c in wrong]
    if any(UNVERIFIED in entry.marks for entry in entries):
        notes.append(f"{UNVERIFIED} unverified: not seen in a source.")
    if any(entry.partial & set(names) for entry in entries):
        notes.append(f"{PARTIAL} some samples are unscored.")
    for label, summary in zip((e.label for e in entries), summaries, strict=False):
        coverage = summary.coverage
        if coverage.unscored:
            covered = share(coverage.scored + coverage.excluded, coverage.wanted)
            unscored = f"{coverage.unscored} of {coverage.wanted} unscored"
            notes.append(f"{label}: coverage {covered}, {unscored}; its own table says why.")
        notes += [f"{MISSING} {label}: {line}." for line in absent(summary.metrics, names, spec)]
    if any(name not in row.values for row in published for name in names):
        notes.append(f"{MISSING} in a published row: not printed by its source.")
    notes += _recomputed(published, spec)
    remarks: dict[str, list[str]] = {}
    for row in published:
        if row.note:
            remarks.setdefault(row.note, []).append(row.model)
    notes += [f"{', '.join(models)}: {note}." for note, models in remarks.items()]
    return notes + list(dict.fromkeys(note for summary in summaries for note in run_notes(summary, spec)))


def _recomputed(published: Sequence[BaselineRow], spec: ReportSpec) -> list[str]:
    lines = []
    for row in published:
        scores = {name: score for name, score in recompute(row, spec).items() if name not in row.values}
        if scores:
            given = ", ".join(f"{spec.label(name).lower()} {score:.{spec.decimals}f}" for name, score in scores.items())
            lines.append(f"{row.model}: not printed, but its dimensions give {given}.")
    return lines


def _models(labels: Sequence[str], published: Sequence[str]) -> str:
    """The labels, or the published rows that are not among them where that is shorter."""
    others = [model for model in published if model not in labels]
    if not set(labels) <= set(published) or len(others) >= len(labels):
        return ", ".join(labels)
    return f"published rows except {', '.join(others)}" if others else "every published row"
