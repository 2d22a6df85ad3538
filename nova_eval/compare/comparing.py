"""From sides to claims: the one way to compare."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nova_eval.compare.best import best
from nova_eval.compare.likeness import checked
from nova_eval.compare.pairing import paired
from nova_eval.compare.sides import Side
from nova_eval.compare.verdicts import Comparison, judged
from nova_eval.errors import UsageError
from nova_eval.rows import many


@dataclass(frozen=True, slots=True)
class Series:
    """One or more runs beside one reference, corrected together.

    ``best`` says by metric, where there are several runs, by what p-value each stays among those that may be best.
    """

    comparisons: tuple[Comparison, ...]
    best: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@many()
def compare(
    reference: Side, runs: Sequence[Side], gates: Mapping[str, float], allow: Collection[str] = (), share: float = 1.0
) -> Series:
    """UsageError where runs are unlike and it is not allowed, or where there is nothing to compare.

    ``share`` of the 5 % is spent on this look, where it is one of several.
    """
    places = [run.where.resolve() for run in runs]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise UsageError(f"{twice} is named twice", remedy="name each run once")
    differences = [checked(reference, run, allow) for run in runs]
    pairings = [paired(reference, run) for run in runs]
    comparisons = [
        replace(
            one,
            differences=tuple(found),
            allowed=tuple(dict.fromkeys(each.what for each in found if each.what)),
        )
        for one, found in zip(judged(pairings, gates, share), differences, strict=True)
    ]
    return Series(tuple(comparisons), best(pairings) if len(pairings) > 1 else {})
