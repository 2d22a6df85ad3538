"""What a table must know of a benchmark: its dimensions, their ranges, how they compose, and the unit shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nova_eval.errors import UsageError

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig


@dataclass(frozen=True, slots=True)
class Dimension:
    """One scored dimension. ``minimum`` and ``maximum`` are the raw values that normalise to 0 and 1."""

    name: str
    label: str
    group: str = ""
    weight: float = 1.0
    minimum: float = 0.0
    maximum: float = 1.0
    higher_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Variant:
    """A set of prompts. ``baselines`` says whether published numbers may stand beside its runs."""

    name: str
    baselines: bool = True
    rewritten: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """``groups`` weigh the group scores in the total; empty when the benchmark has no composite. A single group is the
    total under its own name.

    ``official_samples`` are the values of ``RunSummary.samples_per_prompt`` that equal the benchmark's own rule, which
    published rows follow unless they say otherwise.
    """

    benchmark: str
    dimensions: tuple[Dimension, ...]
    unit: Literal["percent", "fraction"] = "percent"
    decimals: int = 2
    groups: Mapping[str, float] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)
    official_samples: tuple[str, ...] = ("official",)

    @property
    def composites(self) -> tuple[str, ...]:
        """Group names, then ``"total"`` where there are several; nothing without groups."""
        return (*self.groups, "total") if len(self.groups) > 1 else tuple(self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column of a table in its order: dimensions, then composites."""
        return (*(d.name for d in self.dimensions), *self.composites)

    def label(self, name: str) -> str:
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension.label
        return _label(name)

    def variant(self, name: str) -> Variant:
        """The named variant; one the benchmark does not describe has published rows beside it, and no note."""
        return self.variants.get(name) or Variant(name, rewritten=name == "rewritten")


def report_spec(config: BenchmarkConfig) -> ReportSpec:
    """The part of a benchmark's configuration that its tables need; the variant ``rewritten`` has rewritten prompts."""
    here = f"benchmarks/{config.name}/benchmark.toml"
    for name, entry in config.dimensions.items():
        if entry.group and entry.group not in config.groups:
            known = ", ".join(config.groups) or "none"
            raise UsageError(f"{here}: dimension {name} is of group {entry.group!r}", remedy=f"[groups] has {known}")
        if not entry.minimum < entry.maximum:
            raise UsageError(f"{here}: dimension {name} has minimum {entry.minimum}, maximum {entry.maximum}")
    protocol = config.protocol
    counts = {protocol.samples_per_prompt, *protocol.official_samples_per_prompt.values()}
    return ReportSpec(
        benchmark=config.name,
        dimensions=tuple(
            Dimension(
                name=name,
                label=entry.label or _label(name),
                group=entry.group,
                weight=entry.weight,
                minimum=entry.minimum,
                maximum=entry.maximum,
                higher_is_better=entry.higher_is_better,
            )
            for name, entry in config.dimensions.items()
        ),
        unit=config.report.unit,
        decimals=2 if config.report.unit == "percent" else 4,
        groups=dict(config.groups),
        variants={
            name: Variant(name, baselines=entry.baselines, rewritten=name == "rewritten", note=entry.note)
            for name, entry in config.variants.items()
        },
        official_samples=("official", *(str(n) for n in counts if len(counts) == 1)),
    )


def compose(values: Mapping[str, float | None], spec: ReportSpec) -> dict[str, float | None]:
    """Group scores and total, as fractions, from raw dimension values; ``None`` where a dimension is missing.

    A group is the weighted mean of its normalised dimensions, which are not clamped; the total is that of the groups,
    and absent where one group is all there is.
    """
    scores: dict[str, float | None] = {}
    for group in spec.groups:
        members = [d for d in spec.dimensions if d.group == group]
        known = [(d, value) for d in members if (value := values.get(d.name)) is not None]
        shares = [d.weight * (value - d.minimum) / (d.maximum - d.minimum) for d, value in known]
        complete = bool(members) and len(known) == len(members)
        scores[group] = sum(shares) / sum(d.weight for d in members) if complete else None
    if len(spec.groups) > 1:
        scores["total"] = compose_groups(scores, spec)
    return scores


def compose_groups(groups: Mapping[str, float | None], spec: ReportSpec) -> float | None:
    """The total of group scores, in their unit; ``None`` when one is missing."""
    known = [(weight, score) for group, weight in spec.groups.items() if (score := groups.get(group)) is not None]
    if not known or len(known) < len(spec.groups):
        return None
    return sum(weight * score for weight, score in known) / sum(spec.groups.values())


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()
