"""When a metric is decided before all prompts are there: two rules, and what they claim at one look.

Both turn what is there into the level that a p-value has to keep to at this look, so that the chance of a false claim
over all looks is that of one. The group-sequential rule spends its level over five looks. The other may look at any
time: it inverts the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas,
Annals of Statistics 52 (2024) 2613–2640, one-sided. "Worse" and "better" are corrected for all metrics by Holm's
procedure with levels in place of p-values (W. Maurer, F. Bretz, Statistics in Biopharmaceutical Research 5 (2013)
311–320): a claim passes its level on to those that are left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nova_eval.compare.evidence import Evidence
from nova_eval.compare.power import LEVEL
from nova_eval.compare.sequential import LOOKS, Spending, boundaries, evenly, pocock
from nova_eval.compare.verdicts import Verdict

FEWEST_AT_ANY_TIME = 20
"""Prompts below which the confidence sequence says nothing: it holds for many."""

FEWEST_FOR_NO_WORSE = 8
"""Prompts below which a look spends nothing on "no worse": a limit so little sure of the spread finds little."""

Level = Callable[[tuple[int, ...], int, float], float]
"""From the prompts at each look so far, of how many, and the level of all looks: the level of the last of them."""


class Rule(NamedTuple):
    """How often is looked: at which shares of the prompts, from ``fewest`` on; and what a claim takes at a look."""

    name: str
    shares: tuple[float, ...]
    fewest: int
    changed: Level
    no_worse: Level


def spent_by(spending: Spending) -> Level:
    """What looks take of normal statistics by this spending, each prompt being as much of the information."""

    def level(counts: tuple[int, ...], planned: int, of_all: float) -> float:
        from scipy.special import ndtr

        fractions = [count / planned for count in counts]
        return float(ndtr(-boundaries(fractions, of_all, spending).values[-1]))

    return level


def _at_any_time(counts: tuple[int, ...], planned: int, of_all: float) -> float:
    """The sequence is narrowest when half of the prompts are there, and so is fitted to no look."""
    from scipy.special import ndtr

    if counts[-1] < FEWEST_AT_ANY_TIME:
        return 0.0
    tail = -2 * math.log(of_all)
    scaled = counts[-1] * (tail + math.log(tail) + 1) / (planned / 2)
    reach = math.sqrt(2 * (1 + 1 / scaled) * math.log1p(math.sqrt(scaled + 1) / (2 * of_all)))
    return float(ndtr(-reach))


GROUPS = Rule("five looks", LOOKS, 2, spent_by(pocock), spent_by(evenly))
ANYTIME = Rule(
    "at any time", tuple(place / 20 for place in range(1, 21)), FEWEST_AT_ANY_TIME, _at_any_time, _at_any_time
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A metric that is open, at a look: prompts at each of its looks so far, of ``planned``, and what they say.

    ``evidence.least`` is the lower limit at the level of ``least_level``.
    """

    counts: tuple[int, ...]
    planned: int
    evidence: Evidence
    gate: float | None


class Claims(NamedTuple):
    """What is claimed of the difference by now, gates left aside: the metrics that changed, either way."""

    worse: frozenset[str] = frozenset()
    better: frozenset[str] = frozenset()


def least_level(rule: Rule, counts: tuple[int, ...], planned: int) -> float:
    """The level of the lower limit that has to stay above the gate: each metric has its full 5 %; 0 claims nothing."""
    able = tuple(count for count in counts if count >= min(FEWEST_FOR_NO_WORSE, planned))
    return rule.no_worse(able, planned, LEVEL) if able and able[-1] == counts[-1] else 0.0


def look(seen: Mapping[str, Seen], rule: Rule, tests: int, before: Claims) -> tuple[dict[str, Verdict], Claims]:
    """The verdicts of a look, and the claims with those of it; metrics that stay open have no verdict.

    ``tests`` metrics are looked at in all, whether they are decided by now or not. As in ``compare`` a drop that is
    there and within the gate is "no worse".
    """
    claims = Claims(
        _step_down(seen, {name: one.evidence.p_worse for name, one in seen.items()}, rule, tests, before.worse),
        _step_down(seen, {name: one.evidence.p_better for name, one in seen.items()}, rule, tests, before.better),
    )
    found: dict[str, Verdict] = {}
    for name, one in seen.items():
        least = one.evidence.least
        if name in claims.better:
            found[name] = Verdict.BETTER
        elif one.gate is not None and least is not None and least > -one.gate:
            found[name] = Verdict.NO_WORSE
        elif name in claims.worse:
            found[name] = Verdict.WORSE
    return found, claims


def _step_down(
    seen: Mapping[str, Seen], p_values: Mapping[str, float], rule: Rule, tests: int, before: frozenset[str]
) -> frozenset[str]:
    """The metrics claimed by now: each claim leaves more of the level to those that are left.

    Nothing is spent on looks of so few prompts that not even all of them with the same sign could make a claim.
    """
    fewest = math.ceil(math.log2(tests / LEVEL))
    counts = {name: tuple(count for count in one.counts if count >= fewest) for name, one in seen.items()}
    able = [name for name, one in seen.items() if one.counts[-1] >= fewest]
    claimed = before
    while True:
        of_all = LEVEL / max(1, tests - len(claimed))
        new = {
            name
            for name in able
            if name not in claimed
            and p_values[name] <= of_all
            and p_values[name] <= rule.changed(counts[name], seen[name].planned, of_all)
        }
        if not new:
            return claimed
        claimed |= new


def looks_of(counts: Sequence[int], fewest: int) -> tuple[int, ...]:
    """The looks of a metric that bring it new prompts, and enough."""
    kept: list[int] = []
    for count in counts:
        if count >= fewest and (not kept or count > kept[-1]):
            kept.append(count)
    return tuple(kept)
