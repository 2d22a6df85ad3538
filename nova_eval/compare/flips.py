"""The sign-flip test: were reference and run alike, each prompt's difference could as well have the other sign."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from nova_eval.compare.roots import root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

EXACT = 16
"""Up to so many prompts that differ, all signs are tried; with more, some are drawn."""

DRAWS = 9_999
ENOUGH = 400
"""No more signs are drawn once so many sums lie beyond on either side: p-values near 0.05 are known to 0.003."""

FEW = 10
"""Where no more drawn sums than these lie beyond, their number says little: the tail is the saddlepoint's."""

MANY = 1_000
"""From so many prompts on, it is as well, and nothing is drawn."""

_TIE = 1e-9  # of the sum of sizes: sums that are equal but for rounding count as equal
_NOTHING = 1e-9  # of the largest difference: below it is rounding


class Tails(NamedTuple):
    """One-sided p-values: of a sum so low, and of one so high."""

    low: float
    high: float


def sign_flip(parts: Reals, random: np.random.Generator) -> Tails:
    """The tails of ``Σ parts`` among the sums with every sign turned at will; ``parts`` is (prompts,).

    Exact for few prompts, else of ``DRAWS`` random signs with the observed ones among them. Small tails, and those of
    very many prompts, are Lugannani and Rice's approximation (Advances in Applied Probability 12 (1980) 475–490).
    """
    import numpy as np

    sizes = np.abs(parts)
    parts = parts[sizes > _NOTHING * sizes.max(initial=0.0)]
    if not len(parts):
        return Tails(1.0, 1.0)
    total, slack = math.fsum(parts), _TIE * math.fsum(np.abs(parts))
    if len(parts) <= EXACT:
        sums = _all_signs(parts)
        return Tails(float(np.mean(sums <= total + slack)), float(np.mean(sums >= total - slack)))
    if len(parts) >= MANY:
        return _written(parts, total)
    tables = _turned(parts)
    width, places = len(tables), np.arange(len(tables))
    low = high = done = 1  # the observed signs are one of the draws
    while done <= DRAWS and min(low, high) <= ENOUGH:
        rows = min(1_000, DRAWS + 1 - done)
        drawn = np.frombuffer(random.bytes(rows * width), np.uint8).reshape(rows, width)
        sums = total - 2 * tables[places, drawn].sum(axis=1)
        low += int(np.count_nonzero(sums <= total + slack))
        high += int(np.count_nonzero(sums >= total - slack))
        done += rows
    return Tails(low / done, high / done) if min(low, high) > FEW else _written(parts, total)


def _written(parts: Reals, total: float) -> Tails:
    """Without draws."""
    import numpy as np

    beyond = max(_saddlepoint(np.abs(parts), abs(total)), 0.5 ** len(parts))
    return Tails(1 - beyond, beyond) if total > 0 else Tails(beyond, 1 - beyond)


def _all_signs(parts: Reals) -> Reals:
    """The sums with every choice of signs, (2 ** prompts,)."""
    import numpy as np

    sums = np.zeros(1)
    for part in parts:
        sums = np.concatenate((sums - part, sums + part))
    return sums


def _turned(parts: Reals) -> Reals:
    """(bytes, 256): of each eight prompts the sum of those whose bit is set, by the byte's value."""
    import numpy as np

    padded = np.zeros(-(-len(parts) // 8) * 8)
    padded[: len(parts)] = parts
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float64)
    tables: Reals = padded.reshape(-1, 8) @ bits.T
    return tables


def _saddlepoint(sizes: Reals, total: float) -> float:
    """P(Σ ± size ≥ total) for a total of 0 or more, by the cumulants Σ log cosh(t · size).

    Where sizes are alike sums go in steps of two: half a step is taken off, so that the observed sum counts in full.
    """
    import numpy as np
    from scipy.special import ndtr

    total = max(total - float(sizes.min()), 0.0)
    deviation = math.sqrt(math.fsum(np.square(sizes)))
    if total < 1e-3 * deviation:  # the formula is 0/0 in the middle
        return float(ndtr(-total / deviation))
    if total >= math.fsum(sizes) * (1 - 1e-9):
        return 0.5 ** len(sizes)
    largest = sizes.max()
    high = 1.0 / deviation
    while float(np.sum(sizes * np.tanh(high * sizes))) < total and high * largest < 700:
        high *= 2
    point = root(lambda t: total - float(np.sum(sizes * np.tanh(t * sizes))), 0.0, high)
    cumulant = float(np.sum(np.logaddexp(point * sizes, -point * sizes) - math.log(2)))
    curvature = float(np.sum(np.square(sizes / np.cosh(np.minimum(point * sizes, 350.0)))))
    depth, slope = math.sqrt(max(2 * (point * total - cumulant), 0.0)), point * math.sqrt(curvature)
    density = math.exp(-depth * depth / 2) / math.sqrt(2 * math.pi)
    return float(np.clip(ndtr(-depth) + density * (1 / slope - 1 / depth), 0.0, 1.0))
