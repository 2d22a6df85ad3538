"""A comparison as a table of the house, and the lines below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from nova_eval.compare.changes import Change, changed_most
from nova_eval.compare.comparing import Series
from nova_eval.compare.likeness import brief
from nova_eval.compare.power import LEVEL
from nova_eval.compare.verdicts import Comparison, Finding, Verdict
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, count, gathered, in_unit, rounded, words

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


def pages(series: Series, changes: int) -> list[Table]:
    """A table a run, then which may be the best where there are several."""
    tables = [comparison_table(one, changed_most(one, changes)) for one in series.comparisons]
    return [*tables, *([best_table(series)] if series.best else [])]


def comparison_table(comparison: Comparison, changes: Sequence[Change] = ()) -> Table:
    """A row a metric: both values, the difference with its interval, p-value, gate and verdict."""
    pairing = comparison.pairing
    config = pairing.reference.benchmark.config
    value = partial(number, config)
    fields: list[tuple[Column, Callable[[Finding], Cell]]] = [
        (Column("metric", "Metric"), lambda f: Cell(config.label(f.metric), f.metric)),
        (Column("reference", "Reference", "right"), lambda f: value(f.reference)),
        (Column("run", "Run", "right"), lambda f: value(f.run)),
        (Column("difference", "Difference", "right"), lambda f: value(f.difference, signed=True)),
        (Column("interval", "Interval", "right", "page"), lambda f: _interval(config, f)),
        (Column("low", "Low", "right", "data"), lambda f: value(f.interval and f.interval.low)),
        (Column("high", "High", "right", "data"), lambda f: value(f.interval and f.interval.high)),
        (Column("gate", "Gate", "right"), lambda f: value(f.gate)),
        (Column("p", "p worse", "right"), lambda f: _p(f.p_worse)),
        (Column("p_better", "p better", "right", "data"), lambda f: _p(f.p_better)),
        (Column("prompts", "Prompts", "right"), lambda f: count(f.evidence.prompts if f.evidence else None)),
        (Column("verdict", "Verdict"), lambda f: Cell(str(f.verdict), str(f.verdict), strong=f.verdict in STRONG)),
        (Column("unit", "Unit", place="data"), lambda f: words(config.report.unit)),
    ]
    title = f"{config.name}: {pairing.run.model} ({pairing.run.name}) against {pairing.reference.model}"
    ruled = [place for place, f in enumerate(comparison.findings) if f.metric in config.composites][:1]
    return build(
        f"{title} ({pairing.reference.name})",
        fields,
        comparison.findings,
        ruled=ruled,
        footnotes=[*lines(comparison), *(["Changed most:"] if changes else []), *change_lines(changes)],
        strong_means="established" if any(f.verdict in STRONG for f in comparison.findings) else "",
    )


STRONG = {Verdict.WORSE, Verdict.BETTER}


def verdict_line(config: BenchmarkConfig, finding: Finding) -> str:
    """A finding in one line."""
    line = f"{finding.verdict}: {text(config, finding.difference, signed=True)} ({config.report.unit})"
    if finding.interval is not None:
        line += f", 95 % {_interval(config, finding).text}"
    if finding.gate is not None:
        line += f", gate {text(config, finding.gate)}"
    return f"{line}; {finding.reason}" if finding.reason else line


def best_table(series: Series) -> Table:
    """A row a run: of each metric the p-value by which it may be the best."""
    pairings = [one.pairing for one in series.comparisons]
    config = pairings[0].reference.benchmark.config
    fields: list[tuple[Column, Callable[[int], Cell]]] = [
        (Column("run", "Run"), lambda place: Cell(pairings[place].run.name, pairings[place].run.name)),
        *((Column(name, config.label(name), "right"), partial(_candidate, series, name)) for name in series.best),
    ]
    return build(
        "Which run may be the best: p-values of the model confidence set",
        fields,
        range(len(pairings)),
        footnotes=[
            "The highest score of several runs is too high by chance; the best is among the marked ones in 95 of 100 "
            "cases."
        ],
        strong_means="may be the best",
    )


def _candidate(series: Series, name: str, place: int) -> Cell:
    p = series.best[name][place]
    return replace(_p(p), strong=p > LEVEL)


def lines(comparison: Comparison) -> list[str]:
    """What was paired, what it was worth, what cannot be told and why."""
    pairing = comparison.pairing
    config = pairing.reference.benchmark.config
    known = [f.evidence for f in comparison.findings if f.evidence is not None]
    found = ["Differences are run − reference, with their 95 % interval. p worse: corrected for all metrics and runs."]
    found += [f"{len(pairing.prompts)} prompts and {len(pairing.wanted)} samples on both sides, {_seeds(comparison)}."]
    alone = [f"{count_} {what}" for what, count_ in pairing.alone.items() if count_]
    found += [f"Not paired, and left out: {', '.join(alone)}."] if alone else []
    correlations = sorted(facts.correlation for facts in known if facts.correlation is not None)
    if correlations:
        middle = correlations[len(correlations) // 2]
        found.append(
            f"Correlation by prompt: {correlations[0]:.2f} to {correlations[-1]:.2f}, median {middle:.2f} "
            "(the share of the variance that pairing takes away)."
        )
    for scorer, (mine, other) in sorted(pairing.lacking.items()):
        found.append(f"Left out of {config.label(scorer)}: {mine} scores that the reference lacks, {other} of the run.")
    uneven = [f"{config.label(f.metric)} {_one_sided(f)}" for f in comparison.findings if _one_sided(f)]
    found += [f"Prompts that count on one side only, by the benchmark's rule: {', '.join(uneven)}."] if uneven else []
    reasons = gathered((f.reason, config.label(f.metric)) for f in comparison.findings if f.reason)
    found += [f"{', '.join(names)}: {reason}." for reason, names in reasons.items()]
    found += [_open(config, f) for f in comparison.undecided if f.evidence is not None]
    if comparison.allowed:
        found.append(f"Compared although they differ in {', '.join(comparison.allowed)}.")
    return found + _manifests(comparison)


def _manifests(comparison: Comparison) -> list[str]:
    """Every difference of the manifests; all of the machine in one line."""
    here = [one for one in comparison.differences if not one.place.startswith(_OF_MACHINE)]
    machine = [one.place for one in comparison.differences if one.place.startswith(_OF_MACHINE)]
    found = [f"{one.place}: {brief(one.reference)} → {brief(one.run)}" for one in here]
    return found + ([f"Other machine or folders: {', '.join(machine)}."] if machine else [])


_OF_MACHINE = ("device", "environment.", "options.")


def change_lines(changes: Sequence[Change]) -> list[str]:
    """One line a change."""
    return [
        f"{one.key.prompt_id} [{one.key.index}] {one.metric}: {one.reference:.4g} → {one.run:.4g}, {one.prompt!r}"
        + "".join(f"; {side}: {why}" for side, why in zip(("reference", "run"), one.why, strict=True) if why)
        for one in changes
    ]


def _one_sided(finding: Finding) -> int:
    return finding.evidence.one_sided if finding.evidence else 0


def _open(config: BenchmarkConfig, finding: Finding) -> str:
    if finding.detectable is None:
        return f"{config.label(finding.metric)}: cannot tell; no drop can be established by so few prompts that differ."
    smallest = text(config, finding.detectable)
    line = f"{config.label(finding.metric)}: cannot tell; a drop of {smallest} would have been found"
    if finding.needed is None:
        return f"{line}."
    what = "the gate" if finding.gate else "this difference"
    return f"{line}, {finding.needed} prompts would decide about {what} (80 % power)."


def _seeds(comparison: Comparison) -> str:
    pairing = comparison.pairing
    total = len(pairing.wanted)
    same = "all" if pairing.seeded == total else "none" if not pairing.seeded else f"{pairing.seeded}"
    identical = len(pairing.identical)
    if identical == total:
        return f"{same} of the same seed, all byte for byte the same"
    return f"{same} of the same seed" + (f", {identical} byte for byte the same" if identical else "")


def number(config: BenchmarkConfig, value: float | None, *, signed: bool = False) -> Cell:
    """A score in the benchmark's unit."""
    return Cell(text(config, value, signed=signed), None if value is None else in_unit(value, config.report.unit))


def text(config: BenchmarkConfig, value: float | None, *, signed: bool = False) -> str:
    """The same, bare."""
    if value is None:
        return MISSING
    shown = rounded(in_unit(value, config.report.unit), config.report.decimals)
    return f"+{shown}" if signed and value > 0 and shown.strip("0.") else shown


def _interval(config: BenchmarkConfig, finding: Finding) -> Cell:
    if finding.interval is None:
        return Cell(MISSING)
    return Cell(f"[{text(config, finding.interval.low)}, {text(config, finding.interval.high)}]")


def _p(value: float | None) -> Cell:
    if value is None:
        return Cell(MISSING)
    return Cell("< 0.0001" if value < 0.0001 else f"{value:.4f}", Decimal(repr(value)))
