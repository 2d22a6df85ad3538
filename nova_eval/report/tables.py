"""The table of one run, and what its sampling cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from nova_eval.records import Coverage, Metric, RunSummary
from nova_eval.report.baselines import BaselineRow
from nova_eval.report.grid import MISSING, Cell, Column, Row, Table, count, in_unit, intervals, rounded, share, words
from nova_eval.report.spec import ReportSpec

_RUN_COLUMNS = (
    Column("metric", "Dimension"),
    Column("value", "Value", "right"),
    Column("interval", "95% interval", "right", "page"),
    Column("low", "Low", "right", "data"),
    Column("high", "High", "right", "data"),
    Column("unit", "Unit", place="data"),
    Column("prompts", "Prompts", "right"),
    Column("samples", "Samples", "right"),
    Column("unscored", "Unscored", "right"),
    Column("excluded", "Excluded", "right"),
    Column("coverage", "Coverage", "right", "page"),
    Column("higher_is_better", "Higher is better", place="data"),
    Column("source", "Source", place="data"),
    Column("note", "Note", place="data"),
)


def run_table(summary: RunSummary, spec: ReportSpec) -> Table:
    """Dimensions in the benchmark's order, composites last; footnotes say what is missing, and why."""
    metrics = ordered(summary.metrics, spec)
    spans = intervals([m.interval for m in metrics], [m.value for m in metrics], spec)
    first_composite = next((m.name for m in metrics if m.name in spec.composites), None)
    rows = tuple(
        Row(_run_cells(metric, span, summary, spec), ruled=metric.name == first_composite)
        for metric, span in zip(metrics, spans, strict=True)
    )
    footnotes = [coverage_line(summary.coverage), *unscored_lines(summary.coverage, spec), *absent_lines(metrics, spec)]
    return Table(run_title(summary, spec), _RUN_COLUMNS, rows, (*footnotes, *run_notes(summary, spec)))


def latency_table(summaries: Sequence[RunSummary], baselines: Sequence[BaselineRow] = ()) -> Table:
    """Seconds and frames of each run beside what papers say. Kept apart: two equal runs never take equally long."""
    published = [row for row in baselines if row.latency]
    sources = list(dict.fromkeys(row.source for row in published))
    columns = (
        Column("model", "Model"),
        Column("seconds_per_sample", "Seconds per sample", "right"),
        Column("frames_per_second", "Frames per second", "right"),
        Column("device", "Device, or the figures as printed" if published else "Device"),
        Column("source", "Source", place="data"),
        Column("reference", "Ref.", "right", "page" if published else "data"),
    )
    rows = []
    for label, summary in zip(run_labels(summaries), summaries, strict=True):
        latency = summary.latency
        seconds = _measured(latency.seconds_per_sample if latency else None)
        frames = _measured(latency.frames_per_second if latency else None)
        device = words(latency.device if latency else "")
        rows.append(Row((words(label), seconds, frames, device, words(summary.run), Cell(""))))
    for row in published:
        reference = Cell(f"[{sources.index(row.source) + 1}]")
        printed = (words(row.latency), words(row.source), reference)
        rows.append(Row((words(row.model), Cell(MISSING), Cell(MISSING), *printed), ruled=row is published[0]))
    footnotes = ["Seconds are wall time of sampling, divided by the samples made; published figures stand as printed."]
    if any(summary.latency is None for summary in summaries):
        footnotes.append(f"{MISSING} nothing was sampled in this run.")
    footnotes += [f"[{number}] {source}" for number, source in enumerate(sources, 1)]
    return Table("Latency", columns, tuple(rows), tuple(footnotes))


def run_title(summary: RunSummary, spec: ReportSpec) -> str:
    unit = ", in percent" if spec.unit == "percent" else ""
    return (
        f"{summary.model} on {summary.benchmark}, {summary.variant} prompts, {summary.scoring} scoring, "
        f"samples per prompt: {_samples_rule(summary, spec)}{unit}"
    )


def _samples_rule(summary: RunSummary, spec: ReportSpec) -> str:
    """The rule, and the number it stands for where the benchmark has one for all prompts."""
    counts = [count for count in spec.official_samples if count != "official"]
    rule = summary.samples_per_prompt
    return f"{rule} ({counts[0]})" if rule == "official" and counts else rule


