"""How a benchmark's dimensions make its composites: group scores and their total, as linear functions of raw scores.

A group is the weighted mean of its normalised dimensions, which are not clamped; the total is that of the groups. Every
composite of the house comes from ``formula``: with its interval from estimates, bare from published numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_eval.adapters.reduce import Estimate, composite, estimate, metric
from nova_eval.records import Metric, Score

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig, Dimension

TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Formula:
    """``offset + Σ coefficient · raw score``, a fraction."""

    coefficients: Mapping[str, float]
    offset: float = 0.0

    def __call__(self, values: Mapping[str, float | None]) -> float | None:
        """The composite of plain scores; ``None`` where one is missing, or where there is nothing to compose."""
        known = {name: value for name in self.coefficients if (value := values.get(name)) is not None}
        if not known or len(known) < len(self.coefficients):
            return None
        return math.fsum([self.offset, *(self.coefficients[name] * value for name, value in known.items())])


def normalised(dimension: Dimension, raw: float) -> float:
    """The score on the dimension's range, not clamped: a motion smoothness of 1 gives 1.0086."""
    return (raw - dimension.minimum) / (dimension.maximum - dimension.minimum)


def formula(config: BenchmarkConfig, name: str) -> Formula:
    """The formula of a group, or of the total over all groups."""
    if name not in config.groups:
        return _total(config)
    members = {key: dimension for key, dimension in config.dimensions.items() if dimension.group == name}
    weight = math.fsum(dimension.weight for dimension in members.values())
    slope = {key: d.weight / (d.maximum - d.minimum) / weight for key, d in members.items()}
    return Formula(slope, -math.fsum(slope[key] * dimension.minimum for key, dimension in members.items()))


def total_of_groups(config: BenchmarkConfig) -> Formula:
    """The total as a function of group scores, in whatever unit they have."""
    weight = sum(config.groups.values())
    return Formula({group: share / weight for group, share in config.groups.items()})


def compose(config: BenchmarkConfig, values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Every composite from raw dimension values; ``None`` where a dimension is missing."""
    return {name: formula(config, name)(values) for name in config.composites}


def estimates(config: BenchmarkConfig, parts: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Every composite from the estimates of dimensions, stated only when every part is complete."""
    made = {name: formula(config, name) for name in config.composites}
    return {
        name: composite({key: (slope, parts[key]) for key, slope in of.coefficients.items()}, of.offset, config.label)
        for name, of in made.items()
    }


def metrics_of(config: BenchmarkConfig, rows: Sequence[Score]) -> list[Metric]:
    """Every dimension as the mean of its rows, then every composite."""
    dimensions = config.dimensions
    by_name: dict[str, list[Score]] = {name: [] for name in dimensions}
    for row in rows:
        if row.metric in by_name:
            by_name[row.metric].append(row)
    parts = {name: estimate(by_name[name], dimensions[name].bounds) for name in dimensions}
    return [
        *(metric(name, part, dimensions[name].higher_is_better) for name, part in parts.items()),
        *(metric(name, part) for name, part in estimates(config, parts).items()),
    ]


def _total(config: BenchmarkConfig) -> Formula:
    coefficients: dict[str, float] = {}
    offset = 0.0
    for group, share in total_of_groups(config).coefficients.items():
        part = formula(config, group)
        offset += share * part.offset
        coefficients |= {name: share * slope for name, slope in part.coefficients.items()}
    return Formula(coefficients, offset)
