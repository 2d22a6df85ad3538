"""The numbers of a run or of a published row in one benchmark, with the marks that say how far they compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from nova_eval.records import Metric, RunSummary
from nova_eval.report.baselines import BaselineRow, Contradiction, contradictions
from nova_eval.report.grid import gathered, in_unit

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig

DIFFERS, UNSTATED, CONTRADICTS, UNVERIFIED, PARTIAL, DEPARTS = "†", "‡", "§", "¶", "‖", "⁑"


@dataclass(frozen=True, slots=True)
class Numbers:
    """``values`` are in the benchmark's reporting unit; ``partial`` names those of which some samples are unscored.

    ``differs`` says how it departs from the protocol it is held against, ``departs`` which settings of its sampler are
    not as numbers are published, ``remarks`` everything a reader should know;
    ``metrics`` are those of a run that have a value.
    """

    source: str
    values: Mapping[str, Decimal]
    differs: tuple[str, ...] = ()
    departs: tuple[str, ...] = ()
    marks: str = ""
    remarks: tuple[str, ...] = ()
    partial: frozenset[str] = frozenset()
    contradictions: tuple[Contradiction, ...] = ()
    note: str = ""
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def comparable(self, name: str) -> bool:
        return not self.marks and name in self.values and name not in self.partial


def extent(summary: RunSummary) -> str:
    """Prompts × samples, such as "5 of 946 prompts × 5 samples" or "946 prompts × 5–25 samples"."""
    fewest, most = summary.per_prompt
    of_suite = f" of {summary.suite}" if summary.prompts < summary.suite else ""
    prompts = f"{summary.prompts}{of_suite} prompt{'s' * (max(summary.prompts, summary.suite) != 1)}"
    return f"{prompts} × {fewest if fewest == most else f'{fewest}–{most}'} sample{'s' * (most != 1)}"


def run_numbers(summary: RunSummary, first: RunSummary, config: BenchmarkConfig) -> Numbers:
    """A run as it departs from ``first``."""
    differs = [f"{summary.variant} prompts"] if summary.variant != first.variant else []
    if summary.prompts != first.prompts:
        differs.append(extent(summary))
    elif summary.samples_per_prompt != first.samples_per_prompt:
        differs.append(f"samples per prompt: {summary.samples_per_prompt}")
    elif summary.selection != first.selection:
        differs.append("other prompts" if extent(summary) == extent(first) else extent(summary))
    differs += [f"{summary.scoring} scoring"] if summary.scoring != first.scoring else []
    unit = config.report.unit
    return Numbers(
        source=summary.run,
        values={m.name: in_unit(m.value, unit) for m in summary.metrics if m.value is not None},
        differs=tuple(differs),
        departs=summary.departs,
        marks=DIFFERS * bool(differs) + DEPARTS * bool(summary.departs),
        remarks=(*differs, *summary.departs, *absent(summary.metrics, config.metrics, config)),
        partial=frozenset(m.name for m in summary.metrics if m.value is not None and m.unscored),
        metrics={m.name: m for m in summary.metrics if m.value is not None},
    )


def published_numbers(row: BaselineRow, run: RunSummary | None, config: BenchmarkConfig) -> Numbers:
    """A published row as it departs from ``run``, or from the benchmark's own protocol over its original prompts."""
    rewritten = run is not None and run.variant == "rewritten"
    differs = []
    if row.rewritten is not None and row.rewritten != rewritten:
        differs.append("rewritten prompts" if row.rewritten else "original prompts")
    if row.samples_per_prompt:
        same = row.samples_per_prompt in ((run.samples_per_prompt,) if run else config.official_samples)
        differs += [] if same else [f"samples per prompt: {row.samples_per_prompt}"]
    elif run is not None and run.samples_per_prompt not in config.official_samples:
        differs.append("official number of samples")
    if run is not None and run.prompts < run.suite:
        differs.append(f"all {run.suite} prompts")
    differs += ["official scoring"] * (run is not None and run.scoring != "official")
    differs += row.protocol
    wrong = contradictions(row, config)
    marks = {
        DIFFERS: bool(differs),
        UNSTATED: row.rewritten is None,
        CONTRADICTS: bool(wrong),
        UNVERIFIED: not row.verified,
    }
    remarks = [
        *differs,
        *(["whether prompts were rewritten is not stated"] if row.rewritten is None else []),
        *(contradicted(c, config) for c in wrong),
        *([] if row.verified else ["unverified"]),
        *([row.note] if row.note else []),
    ]
    return Numbers(
        source=row.source,
        values=row.values,
        differs=tuple(differs),
        marks="".join(mark for mark, applies in marks.items() if applies),
        remarks=tuple(remarks),
        contradictions=wrong,
        note=row.note,
    )


def departing(label: str, one: Numbers) -> list[str]:
    """The footnote of a run whose sampler's settings are not as numbers are published."""
    return [f"{DEPARTS} {label}: settings are not the protocol's: {'; '.join(one.departs)}."] if one.departs else []


def absent(metrics: Sequence[Metric], names: Sequence[str], config: BenchmarkConfig) -> list[str]:
    """Why a cell is empty, where the run's coverage does not say it."""
    known = {metric.name: metric for metric in metrics}
    reasons = []
    for name in names:
        metric, label = known.get(name), config.label(name).lower()
        if metric is None:
            reasons.append(("not part of this run", label))
        elif metric.value is None and not (metric.unscored or name in config.composites):
            reasons.append((metric.reason or "no reason recorded", label))
    return [f"{', '.join(labels)}: {reason}" for reason, labels in gathered(reasons).items()]


def contradicted(found: Contradiction, config: BenchmarkConfig) -> str:
    recomputed = f"{found.recomputed:.{config.report.decimals}f}"
    return f"{config.label(found.name).lower()} is printed as {found.printed}, its {found.basis} give {recomputed}"
