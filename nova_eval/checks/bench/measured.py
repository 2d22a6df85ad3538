"""What ``compare`` promises on measured spreads: prompts of two real runs drawn again, each with either sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_eval.adapters.compose import formula
from nova_eval.checks.bench.written import percent, to_markdown
from nova_eval.compare.evidence import evidence_of
from nova_eval.compare.pairing import Pairing
from nova_eval.compare.power import LEVEL, holm
from nova_eval.records import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Resampled:
    """Of repetitions without a true difference: how often the interval of a metric held it, and it was called worse.

    The last row is of all metrics together, by Holm; the others' alarms are uncorrected.
    """

    metric: str
    prompts: int
    coverage: float | None
    false_alarms: float
    repetitions: int


def resampled(pairing: Pairing, repetitions: int, seed: int) -> list[Resampled]:
    """A row a metric, then one of all."""
    import numpy as np

    random = np.random.default_rng(seed)
    config = pairing.reference.benchmark.config
    parts = {
        run.name: contributions(reference, run)
        for reference, run in pairing.metrics
        if run.name in config.dimensions and len(reference.influence.keys() | run.influence.keys()) > 1
    }
    slopes = {name: formula(config, name).coefficients for name in config.composites}
    whole = {name: known for name, known in slopes.items() if known.keys() <= parts.keys()}
    covered = dict.fromkeys((*parts, *whole), 0)
    alarms, together = dict(covered), 0
    for _ in range(repetitions):
        drawn = {name: _drawn(part, random) for name, part in parts.items()}
        for name, known in whole.items():
            value = math.fsum(slope * drawn[part][0] for part, slope in known.items())
            drawn[name] = value, np.concatenate([slope * drawn[part][1] for part, slope in known.items()])
        p_values = {}
        for name, (value, pulls) in drawn.items():
            found = evidence_of(
                value,
                np.zeros(len(pulls)),
                pulls,
                width=1.0 if name in parts else math.inf,
                composite=name in whole,
                random=random,
                resampling=False,
            )
            p_values[name] = found.p_worse
            covered[name] += found.interval is None or found.interval.low <= 0 <= found.interval.high
            alarms[name] += found.p_worse <= LEVEL
        together += min(holm(p_values).values()) <= LEVEL
    sizes = {name: len(pulls) for name, (_, pulls) in drawn.items()}
    return [
        *(
            Resampled(name, sizes[name], covered[name] / repetitions, alarms[name] / repetitions, repetitions)
            for name in covered
        ),
        Resampled("any of them", len(pairing.prompts), None, together / repetitions, repetitions),
    ]


def contributions(reference: Metric, run: Metric) -> Reals:
    """What each prompt adds to the difference, (prompts,)."""
    import numpy as np

    names = sorted(reference.influence.keys() | run.influence.keys())
    pulls = np.array([run.influence.get(name, 0.0) - reference.influence.get(name, 0.0) for name in names])
    count = len(names)
    value = (run.value or 0.0) - (reference.value or 0.0)
    return np.asarray((pulls - pulls.mean()) * math.sqrt((count - 1) / count) + value / count)


def _drawn(part: Reals, random: np.random.Generator) -> tuple[float, Reals]:
    """A difference of no true size, and the pulls of its prompts."""
    import numpy as np

    count = len(part)
    draws = part[random.integers(0, count, count)] * (random.integers(0, 2, count) * 2 - 1)
    return float(draws.sum()), np.asarray((draws - draws.mean()) * math.sqrt(count / (count - 1)))


def lines(rows: Sequence[Resampled]) -> str:
    """A Markdown table."""
    table = [[row.metric, str(row.prompts), percent(row.coverage), percent(row.false_alarms)] for row in rows]
    return to_markdown(["metric", "prompts", "interval covers", "false alarms"], table)
