"""95 % intervals of means over prompts: made for scores that keep to a range, Student's t for all others.

Between two ends a mean is treated as a proportion is in a clustered survey: its variance says how many independent
yes-or-no prompts would be worth as much, and limits in the manner of Clopper and Pearson are taken at that size.
Source: E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193–201. What differs, and every constant below, was
chosen by ``bench intervals``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Reals: TypeAlias = float | NDArray[Any]

FRACTION = (0.0, 1.0)
"""The range of shares, probabilities and every other score from 0 to 1."""

UNBOUNDED = (-math.inf, math.inf)

FEWEST_PROMPTS = 5
"""Below it a metric has the reason instead of an interval: where prompts are right or wrong, it would span two thirds
of the range and more."""

_TAIL = 0.025
_TOWARDS_THE_NEARER_END = 0.6  # 1: Clopper–Pearson, which covers too much there; 0.5: about the mid-P limit
_PER_EVENT = 3.0  # degrees of freedom that one event, or one unit of squared skewness, is worth
_LEAST_OF_SKEWED = 3.0  # degrees of freedom: skewness alone widens an interval by no more than they do
_LEAST_FREEDOM = 0.2  # below it a variance says nothing, and the bounds alone limit it
_UNKNOWN = 1e30
_OUTSIDE = 1e-6  # of the range: a cosine of 1.0000001 is rounding
_ALIKE = 1e-9  # of the range: a standard error below it is rounding


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a mean over prompts, or a linear combination of such means, may be from the truth.

    Variances are of the mean, in its unit squared: ``clustered`` by prompt; ``cautious``, which is never below that of
    independent samples; ``at_ends``, had each sample been at one end of the range with the same mean; ``widest``, had
    all samples of each prompt been at the same end. ``bounds`` is ``None`` where a score lies outside its range, or it
    has none. ``skewness`` is the mean's. ``reach`` says how far below and above it the truth may be where all prompts
    score alike: 0 where they differ, infinite where no range limits it. In a study fields are arrays, an entry a run.
    """

    bounds: tuple[float, float] | None
    clustered: Reals
    cautious: Reals
    at_ends: Reals
    widest: Reals
    skewness: Reals
    freedom: float
    reach: tuple[Reals, Reals]


def spread_of(
    mean: float,
    groups: Mapping[str, Sequence[tuple[float, float]]],
    influence: Mapping[str, float],
    bounds: tuple[float, float],
) -> Spread:
    """The spread of ``Σ w·v / Σ w`` from the (weight, value) pairs of each prompt, of which there are two or more."""
    pairs = [pair for group in groups.values() for pair in group]
    total = math.fsum([weight for weight, _ in pairs])
    clustered = math.fsum([pull * pull for pull in influence.values()])
    squares = math.fsum([weight * weight for weight, _ in pairs])
    shares = [math.fsum([weight for weight, _ in group]) for group in groups.values()]
    effective_prompts = total**2 / math.fsum([share**2 for share in shares])
    deviations = math.fsum([(weight * (value - mean)) ** 2 for weight, value in pairs])
    independent = deviations / total**2 * len(pairs) / (len(pairs) - 1)
    return spread_from(
        mean,
        bounds if _keep_to(bounds, [value for _, value in pairs]) else None,
        clustered=clustered,
        independent=independent,
        of_one_sample=independent * total**2 / squares,
        effective_prompts=effective_prompts,
        cubes=math.fsum(pull**3 for pull in influence.values()),
        prompts=len(groups),
    )


def spread_from(
    mean: Reals,
    bounds: tuple[float, float] | None,
    *,
    clustered: Reals,
    independent: Reals,
    of_one_sample: Reals,
    effective_prompts: Reals,
    cubes: Reals,
    prompts: int,
    tail: float = _TAIL,
) -> Spread:
    """The spread from moments: the mean's variance clustered and if samples were independent, one sample's variance.

    ``cubes`` is the sum of the prompts' pulls to the third power, as ``clustered`` is that of their squares. ``tail``
    is the chance that the truth lies beyond ``reach``.
    """
    import numpy as np

    cautious = np.maximum(clustered, independent)
    adjusted = math.sqrt(prompts * (prompts - 1)) / max(prompts - 2, 1)
    skewness = adjusted * cubes / np.where(clustered > 0, clustered, 1.0) ** 1.5
    freedom = prompts - 1
    if bounds is None:
        reach = np.where(cautious > np.square(_ALIKE * mean), 0.0, math.inf)
        return Spread(None, clustered, cautious, cautious, cautious, skewness, freedom, (reach, reach))
    low, high = bounds
    mean = np.clip(mean, low, high)
    room = (mean - low) * (high - mean)
    alike = cautious <= (_ALIKE * (high - low)) ** 2
    at_ends = np.maximum(cautious, cautious * room / np.where(alike, 1.0, of_one_sample))
    unseen = np.where(alike, 1 - tail ** (1 / effective_prompts), 0.0)  # the largest share of prompts of another score
    return Spread(
        (low, high),
        clustered,
        cautious,
        at_ends,
        room / effective_prompts,
        skewness,
        freedom,
        (unseen * (mean - low), unseen * (high - mean)),
    )


