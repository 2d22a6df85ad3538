"""Resampling prompts: BCa intervals of a difference, and which of several runs may be the best."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nova_eval.records import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

RESAMPLES = 4_999
MANY = 500
"""From so many prompts on, the resampled distribution is written down to its skewness instead of drawn."""

_TAIL = 0.025
_AT_ONCE = 2_000_000


def bca(value: float, pulls: Reals, random: np.random.Generator) -> Interval | None:
    """The bias-corrected and accelerated 95 % interval of ``value``, to which each prompt pulls by ``pulls``.

    ``pulls`` is (prompts,) and sums to 0. ``None`` where nothing varies.
    Source: B. Efron, Journal of the American Statistical Association 82 (1987) 171–185.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri

    squares = math.fsum(np.square(pulls))
    if len(pulls) < 2 or squares <= (1e-12 * abs(value)) ** 2:
        return None
    cubes = math.fsum(pulls * np.square(pulls))
    acceleration = cubes / (6 * squares**1.5)
    ends = ndtri(np.array([_TAIL, 1 - _TAIL]))
    if len(pulls) >= MANY:
        moved = acceleration + (acceleration + ends) / (1 - acceleration * (acceleration + ends))
        reach = moved + acceleration * (np.square(moved) - 1)  # Cornish and Fisher's quantile of a resampled sum
        low, high = value + math.sqrt(squares) * reach
        return Interval(float(low), float(high))
    drawn = resampled(pulls[:, None], random, RESAMPLES)[:, 0]
    below = (np.count_nonzero(drawn < 0) + np.count_nonzero(drawn == 0) / 2) / RESAMPLES
    bias = float(ndtri(np.clip(below, 1 / RESAMPLES, 1 - 1 / RESAMPLES)))
    shares = ndtr(bias + (bias + ends) / (1 - acceleration * (bias + ends)))
    low, high = value + np.quantile(drawn, shares)
    return Interval(float(low), float(high))


def resampled(parts: Reals, random: np.random.Generator, times: int) -> Reals:
    """(times, columns): sums of ``parts``, which is (prompts, columns), over prompts drawn with replacement."""
    import numpy as np

    prompts, columns = parts.shape
    rows = max(1, _AT_ONCE // prompts)
    sums = np.empty((times, columns))
    for done in range(0, times, rows):
        count = min(rows, times - done)
        places = random.integers(0, prompts, (count, prompts))
        for column in range(columns):
            sums[done : done + count, column] = parts[places, column].sum(axis=1)
    return sums


def best_of(contributions: Reals, random: np.random.Generator, times: int = 1_999) -> list[float]:
    """Of each run the p-value by which it stays among those that may be the best: the model confidence set.

    ``contributions`` is (prompts, runs); a run's score is the sum of its column, and more is better. The 95 % set are
    the runs above 0.05. The statistic is the largest distance below the mean of those that are left.
    Source: P. R. Hansen, A. Lunde, J. M. Nason, Econometrica 79 (2011) 453–497.
    """
    import numpy as np

    runs = contributions.shape[1]
    scores = contributions.sum(axis=0)
    drawn = resampled(contributions, random, times) - scores
    found, left, so_far = [1.0] * runs, list(range(runs)), 0.0
    while len(left) > 1:
        behind = scores[left].mean() - scores[left]
        spread = drawn[:, left].mean(axis=1, keepdims=True) - drawn[:, left]
        deviation = np.sqrt(np.square(spread).mean(axis=0))
        if not deviation.max() > 1e-12 * np.abs(scores[left]).max():  # all alike, prompt by prompt
            break
        steady = np.where(deviation > 0, deviation, np.inf)
        statistic = behind / steady
        worst = int(statistic.argmax())
        so_far = max(so_far, float(np.mean((spread / steady).max(axis=1) >= statistic[worst])))
        found[left[worst]] = so_far
        del left[worst]
    return found
