"""A row of numbers before it has cells: a run's or a published one's, with the marks that say how far it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from nova_eval.records import Metric, RunSummary
from nova_eval.report.baselines import BaselineRow, Contradiction, contradictions
from nova_eval.report.grid import in_unit, rounded
from nova_eval.report.spec import ReportSpec

DIFFERS, UNSTATED, CONTRADICTS, UNVERIFIED, PARTIAL = "†", "‡", "§", "¶", "‖"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row before it has cells. ``values`` are in the reporting unit, ``partial`` names the incomplete."""

    label: str
    kind: str
    values: dict[str, Decimal]
    printed: dict[str, str]
    source: str
    params_b: Decimal | None = None
    differs: tuple[str, ...] = ()
    marks: str = ""
    remarks: tuple[str, ...] = ()
    partial: frozenset[str] = frozenset()

    def comparable(self, name: str) -> bool:
        return not self.marks and name in self.values and name not in self.partial


def run_entry(summary: RunSummary, label: str, first: RunSummary, spec: ReportSpec) -> Entry:
    """A run as it departs from ``first``."""
    known = {m.name: m for m in summary.metrics if m.value is not None}
    values = {name: in_unit(m.value, spec) for name, m in known.items() if m.value is not None}
    differs = [f"{summary.variant} prompts"] if summary.variant != first.variant else []
    if summary.samples_per_prompt != first.samples_per_prompt:
        differs.append(f"samples per prompt: {summary.samples_per_prompt}")
    differs += [f"{summary.scoring} scoring"] if summary.scoring != first.scoring else []
    return Entry(
        label=label,
        kind="run",
        values=values,
        printed={name: rounded(value, spec.decimals) for name, value in values.items()},
        source=summary.run,
        differs=tuple(differs),
        marks=DIFFERS if differs else "",
        remarks=(*differs, *absent(summary.metrics, spec.names, spec)),
        partial=frozenset(name for name, m in known.items() if m.unscored),
    )


def published_entry(row: BaselineRow, run: RunSummary | None, spec: ReportSpec) -> Entry:
    """A published row as it departs from ``run``, or from the benchmark's own protocol over its original prompts."""
    wanted = run is not None and spec.variant(run.variant).rewritten
    differs = []
    if row.rewritten is not None and row.rewritten != wanted:
        differs.append("rewritten prompts" if row.rewritten else "original prompts")
    if row.samples_per_prompt:
        same = row.samples_per_prompt in ((run.samples_per_prompt,) if run else spec.official_samples)
        differs += [] if same else [f"samples per prompt: {row.samples_per_prompt}"]
    elif run is not None and run.samples_per_prompt not in spec.official_samples:
        differs.append("official number of samples")
    differs += ["official scoring"] * (run is not None and run.scoring != "official")
    differs += row.protocol
    wrong = contradictions(row, spec)
    marks = {
        DIFFERS: bool(differs),
        UNSTATED: row.rewritten is None,
        CONTRADICTS: bool(wrong),
        UNVERIFIED: not row.verified,
    }
    remarks = [
        *differs,
        *(["whether prompts were rewritten is not stated"] if row.rewritten is None else []),
        *(contradicted(c, spec) for c in wrong),
        *([] if row.verified else ["unverified"]),
        *([row.note] if row.note else []),
    ]
    return Entry(
        label=row.model,
        kind="published",
        values=dict(row.values),
        printed={name: f"{value:f}" for name, value in row.values.items()},
        source=row.source,
        params_b=row.params_b,
        differs=tuple(differs),
        marks="".join(mark for mark, applies in marks.items() if applies),
        remarks=tuple(remarks),
    )


def absent(metrics: Sequence[Metric], names: Sequence[str], spec: ReportSpec) -> list[str]:
    """Why a cell is empty, where the run's coverage does not say it."""
    known = {metric.name: metric for metric in metrics}
    reasons: dict[str, list[str]] = {}
    for name in names:
        metric = known.get(name)
        if metric is None:
            reasons.setdefault("not part of this run", []).append(spec.label(name).lower())
        elif metric.value is None and not (metric.unscored or name in spec.composites):
            reasons.setdefault(metric.reason or "no reason recorded", []).append(spec.label(name).lower())
    return [f"{', '.join(labels)}: {reason}" for reason, labels in reasons.items()]


def contradicted(found: Contradiction, spec: ReportSpec) -> str:
    recomputed = f"{found.recomputed:.{spec.decimals}f}"
    return f"{spec.label(found.name).lower()} is printed as {found.printed}, its {found.basis} give {recomputed}"
