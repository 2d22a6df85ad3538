"""The table of one run, and what its sampling cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from nova_eval.errors import unknown
from nova_eval.records import Coverage, Latency, Metric, RunSummary
from nova_eval.report.baselines import BaselineRow
from nova_eval.report.grid import (
    MISSING,
    Cell,
    Column,
    Table,
    build,
    count,
    gathered,
    in_unit,
    intervals,
    rounded,
    share,
    turned,
    words,
)
from nova_eval.report.numbers import extent
from nova_eval.report.options import USUAL, TableOptions

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig

_NO_INTERVAL = "no interval, "


def run_table(summary: RunSummary, config: BenchmarkConfig, options: TableOptions = USUAL) -> Table:
    """Dimensions in the benchmark's order, composites last; footnotes say what is missing, and why.

    A single number leaves out the columns that say nothing of it.
    """
    metrics, unit = ordered(summary.metrics, config), config.report.unit
    decimals = config.report.decimals if options.digits is None else options.digits
    if options.columns:
        by_name = {metric.name: metric for metric in metrics}
        metrics = [by_name[name] for name in columns_of(options, config) if name in by_name]
    whole = len(metrics) == 1 and not metrics[0].unscored and not metrics[0].excluded
    unless_whole: Literal["both", "data"] = "data" if whole else "both"
    spans = intervals([m.interval for m in metrics], [m.value for m in metrics], unit, decimals)
    span_of = {metric.name: span for metric, span in zip(metrics, spans, strict=True)}
    composites = [place for place, metric in enumerate(metrics) if metric.name in config.composites]

    def value(metric: Metric) -> Cell:
        exact = None if metric.value is None else in_unit(metric.value, unit)
        lowered = span_of[metric.name] if options.intervals == "lowered" else ""
        return Cell(MISSING if exact is None else rounded(exact, decimals), exact, span=lowered)

    def span(metric: Metric) -> Cell:
        return Cell(span_of[metric.name] or _why_bare(metric))

    def bound(which: Literal["low", "high"]) -> Callable[[Metric], Cell]:
        return lambda m: Cell("", None if m.interval is None else in_unit(getattr(m.interval, which), unit))

    def counted(what: Literal["prompts", "samples", "unscored", "excluded"]) -> Callable[[Metric], Cell]:
        def cell(metric: Metric) -> Cell:
            number: int = getattr(metric, what)
            return Cell("", number or None) if metric.name in config.composites else count(number)

        return cell

    def covered(metric: Metric) -> Cell:
        decided = metric.samples + metric.excluded
        return Cell("" if metric.name in config.composites else share(decided, decided + metric.unscored))

    fields: list[tuple[Column, Callable[[Metric], Cell]]] = [
        (Column("metric", "Dimension"), lambda m: Cell(config.label(m.name), m.name)),
        (Column("value", "Value", "right"), value),
        *([(Column("interval", "95% interval", "right", "page"), span)] if options.intervals == "beside" else []),
        (Column("low", "Low", "right", "data"), bound("low")),
        (Column("high", "High", "right", "data"), bound("high")),
        (Column("unit", "Unit", place="data"), lambda m: Cell("", unit)),
        (Column("prompts", "Prompts", "right"), counted("prompts")),
        (Column("samples", "Samples", "right"), counted("samples")),
        (Column("unscored", "Unscored", "right", unless_whole), counted("unscored")),
        (Column("excluded", "Excluded", "right", unless_whole), counted("excluded")),
        *([] if whole else [(Column("coverage", "Coverage", "right", "page"), covered)]),
        (
            Column("higher_is_better", "Higher is better", place="data"),
            lambda m: Cell("", "yes" if m.higher_is_better else "no"),
        ),
        (Column("source", "Source", place="data"), lambda m: Cell("", summary.run)),
        (Column("note", "Note", place="data"), lambda m: Cell("", m.reason or None)),
    ]
    coverage = summary.coverage
    footnotes = [coverage_line(coverage), *unscored_lines(coverage, config), *absent_lines(metrics, config)]
    footnotes += bare_lines(metrics, config) if options.intervals == "lowered" else []
    page = build(
        options.caption or run_title(summary, config),
        fields,
        metrics,
        ruled=[place for place in composites[:1] if place],
        footnotes=(*footnotes, *run_notes(summary, config)),
    )
    page = replace(page, key=options.key, lowered=options.intervals == "lowered")
    return turned(page) if options.transpose and options.format != "csv" else page


def columns_of(options: TableOptions, config: BenchmarkConfig) -> tuple[str, ...]:
    """The metrics that were chosen, each once. UsageError for a name that is none."""
    for name in options.columns:
        if name not in config.metrics:
            raise unknown("column", name, config.metrics)
    return tuple(dict.fromkeys(options.columns))


def latency_table(summaries: Sequence[RunSummary], baselines: Sequence[BaselineRow] = ()) -> Table:
    """Seconds and frames of each run beside what papers say. Kept apart: two equal runs never take equally long."""
    published = [row for row in baselines if row.latency]
    sources = {source: number for number, source in enumerate(dict.fromkeys(row.source for row in published), 1)}
    lines = [
        *(
            _Timed(label, s.run, s.latency.device if s.latency else "", "", s.latency)
            for label, s in zip(run_labels(summaries), summaries, strict=True)
        ),
        *(_Timed(row.model, row.source, row.latency, f"[{sources[row.source]}]") for row in published),
    ]
    device = "Device, or the figures as printed" if published else "Device"
    fields: list[tuple[Column, Callable[[_Timed], Cell]]] = [
        (Column("model", "Model"), lambda line: words(line.label)),
        (Column("seconds_per_sample", "Seconds per sample", "right"), lambda line: line.measured("seconds_per_sample")),
        (Column("frames_per_second", "Frames per second", "right"), lambda line: line.measured("frames_per_second")),
        (Column("device", device), lambda line: words(line.device)),
        (Column("source", "Source", place="data"), lambda line: words(line.source)),
        (Column("reference", "Ref.", "right", "page" if published else "data"), lambda line: Cell(line.reference)),
    ]
    footnotes = ["Seconds are wall time of sampling, divided by the samples made; published figures stand as printed."]
    if any(summary.latency is None for summary in summaries):
        footnotes.append(f"{MISSING} nothing was sampled in this run.")
    footnotes += [f"[{number}] {source}" for source, number in sources.items()]
    return build("Latency", fields, lines, ruled={len(summaries)}, footnotes=footnotes)


@dataclass(frozen=True, slots=True)
class _Timed:
    """What is known of how long a model takes: ``device`` of a run, or the figures as a paper prints them."""

    label: str
    source: str
    device: str
    reference: str
    latency: Latency | None = None

    def measured(self, what: Literal["seconds_per_sample", "frames_per_second"]) -> Cell:
        if self.latency is None:
            return Cell(MISSING)
        value: float = getattr(self.latency, what)
        return Cell(f"{value:.3g}" if value < 100 else f"{value:.0f}", Decimal(repr(float(value))))


def run_title(summary: RunSummary, config: BenchmarkConfig) -> str:
    what = f"{summary.benchmark}, {summary.variant} prompts, {summary.scoring} scoring, {extent(summary)}"
    return f"{summary.label or summary.model} on {what}{in_which_unit(config)}"


def in_which_unit(config: BenchmarkConfig) -> str:
    """How a title says that numbers are not fractions."""
    return ", in percent" if config.report.unit == "percent" else ""


def run_labels(summaries: Sequence[RunSummary]) -> list[str]:
    """Each run's label, else its model; where two runs share it, with what tells them apart."""
    names = [summary.label or summary.model for summary in summaries]
    return [
        name if names.count(name) == 1 else f"{name} ({short_name(summary.run)})"
        for name, summary in zip(names, summaries, strict=True)
    ]


