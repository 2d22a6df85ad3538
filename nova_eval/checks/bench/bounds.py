"""What stopping early can save at all: looks at normal statistics, by the recursion that boundaries come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nova_eval.checks.bench.stopping import GATE, PROMPTS, SETS
from nova_eval.checks.bench.written import percent, to_markdown
from nova_eval.compare.power import LEVEL
from nova_eval.compare.sequential import Boundaries, Spending, boundaries, crossing, evenly, obrien_fleming, pocock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

SLACK = 0.05
"""What stopping early may lose of the power of one look."""

_OPTIMISED = 10  # looks: more take minutes and save a point


@dataclass(frozen=True, slots=True)
class Bound:
    """Of a metric that has not changed, its gate being three standard errors: looks at equal shares, by one spending.

    ``power`` is the chance to be said to keep to the gate, ``share`` the mean share of its prompts that this takes.
    ``suite`` is the same of VBench's prompts, where those of several metrics go on until the last of them is decided.
    """

    looks: int
    spending: str
    power: float
    share: float
    suite: float


def measure(looks: Sequence[int], say: Callable[[str], None]) -> list[Bound]:
    """Each spending with each number of looks, and what no boundaries at all go below; nothing is drawn."""
    rows = [_bound("one look", boundaries((1.0,)))]
    for count in looks:
        say(f"boundaries of {count} looks")
        shares = tuple((place + 1) / count for place in range(count))
        rows += [_bound(name, boundaries(shares, LEVEL, spending)) for name, spending in _spendings()]
        if count <= _OPTIMISED:
            rows.append(_bound("the least that is possible", cheapest(shares, rows[0].power - SLACK)))
    return rows


def _spendings() -> Iterator[tuple[str, Spending]]:
    """From late to early."""
    yield "O'Brien and Fleming", obrien_fleming
    yield "γ = −2", hwang(-2)
    yield "evenly (γ = 0)", evenly
    yield "γ = 0.5", hwang(0.5)
    yield "Pocock", pocock


def hwang(gamma: float) -> Spending:
    """The family of Hwang, Shih and DeCani: late below 0, early above it."""

    def spending(fraction: float, level: float) -> float:
        return level * math.expm1(-gamma * min(fraction, 1.0)) / math.expm1(-gamma)

    return spending


def cheapest(shares: tuple[float, ...], power: float) -> Boundaries:
    """Of all boundaries that keep the level and have this power, those that take the fewest prompts."""
    import numpy as np
    from scipy.optimize import NonlinearConstraint, minimize

    def made(values: Reals) -> Boundaries:
        return Boundaries(shares, tuple(values), ())

    def taken(values: Reals) -> float:
        return _share(made(values))

    def crossed(values: Reals) -> Reals:
        return np.array([crossing(made(values), drift)[-1] for drift in (0.0, GATE)])

    start = np.array(boundaries(shares, LEVEL, evenly).values)
    kept = NonlinearConstraint(crossed, [0.0, power], [LEVEL, 1.0])
    return made(minimize(taken, start, method="SLSQP", constraints=[kept], options={"ftol": 1e-7}).x)


def _bound(name: str, found: Boundaries) -> Bound:
    suite = sum(count * _share(found, len(SETS.get(first, (first,)))) for first, count in PROMPTS.items())
    power = crossing(found, GATE)[-1]
    return Bound(len(found.values), name, power, _share(found), suite / sum(PROMPTS.values()))


def _share(found: Boundaries, metrics: int = 1) -> float:
    """The mean share at which the last of so many independent metrics is decided."""
    decided = [chance**metrics for chance in crossing(found, GATE)[:-1]]
    steps = zip(found.fractions, (0.0, *found.fractions), strict=False)
    return sum((end - begin) * (1 - chance) for (end, begin), chance in zip(steps, (0.0, *decided), strict=True))


def lines(rows: Sequence[Bound]) -> str:
    """A Markdown table."""
    head = ["looks", "alpha is spent", "power", "of a metric's prompts", "of VBench's prompts"]
    table = [[str(row.looks), row.spending, *map(percent, (row.power, row.share, row.suite))] for row in rows]
    return to_markdown(head, table, words=2)
