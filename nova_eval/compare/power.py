"""Several tests at once, what a run could have found, and what it would take to know."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
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


def detectable(error: float, freedom: float, prompts: int, tests: float = 1) -> float | None:
    """The smallest drop that is found with 80 % power by the strictest of ``tests``; ``error`` is the standard error.

    ``None`` where nothing varies, or where so few prompts can turn their signs that no p-value is small enough.
    """
    from scipy.special import stdtrit

    if not error > 0 or 0.5**prompts > LEVEL / tests:
        return None
    return float((stdtrit(freedom, 1 - LEVEL / tests) + stdtrit(freedom, POWER)) * error)


def needed(prompts: int, error: float, margin: float, tests: float = 1) -> int | None:
    """How many prompts of the same kind tell a difference of ``margin`` with 80 % power; ``None`` without a margin."""
    from scipy.special import ndtri

    if not margin > 0 or not error > 0:
        return None
    reach = float(ndtri(1 - LEVEL / tests) + ndtri(POWER))
    return max(2, math.ceil(prompts * (reach * error / margin) ** 2))