def run_labels(summaries: Sequence[RunSummary]) -> list[str]:
    """Each run's model, with the digest that ends the run's name where two runs share a model."""
    models = [summary.model for summary in summaries]
    return [s.model if models.count(s.model) == 1 else f"{s.model} ({s.run.rsplit('-', 1)[-1]})" for s in summaries]


def ordered(metrics: Sequence[Metric], spec: ReportSpec) -> list[Metric]:
    """Known dimensions in the benchmark's order, others as they come, composites last."""
    dimensions = [d.name for d in spec.dimensions]

    def place(metric: Metric) -> tuple[int, int]:
        if metric.name in spec.composites:
            return 2, spec.composites.index(metric.name)
        return (0, dimensions.index(metric.name)) if metric.name in dimensions else (1, 0)

    return sorted(metrics, key=place)


def coverage_line(coverage: Coverage) -> str:
    decided = coverage.scored + coverage.excluded
    parts = [f"{coverage.scored} scored"]
    parts += [f"{coverage.excluded} excluded by rule"] if coverage.excluded else []
    parts += [f"{coverage.unscored} unscored"] if coverage.unscored else []
    return f"Coverage {share(decided, coverage.wanted)} of {coverage.wanted} wanted scores: {', '.join(parts)}."


def unscored_lines(coverage: Coverage, spec: ReportSpec) -> list[str]:
    """Each distinct reason once, most frequent first, with what it cost each dimension."""
    reasons: dict[str, dict[str, int]] = {}
    for missing in coverage.missing:
        counts = reasons.setdefault(missing.reason, {})
        counts[missing.metric] = counts.get(missing.metric, 0) + missing.count
    by_frequency = sorted(reasons.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    lines = []
    for reason, counts in by_frequency:
        shares = ", ".join(f"{spec.label(name)} {number}" for name, number in counts.items())
        lines.append(f"Unscored {sum(counts.values())} × {reason} ({shares}).")
    return lines


def absent_lines(metrics: Sequence[Metric], spec: ReportSpec) -> list[str]:
    """Why there is no value where ``unscored_lines`` does not say it: each reason once, with the metrics it stopped."""
    reasons: dict[str, list[str]] = {}
    for metric in metrics:
        if metric.value is None and (metric.name in spec.composites or not metric.unscored):
            reasons.setdefault(metric.reason or "no reason recorded", []).append(spec.label(metric.name))
    return [f"{MISSING} {', '.join(names)}: {reason}." for reason, names in reasons.items()]


def run_notes(summary: RunSummary, spec: ReportSpec) -> list[str]:
    """The variant's note and the run's own, each once."""
    notes = [*summary.notes, spec.variant(summary.variant).note]
    return list(dict.fromkeys(note for note in notes if note))


def _run_cells(metric: Metric, span: str, summary: RunSummary, spec: ReportSpec) -> tuple[Cell, ...]:
    value = None if metric.value is None else in_unit(metric.value, spec)
    low, high = (None, None) if metric.interval is None else (in_unit(bound, spec) for bound in metric.interval)
    composite = metric.name in spec.composites
    numbers = (metric.prompts, metric.samples, metric.unscored, metric.excluded)
    decided = metric.samples + metric.excluded
    return (
        Cell(spec.label(metric.name), metric.name),
        Cell(MISSING if value is None else rounded(value, spec.decimals), value),
        Cell(span),
        Cell("", low),
        Cell("", high),
        Cell("", spec.unit),
        *(Cell("", number or None) if composite else count(number) for number in numbers),
        Cell("" if composite else share(decided, decided + metric.unscored)),
        Cell("", "yes" if metric.higher_is_better else "no"),
        Cell("", summary.run),
        Cell("", metric.reason or None),
    )


def _measured(value: float | None) -> Cell:
    if value is None:
        return Cell(MISSING)
    exact = Decimal(repr(float(value)))
    return Cell(f"{value:.3g}" if value < 100 else f"{value:.0f}", exact)
