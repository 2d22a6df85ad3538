"""Where a falling function is 0, without the half second that scipy.optimize takes to be imported."""

from __future__ import annotations

from collections.abc import Callable


def root(falling: Callable[[float], float], low: float, high: float) -> float:
    """The point between ``low`` and ``high`` up to which ``falling`` is above 0, by halves, to 1 in 10^13 of the range.

    An end, where that is so nowhere or everywhere between.
    """
    close = 1e-13 * (high - low)
    while high - low > close:
        middle = (low + high) / 2
        if falling(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
