"""Several tests at once, what a run could have found, and what it would take to know."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

LEVEL = 0.05
POWER = 0.80

K = TypeVar("K", bound=Hashable)


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Each p-value as it counts when all are looked at: below 0.05 keeps the chance of any false one below 5 %.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65–70.
    """
    adjusted, highest = {}, 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


@dataclass(frozen=True, slots=True)
class Thinning:
    """What a drop does to the noise where samples are right or wrong: right ones become wrong by chance.

    ``value`` is the share of right ones that a drop is taken from; ``within`` the variance of the mean by samples were
    each as likely right as the prompt's; ``between`` that by prompts; ``shared`` the covariance of the run's prompts
    with the differences. All are of the mean. ``step`` is what one sample moves the mean by: sums of signs are that
    coarse, and those that are equal count against a claim.
    """

    value: float
    within: float
    between: float
    shared: float
    step: float

    def added(self, drop: float) -> float:
        """The variance that a drop of this size adds to the difference."""
        share = drop / self.value
        return share * (1 - share) * self.within + share * (share * self.between - 2 * self.shared)

    def scaled(self, factor: float) -> Thinning:
        """Of a run whose variances are so many times these, as it has so many times fewer samples."""
        within, between, shared, step = (factor * one for one in (self.within, self.between, self.shared, self.step))
        return Thinning(self.value, within, between, shared, step)


def detectable(
    error: float, freedom: float, prompts: int, tests: float = 1, thinning: Thinning | None = None
) -> float | None:
    """The smallest drop that is found with 80 % power by the strictest of ``tests``; ``error`` is the standard error.

    Where the scores are right or wrong, ``thinning`` says how much noisier a run is that is worse; else a drop is taken
    to move every prompt alike. ``None`` where nothing varies, where so few prompts can turn their signs that no p-value
    is small enough, or where not even a run that has everything wrong would be found.
    """
    from scipy.special import stdtrit

    if 0.5**prompts > LEVEL / tests or (not error > 0 and thinning is None):
        return None
    reach = float(stdtrit(freedom, 1 - LEVEL / tests) + stdtrit(freedom, POWER))
    if thinning is None:
        return reach * error
    steps = 200
    for step in range(1, steps + 1):
        drop = thinning.value * step / steps
        if drop - thinning.step >= reach * math.sqrt(max(0.0, error**2 + thinning.added(drop))):
            return drop
    return None


def needed(prompts: int, error: float, margin: float, tests: float = 1) -> int | None:
    """How many prompts of the same kind tell a difference of ``margin`` with 80 % power; ``None`` without a margin."""
    from scipy.special import ndtri

    if not margin > 0 or not error > 0:
        return None
    reach = float(ndtri(1 - LEVEL / tests) + ndtri(POWER))
    return max(2, math.ceil(prompts * (reach * error / margin) ** 2))
