"""Looking several times at results as they come: boundaries that keep the chance of a false alarm where it was.

The statistics of the looks are normal, each with the share ``fraction`` of the information of the last; their joint
distribution is integrated recursively. Sources: K. K. G. Lan, D. L. DeMets, Biometrika 70 (1983) 659–663;
P. Armitage, C. K. McPherson, B. C. Rowe, Journal of the Royal Statistical Society A 132 (1969) 235–244;
C. Jennison, B. W. Turnbull, Group Sequential Methods (2000), chapter 19 for the grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from nova_eval.compare.power import LEVEL
from nova_eval.compare.roots import root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

Spending = Callable[[float, float], float]
"""From the share of information and the level: how much of the level is spent by then."""

LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)

_FAR = 8.0  # standard deviations: beyond, nothing is integrated
_FINE = 18  # points a standard deviation near the middle, Jennison and Turnbull's r


def pocock(fraction: float, level: float) -> float:
    """Spends early: boundaries are nearly level."""
    return level * math.log(1 + (math.e - 1) * min(fraction, 1.0))


def evenly(fraction: float, level: float) -> float:
    """Spends as information comes: boundaries come down slowly.

    Both families between early and late hold it: the power 1 of K. Kim, D. L. DeMets, Biometrika 74 (1987) 149–154, and
    the γ 0 of I. K. Hwang, W. J. Shih, J. S. DeCani, Statistics in Medicine 9 (1990) 1439–1445.
    """
    return level * min(fraction, 1.0)


def obrien_fleming(fraction: float, level: float) -> float:
    """Spends late: early boundaries are far away, the last is nearly that of one look."""
    from scipy.special import ndtr, ndtri

    return 2 * float(ndtr(-float(ndtri(1 - level / 2)) / math.sqrt(min(fraction, 1.0))))


@dataclass(frozen=True, slots=True)
class Boundaries:
    """One-sided: of each look the standardised value from which on the claim is made, and the level spent by then."""

    fractions: tuple[float, ...]
    values: tuple[float, ...]
    spent: tuple[float, ...]


def boundaries(fractions: Sequence[float] = LOOKS, level: float = LEVEL, spending: Spending = pocock) -> Boundaries:
    """Boundaries of looks at these shares of information, which rise; the last may stay below 1."""
    _rising(fractions)
    found = tuple(fractions)
    values = [_taken(found[:end], level, spending)[0] for end in range(1, len(found) + 1)]
    return Boundaries(found, tuple(values), tuple(spending(fraction, level) for fraction in found))


@lru_cache(maxsize=8192)
def _taken(fractions: tuple[float, ...], level: float, spending: Spending) -> tuple[float, _State]:
    """The boundary of the last of these looks, and what is left after it."""
    *before, fraction = fractions
    state = _taken(tuple(before), level, spending)[1] if before else None
    spent = spending(before[-1], level) if before else 0.0
    value = _boundary(state, fraction, spending(fraction, level) - spent)
    return value, _below(state, fraction, value)


def crossing(found: Boundaries, drift: float) -> tuple[float, ...]:
    """The chance to have crossed by each look where the statistic of all information has the mean ``drift``."""
    crossed, state = [], None
    total = 0.0
    for fraction, value in zip(found.fractions, found.values, strict=True):
        total += _beyond(state, fraction, value, drift)
        crossed.append(total)
        state = _below(state, fraction, value, drift)
    return tuple(crossed)


class _State(NamedTuple):
    """The sub-density of the statistic of a look, of those that have not crossed: points, and weight times density."""

    points: Reals
    mass: Reals
    fraction: float


def _below(state: _State | None, fraction: float, value: float, drift: float = 0.0) -> _State:
    """What is left after a look."""
    import numpy as np

    points, weights = _grid(drift * math.sqrt(fraction), value)
    if state is None:
        density = _normal(points - drift * math.sqrt(fraction))
    else:
        step = fraction - state.fraction
        reached = points[:, None] * math.sqrt(fraction) - state.points[None, :] * math.sqrt(state.fraction)
        density = _normal((reached - drift * step) / math.sqrt(step)) @ state.mass * math.sqrt(fraction / step)
    return _State(points, np.asarray(density * weights), fraction)


def _beyond(state: _State | None, fraction: float, value: float, drift: float = 0.0) -> float:
    """The chance to cross ``value`` at a look, and at none before."""
    import numpy as np
    from scipy.special import ndtr

    if state is None:
        return float(ndtr(drift * math.sqrt(fraction) - value))
    step = fraction - state.fraction
    short = value * math.sqrt(fraction) - state.points * math.sqrt(state.fraction) - drift * step
    return float(np.dot(ndtr(-short / math.sqrt(step)), state.mass))


def _boundary(state: _State | None, fraction: float, share: float) -> float:
    """The value that is crossed at a look for the first time with the chance ``share``; infinite where that is 0."""
    if share <= 0 or _beyond(state, fraction, _FAR) >= share:
        return math.inf
    return root(lambda value: _beyond(state, fraction, value) - share, -_FAR, _FAR)


def _grid(centre: float, end: float) -> tuple[Reals, Reals]:
    """Points from far below up to ``end``, dense near ``centre``, and Simpson's weights of them."""
    import numpy as np

    places = np.arange(1, 6 * _FINE)
    tails = np.where(places < _FINE, -3 - 4 * np.log(_FINE / places), 0.0)
    tails = np.where((places >= _FINE) & (places <= 5 * _FINE), -3 + 3 * (places - _FINE) / (2 * _FINE), tails)
    tails = np.where(places > 5 * _FINE, 3 + 4 * np.log(_FINE / (6 * _FINE - places)), tails)
    knots = centre + tails
    knots = np.append(knots[knots < end], min(end, float(knots[-1])))
    points = np.empty(2 * len(knots) - 1)
    points[::2] = knots
    points[1::2] = (knots[1:] + knots[:-1]) / 2
    weights = np.zeros(len(points))
    width = np.diff(knots) / 6
    weights[:-2:2] += width
    weights[1::2] += 4 * width
    weights[2::2] += width
    return points, weights


def _normal(values: Reals) -> Reals:
    import numpy as np

    density: Reals = np.exp(-np.square(values) / 2) / math.sqrt(2 * math.pi)
    return density


def _rising(fractions: Sequence[float]) -> None:
    if not fractions or any(not a < b for a, b in zip((0.0, *fractions), fractions, strict=False)) or fractions[-1] > 1:
        raise ValueError(f"looks at {list(fractions)}: shares of information rise, above 0 and up to 1")
