"""Which of several runs may be the best: the maximum over noisy scores is biased, the set of candidates is not."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from nova_eval.compare.bootstrap import best_of
from nova_eval.compare.pairing import Pairing
from nova_eval.records import Metric


def best(pairings: Sequence[Pairing]) -> dict[str, tuple[float, ...]]:
    """By metric the p-value of each run, in the order given: from 0.05 on it may be the best.

    Nothing where runs are not of the same samples, or a metric is not known of all of them. Composites stand for the
    whole where a benchmark has them.
    """
    import numpy as np

    first = pairings[0]
    if any(set(one.wanted) != set(first.wanted) for one in pairings):
        return {}
    config = first.reference.benchmark.config
    found = {}
    for name in config.composites or config.metrics:
        sides = [metric for one in pairings for _, metric in one.metrics if metric.name == name]
        if len(sides) == len(pairings) and all(side.value is not None and side.influence for side in sides):
            random = np.random.default_rng(zlib.crc32(name.encode()))
            found[name] = tuple(best_of(np.array(_contributions(sides)).T, random))
    return found


def _contributions(sides: Sequence[Metric]) -> list[list[float]]:
    """Of each side what every prompt adds to the value, more being better."""
    names = sorted(set().union(*(side.influence for side in sides)))
    rows = []
    for side in sides:
        sign = 1.0 if side.higher_is_better else -1.0
        mean = (side.value or 0.0) / len(names)
        rows.append([sign * (side.influence.get(name, 0.0) + mean) for name in names])
    return rows