def short_name(run: str) -> str:
    """What tells two runs of a model apart: the digest at the end of the name, or the name that its user gave."""
    name = run.rpartition("/")[2]
    digest = name.rpartition("-")[2]
    return digest if digest != name and re.fullmatch("[0-9a-f]+", digest) else name


def ordered(metrics: Sequence[Metric], config: BenchmarkConfig) -> list[Metric]:
    """Known dimensions in the benchmark's order, others as they come, composites last."""
    dimensions = list(config.dimensions)

    def place(metric: Metric) -> tuple[int, int]:
        if metric.name in config.composites:
            return 2, config.composites.index(metric.name)
        return (0, dimensions.index(metric.name)) if metric.name in dimensions else (1, 0)

    return sorted(metrics, key=place)


def coverage_line(coverage: Coverage) -> str:
    decided = coverage.scored + coverage.excluded
    parts = [f"{coverage.scored} scored"]
    parts += [f"{coverage.excluded} excluded by rule"] if coverage.excluded else []
    parts += [f"{coverage.unscored} unscored"] if coverage.unscored else []
    return f"Coverage {share(decided, coverage.wanted)} of {coverage.wanted} wanted scores: {', '.join(parts)}."


def unscored_lines(coverage: Coverage, config: BenchmarkConfig) -> list[str]:
    """Each distinct reason once, most frequent first, with what it cost each dimension."""
    reasons: dict[str, dict[str, int]] = {}
    for missing in coverage.missing:
        counts = reasons.setdefault(missing.reason, {})
        counts[missing.metric] = counts.get(missing.metric, 0) + missing.count
    by_frequency = sorted(reasons.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    lines = []
    for reason, counts in by_frequency:
        shares = ", ".join(f"{config.label(name)} {number}" for name, number in counts.items())
        lines.append(f"Unscored {sum(counts.values())} × {reason} ({shares}).")
    return lines


def absent_lines(metrics: Sequence[Metric], config: BenchmarkConfig) -> list[str]:
    """Why there is no value where ``unscored_lines`` does not say it: each reason once, with the metrics it stopped."""
    reasons = gathered(
        (metric.reason or "no reason recorded", config.label(metric.name))
        for metric in metrics
        if metric.value is None and (metric.name in config.composites or not metric.unscored)
    )
    return [f"{MISSING} {', '.join(names)}: {reason}." for reason, names in reasons.items()]


def bare_lines(metrics: Sequence[Metric], config: BenchmarkConfig) -> list[str]:
    """Why a value stands without an interval: each reason once, with the metrics it is about."""
    bare = [metric for metric in metrics if metric.value is not None and metric.interval is None and metric.reason]
    reasons = gathered((metric.reason, config.label(metric.name)) for metric in bare)
    return [f"{', '.join(names)}: {reason}." for reason, names in reasons.items()]


def _why_bare(metric: Metric) -> str:
    """The reason in place of an interval."""
    return metric.reason.removeprefix(_NO_INTERVAL) if metric.value is not None else ""


def run_notes(summary: RunSummary, config: BenchmarkConfig) -> list[str]:
    """The variant's note and the run's own, each once."""
    variant = config.variants.get(summary.variant)
    return list(dict.fromkeys(note for note in (*summary.notes, variant.note if variant else "") if note))