def combined(terms: Sequence[tuple[float, Spread]], offset: float, clustered: Reals) -> Spread:
    """The spread of ``offset + Σ coefficient · mean``, whose variance by prompt is ``clustered``.

    Its degrees of freedom are those of the term with the fewest, which errs on the wide side; it is taken to be as
    regular as a share is. ``reach`` is the farthest of any one term: that several alike terms are all not what they
    seem is less likely.
    """
    import numpy as np

    terms = [(coefficient, term) for coefficient, term in terms if coefficient]
    cautious = clustered + sum(c * c * (term.cautious - term.clustered) for c, term in terms)
    known = [(c, term.bounds) for c, term in terms if term.bounds is not None]
    bounds = None
    if len(known) == len(terms):
        ends = [sorted((c * low, c * high)) for c, (low, high) in known]
        bounds = offset + math.fsum(low for low, _ in ends), offset + math.fsum(high for _, high in ends)
    lows, highs = zip(*((t.reach if c > 0 else t.reach[::-1]) for c, t in terms), strict=True)
    sizes = [abs(c) for c, _ in terms]
    return Spread(
        bounds,
        clustered,
        cautious,
        cautious,
        sum(c * c * term.widest for c, term in terms),
        0.0,
        min(term.freedom for _, term in terms),
        (
            np.max([size * low for size, low in zip(sizes, lows, strict=True)], axis=0),
            np.max([size * high for size, high in zip(sizes, highs, strict=True)], axis=0),
        ),
    )


def limits(value: Reals, spread: Spread, tail: float = _TAIL) -> tuple[Reals, Reals]:
    """The two-sided limits with ``tail`` beyond each, which contain ``value``; infinite where nothing limits the truth.

    Without a ``tail`` they are those of 95 %.
    """
    import numpy as np

    if spread.bounds is None:
        low, high = student(value, spread.clustered, spread.freedom, tail)
    else:
        low, high = _between_ends(value, spread, spread.bounds, tail)
    down, up = np.hypot(value - low, spread.reach[0]), np.hypot(high - value, spread.reach[1])
    if spread.bounds is None:
        return value - down, value + up
    low, high = np.maximum(value - down, spread.bounds[0]), np.minimum(value + up, spread.bounds[1])
    return np.minimum(low, value), np.maximum(high, value)


def student(value: Reals, variance: Reals, freedom: Reals, tail: float = _TAIL) -> tuple[Reals, Reals]:
    """Student's t: ``value ± t · √variance``."""
    import numpy as np
    from scipy.special import stdtrit

    reach = stdtrit(freedom, 1 - tail) * np.sqrt(variance)
    return value - reach, value + reach


def _between_ends(value: Reals, spread: Spread, ends: tuple[float, float], tail: float) -> tuple[Reals, Reals]:
    """Limits by the sample size of equal worth, on the range moved to 0…1; ``value`` itself where nothing varies."""
    import numpy as np
    from scipy.special import betaincinv

    low, high = ends
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    rest = 1 - share
    varies = (spread.cautious > (_ALIKE * (high - low)) ** 2) & (share > 0) & (rest > 0)
    room = share * rest * (high - low) ** 2
    size = room / np.where(varies, _certain(spread, room, np.minimum(share, rest), tail), 1.0)
    # Away from the nearer end the limit is that of Clopper and Pearson, towards it a little closer to the value.
    less, more = (1 - _TOWARDS_THE_NEARER_END) * rest, (1 - _TOWARDS_THE_NEARER_END) * share
    lower = betaincinv(np.where(varies, share * size + less, 1.0), np.where(varies, rest * size + 1 - less, 1.0), tail)
    upper = betaincinv(
        np.where(varies, share * size + 1 - more, 1.0), np.where(varies, rest * size + more, 1.0), 1 - tail
    )
    return (
        np.where(varies, low + lower * (high - low), value),
        np.where(varies, low + upper * (high - low), value),
    )


def _certain(spread: Spread, room: Reals, nearer: Reals, tail: float) -> Reals:
    """The variance made larger for what is not known of it, as Student's t would, but no larger than it can be.

    ``nearer`` is the share of the nearer end, so that ``events`` counts what the mean rests on there. The spread of
    skewed scores is known worse than its degrees of freedom say; the share of samples at an end does not need it.
    """
    import numpy as np

    events = nearer * room / np.where(spread.cautious > 0, spread.cautious, 1.0)
    skewed = np.maximum(_LEAST_OF_SKEWED, 1 / np.maximum(_PER_EVENT * np.square(spread.skewness), 1e-12))
    of_spread = np.minimum(np.minimum(spread.freedom, (events - 1) / _PER_EVENT), skewed)
    of_share = np.minimum(spread.freedom, _PER_EVENT * events)
    found = spread.cautious * _inflation(of_spread, tail)
    at_ends = spread.at_ends * _inflation(of_share, tail)
    return np.maximum(spread.cautious, np.minimum(np.minimum(found, at_ends), spread.widest))


def _inflation(freedom: Reals, tail: float) -> Reals:
    import numpy as np
    from scipy.special import ndtri, stdtrit

    factor = np.square(stdtrit(np.maximum(freedom, _LEAST_FREEDOM), 1 - tail) / ndtri(1 - tail))
    found: Reals = np.where(freedom < _LEAST_FREEDOM, _UNKNOWN, factor)
    return found


def _keep_to(bounds: tuple[float, float], values: Sequence[float]) -> bool:
    low, high = bounds
    slack = _OUTSIDE * (high - low)
    return math.isfinite(slack) and low - slack <= min(values) and max(values) <= high + slack
