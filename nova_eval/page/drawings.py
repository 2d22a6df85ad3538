"""The figures of a page, from the numbers that its tables show."""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.compare.verdicts import Finding, Verdict
from nova_eval.config import BenchmarkConfig
from nova_eval.page.columns import Dimension
from nova_eval.page.gathering import Gathered
from nova_eval.records import Interval, Metric
from nova_eval.report.figures.forest import Line, Mark, forest
from nova_eval.report.figures.radar import Ring, radar
from nova_eval.report.figures.spread import spread
from nova_eval.report.grid import MISSING, in_unit, rounded
from nova_eval.report.tables import ordered

KINDS = {Verdict.BETTER: "better", Verdict.WORSE: "worse", Verdict.NO_WORSE: "same", Verdict.CANNOT_TELL: "open"}
"""The class that paints a verdict."""


def values(gathered: Gathered) -> str:
    """Every metric of every run, with its interval, in the table's unit."""
    config = gathered.config
    found = [{metric.name: metric for metric in run.outcome.summary.metrics} for run in gathered.runs]
    names = {name: None for metrics in found for name in metrics}
    metrics = ordered([next(m[name] for m in found if name in m) for name in names], config)
    lines = [
        Line(
            config.label(metric.name),
            tuple(_value(config, run.get(metric.name), place, len(found)) for place, run in enumerate(found)),
            metric.name in config.composites[:1],
        )
        for metric in metrics
    ]
    return forest("Values with their 95 % intervals", lines, zero=False, unit=_unit(config))


def differences(gathered: Gathered, place: int) -> str:
    """Of one comparison every difference from the reference, with its interval, gate and verdict."""
    if gathered.series is None:
        return ""
    config, one = gathered.config, gathered.series.comparisons[place]
    lines = [
        Line(config.label(f.metric), (_difference(config, f),), f.metric in config.composites[:1]) for f in one.findings
    ]
    title = f"{one.pairing.run.model} against {one.pairing.reference.model}: differences with their 95 % intervals"
    return forest(title, lines, zero=True, unit=f"difference, run − reference ({_unit(config)})")


def around(gathered: Gathered) -> str:
    """Every dimension's value within its range, a ring a run."""
    config = gathered.config
    found = [{metric.name: metric for metric in run.outcome.summary.metrics} for run in gathered.runs]
    names = [name for name in config.dimensions if any(name in run and run[name].value is not None for run in found)]
    rings = [
        Ring(run.label, tuple(_share(config, name, metrics.get(name)) for name in names))
        for run, metrics in zip(gathered.runs, found, strict=True)
    ]
    return radar("Dimensions within their ranges", [config.label(name) for name in names], rings)


def spreads(found: Sequence[Dimension]) -> dict[str, str]:
    """By dimension how the scores of its samples spread."""
    return {
        one.name: spread(
            f"{one.label}: scores of samples",
            [[score.value for score in run.values() if score.value is not None] for run in one.scores],
            one.low,
            one.high,
        )
        for one in found
    }


def _value(config: BenchmarkConfig, metric: Metric | None, place: int, runs: int) -> Mark:
    kind = f"run{place % 6}" if runs > 1 else "plain"
    if metric is None or metric.value is None:
        return Mark(None, None, MISSING, kind)
    scale = config.report.scale
    interval = None if metric.interval is None else Interval(*(scale * end for end in metric.interval))
    return Mark(scale * metric.value, interval, _text(config, metric.value), kind)


def _difference(config: BenchmarkConfig, finding: Finding) -> Mark:
    kind, scale = KINDS[finding.verdict], config.report.scale
    if finding.difference is None:
        return Mark(None, None, str(finding.verdict), kind)
    interval = None if finding.interval is None else Interval(*(scale * end for end in finding.interval))
    said = f"{_text(config, finding.difference, signed=True)} {finding.verdict}"
    gate = None if finding.gate is None or not finding.higher_is_better else scale * finding.gate
    return Mark(scale * finding.difference, interval, said, kind, gate)


def _share(config: BenchmarkConfig, name: str, metric: Metric | None) -> float | None:
    if metric is None or metric.value is None:
        return None
    known = config.dimensions[name]
    share = (metric.value - known.minimum) / (known.maximum - known.minimum)
    share = min(max(share, 0.0), 1.0)
    return share if known.higher_is_better else 1 - share


def _text(config: BenchmarkConfig, value: float, *, signed: bool = False) -> str:
    text = rounded(in_unit(value, config.report.unit), config.report.decimals)
    return f"+{text}" if signed and value > 0 and text.strip("0.") else text


def _unit(config: BenchmarkConfig) -> str:
    return "percent" if config.report.unit == "percent" else "fraction"
