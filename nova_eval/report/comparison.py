"""Runs beside published rows: models as rows, dimensions and composites as columns, differences in protocol marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nova_eval.errors import UsageError
from nova_eval.records import RunSummary
from nova_eval.report.baselines import BaselineRow, Published, recompute
from nova_eval.report.grid import MISSING, Table, gathered, share
from nova_eval.report.numbers import (
    CONTRADICTS,
    DIFFERS,
    PARTIAL,
    UNSTATED,
    UNVERIFIED,
    absent,
    contradicted,
    departing,
    extent,
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
from nova_eval.report.tables import columns_of, in_which_unit, run_labels, run_notes

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


def comparison_table(
    summaries: Sequence[RunSummary],
    published: Published,
    options: TableOptions = USUAL,
    established: Established = unpaired,
) -> Table:
    """The runs in the order given, then the published rows in theirs, in the columns chosen or all that any run has.

    The first run sets the protocol. A row carries a mark when it departs from that (prompts, samples per prompt,
    scoring, evaluator), does not say, contradicts itself, or is unverified. Only unmarked rows compete for the best
    value, at the precision shown; published rows that have none of the columns are left out.
    """
    config = published.config
    if not summaries:
        raise UsageError("no run to compare", remedy="name at least one run")
    _check_alike(summaries, config)
    first, report = summaries[0], config.report
    part = Section(config, "", _columns(options, summaries, config), report.unit, report.decimals)
    rows = [row for row in published.beside(first.variant).rows if row.values.keys() & set(part.metrics)]
    lines = [
        *(
            Line(label, "run", {config.name: run_numbers(summary, first, config)})
            for summary, label in zip(summaries, run_labels(summaries), strict=True)
        ),
        *(
            Line(row.model, "published", {config.name: published_numbers(row, first, config)}, params_b=row.params_b)
            for row in rows
        ),
    ]
    title = f"{first.benchmark}, {first.variant} prompts, {extent(first)}{in_which_unit(config)}"
    sheet = Sheet(title, (part,), tuple(lines), options=options, established=established)
    notes = [*_footnotes(sheet, summaries, rows), *reference_notes(sheet)]
    if published.rows and not config.with_baselines(first.variant):
        notes.append(closed_note(first.variant))
    elif published.rows and not rows:
        notes.append("No published row has any of these numbers.")
    return side_by_side(sheet, notes)


def _check_alike(summaries: Sequence[RunSummary], config: BenchmarkConfig) -> None:
    first = summaries[0]
    for other in summaries[1:]:
        if other.benchmark != first.benchmark:
            raise UsageError(
                f"{other.run} ran {other.benchmark}, {first.run} ran {first.benchmark}",
                remedy="compare runs of one benchmark",
            )
        closed = not (config.with_baselines(first.variant) and config.with_baselines(other.variant))
        if other.variant != first.variant and closed:
            raise UsageError(
                f"{other.run} used {other.variant} prompts, {first.run} {first.variant} prompts",
                remedy="their numbers do not compare; make two tables",
            )


def _columns(options: TableOptions, summaries: Sequence[RunSummary], config: BenchmarkConfig) -> tuple[str, ...]:
    known = {metric.name for summary in summaries for metric in summary.metrics}
    return columns_of(options, config) or tuple(name for name in config.metrics if name in known) or config.metrics


def _footnotes(sheet: Sheet, summaries: Sequence[RunSummary], rows: Sequence[BaselineRow]) -> Iterator[str]:
    (part,), first = sheet.parts, summaries[0]
    numbers, config = list(sheet.numbers(part)), part.config
    differing = gathered((reason, line.label) for line, one in numbers for reason in one.differs)
    if differing:
        rules = f"{first.variant} prompts, samples per prompt: {first.samples_per_prompt}, {first.scoring} scoring"
        everyone = [row.model for row in rows]
        reasons = [f"{reason} ({_models(labels, everyone)})" for reason, labels in differing.items()]
        yield f"{DIFFERS} differs from {sheet.lines[0].label} ({rules}): {'; '.join(reasons)}."
    for line, one in numbers:
        yield from departing(line.label, one)
    if any(UNSTATED in one.marks for _, one in numbers):
        yield f"{UNSTATED} the source does not say whether prompts were rewritten."
    for line, one in numbers:
        yield from (f"{CONTRADICTS} {line.label}: {contradicted(wrong, config)}." for wrong in one.contradictions)
    if any(UNVERIFIED in one.marks for _, one in numbers):
        yield f"{UNVERIFIED} unverified: not seen in a source."
    if any(one.partial & set(part.metrics) for _, one in numbers):
        yield f"{PARTIAL} some samples are unscored."
    for line, summary in zip(sheet.lines, summaries, strict=False):
        coverage = summary.coverage
        if coverage.unscored:
            covered = share(coverage.scored + coverage.excluded, coverage.wanted)
            unscored = f"{coverage.unscored} of {coverage.wanted} unscored"
            yield f"{line.label}: coverage {covered}, {unscored}; its own table says why."
        yield from (f"{MISSING} {line.label}: {reason}." for reason in absent(summary.metrics, part.metrics, config))
    if sheet.options.intervals != "none":
        yield from _bare(sheet, part)
    if any(name not in row.values for row in rows for name in part.metrics):
        yield f"{MISSING} in a published row: not printed by its source."
    yield from _recomputed(rows, config)
    remarks = gathered((row.note, row.model) for row in rows if row.note)
    yield from (f"{', '.join(models)}: {note}." for note, models in remarks.items())
    yield from dict.fromkeys(note for summary in summaries for note in run_notes(summary, config))


def _bare(sheet: Sheet, part: Section) -> Iterator[str]:
    """Why values stand without an interval: each reason once, with whose they are."""
    whose: list[tuple[tuple[str, str], str]] = []
    for line, one in sheet.numbers(part):
        bare = gathered(
            (metric.reason, part.config.label(name).lower())
            for name in part.metrics
            if (metric := one.metrics.get(name)) is not None and metric.interval is None and metric.reason
        )
        whose += [((reason, ", ".join(names)), line.label) for reason, names in bare.items()]
    for (reason, names), labels in gathered(whose).items():
        yield f"{reason[0].upper()}{reason[1:]}: {names} ({', '.join(labels)})."


def _recomputed(rows: Sequence[BaselineRow], config: BenchmarkConfig) -> Iterator[str]:
    for row in rows:
        given = [
            f"{config.label(name).lower()} {score:.{config.report.decimals}f}"
            for name, score in recompute(row, config).items()
            if name not in row.values
        ]
        if given:
            yield f"{row.model}: not printed, but its dimensions give {', '.join(given)}."


def _models(labels: Sequence[str], published: Sequence[str]) -> str:
    """The labels, or the published rows that are not among them where that is shorter."""
    others = [model for model in published if model not in labels]
    if not set(labels) <= set(published) or len(others) >= len(labels):
        return ", ".join(labels)
    return f"published rows except {', '.join(others)}" if others else "every published row"
