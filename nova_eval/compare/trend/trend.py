"""A series of checkpoints as it grows: what each is beside the reference and beside the best before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from nova_eval import locks
from nova_eval.adapters.reduce import reduced
from nova_eval.compare import comparing
from nova_eval.compare.sides import Side
from nova_eval.compare.trend import points as store
from nova_eval.compare.trend.points import Claim, Point, Value
from nova_eval.compare.trend.shares import share
from nova_eval.compare.verdicts import Comparison, Finding
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.identity import digest
from nova_eval.options import RunOptions
from nova_eval.runs.finding import identity_of

POINTS = "trend.jsonl"
_PARTS = ("limit", "metrics", "samples_per_prompt", "scoring", "judges", "prompts")
"""Options that make another series of one training."""


@dataclass(frozen=True)
class Rules:
    """How a series is tested. ``planned`` is how many checkpoints are expected, 0 where nobody knows."""

    reference: Side | None
    gates: Mapping[str, float]
    allow: Collection[str] = ()
    planned: int = 0


def series_folder(options: RunOptions, benchmark: str, name: str, facts: Sequence[object]) -> Path:
    """Where the trend of ``name`` lies: another part of the benchmark, or other ``facts``, make another."""
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)[:100].strip("-.")
    made = digest([*facts, {key: getattr(options, key) for key in _PARTS}])[:8]
    return options.results / "watch" / benchmark / f"{plain or 'training'}-{made}"


class Trend:
    """The points of a series, in a folder of their own.

    ``side_of`` gives the side of a run by its name, as points have it.
    """

    def __init__(self, folder: Path, config: BenchmarkConfig, rules: Rules, side_of: Callable[[str], Side]) -> None:
        self.folder, self.config, self.rules, self._side_of = folder, config, rules, side_of
        self.points = store.read(folder / POINTS)
        self.reference = "" if rules.reference is None else _name_of(rules.reference)

    def held(self) -> AbstractContextManager[None]:
        """Held by whoever tests the series. PrerequisiteError where another process does."""
        what = f"the series in {self.folder}"
        return locks.claimed(self.folder / "trend.lock", what, "wait for it, or end it")

    def knows(self, name: str, state: str) -> bool:
        """Whether a checkpoint was tested, or passed over, with its files as they are."""
        return any((point.name, point.state) == (name, state) for point in self.points)

    def same(self, name: str, identity: str, state: str) -> bool:
        """Whether a checkpoint whose files changed makes the samples that were tested; if so they are known now."""
        if (found := store.with_state(self.points, name, identity, state)) is None:
            return False
        self._keep(found)
        return True

    def add(self, point: Point, side: Side | None = None) -> Point:
        """Tests the side of a checkpoint, or notes its problem; the points are on disk on return."""
        found = point if side is None else self._tested(point, side)
        self._keep([*(one for one in self.points if not (one.problem and one.name == point.name)), found])
        return found

    def _keep(self, points: Sequence[Point]) -> None:
        store.write(self.folder / POINTS, points)
        self.points = list(points)

    def _tested(self, point: Point, side: Side) -> Point:
        looks = [one for one in self.points if not one.problem and one.reference == self.reference]
        look = len(looks) + 1
        spent = share(look, self.rules.planned, math.fsum(one.share for one in looks))
        reference = self.rules.reference
        itself = reference is None or reference.where.resolve() == side.where.resolve()
        comparison = None if reference is None or itself else self._beside(reference, side, spent)
        best, beside_best = self._beside_best([one for one in looks if one.run != side.name], side, spent)
        metrics = reduced(side.benchmark, side.prompts, side.wanted, side.rows, side.scoring)
        known = [metric for metric in metrics if metric.value is not None or metric.unscored]
        return replace(
            point,
            run=side.name,
            reference=self.reference,
            look=look,
            share=spent,
            values={m.name: Value(m.value, *(m.interval or (None, None))) for m in known},
            against=_claims(comparison),
            best=best,
            against_best=_claims(beside_best),
            complete=not any(m.unscored for m in known),
        )

    def _beside_best(self, rivals: Sequence[Point], side: Side, spent: float) -> tuple[str, Comparison | None]:
        """The name of the best of ``rivals``, and what ``side`` is beside it; nothing where its run is not here.

        Which one it is was seen in the data: it could have been each of them, so that each has its part of ``spent``.
        """
        if (best := store.best(rivals, self.config)) is None:
            return "", None
        try:
            other = self._side_of(best.run)
        except NovaEvalError:
            return "", None
        return best.name, self._beside(other, side, spent / len(rivals))

    def _beside(self, other: Side, side: Side, spent: float) -> Comparison:
        return comparing.compare(other, [side], self.rules.gates, self.rules.allow, spent).comparisons[0]


def _claims(comparison: Comparison | None) -> dict[str, Claim]:
    return {} if comparison is None else {f.metric: _claim(f) for f in comparison.findings}


def _claim(f: Finding) -> Claim:
    low, high = f.interval or (None, None)
    return Claim(str(f.verdict), f.difference, low, high, f.p_worse, f.p_better)


def _name_of(reference: Side) -> str:
    """What is another of another accepted reference: all that makes its samples, and who scored them."""
    if not any(row.decided for row in reference.rows):
        raise UsageError(f"{reference.name} has no scores", remedy="score it first")
    told = reference.manifest
    return digest([identity_of(told), told.get("scorers", {}), sorted({p.id for p in reference.prompts})])[:16]
