"""What is left of a unit whose worker ended: the pieces to do again, and the rows of those that nobody can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nova_eval.engines.desk import Disk
from nova_eval.engines.units import Job, SampleUnit, ScoreUnit, Unit, UnitReport
from nova_eval.plan import units
from nova_eval.records import Failure, Sample, SampleKey, Score


class Remains:
    """Reads what workers have left on disk and writes rows in their place."""

    def __init__(self, job: Job, disk: Disk) -> None:
        self._job, self._disk = job, disk

    def of(self, unit: Unit) -> tuple[list[Unit], UnitReport]:
        """A unit for each sample that is not done, in their order, without the scorers that have looked at it; and the
        report of what is done.
        """
        if isinstance(unit, ScoreUnit):
            left = self._scoring(unit)
            return [*left], UnitReport(len(unit) - len(left))
        pieces, made = self._sampling(unit)
        return pieces, UnitReport(len(unit) - len(pieces), sampled=True, made=made)

    def _sampling(self, unit: SampleUnit) -> tuple[list[Unit], tuple[Sample, ...]]:
        done, _ = self._disk.store.samples()
        left: list[Unit] = [SampleUnit((key,)) for key in unit.keys if key not in done]
        return left, tuple(done[key] for key in unit.keys if key in done)

    def halves(self, unit: ScoreUnit) -> tuple[list[ScoreUnit], UnitReport]:
        """What is left of a unit, in units of half as many samples at most, with judges at half their batch; and the
        report of what is done.
        """
        pieces = self._scoring(unit)
        parts = units([piece.work[0] for piece in pieces], -(-len(unit) // 2))
        halves = [ScoreUnit(work, unit.keep, unit.halvings + 1) for work in parts]
        return halves, UnitReport(len(unit) - len(pieces))

    def _scoring(self, unit: ScoreUnit) -> list[ScoreUnit]:
        samples = {sample.key: sample for sample, _ in unit.work}
        decided: dict[str, set[SampleKey]] = {
            plan.name: {key for (key, _), row in self._disk.store.scores(plan.folder, samples).items() if row.decided}
            for plan in self._job.scorers
        }
        order = [plan.name for plan in self._job.scorers]
        pieces: list[ScoreUnit] = []
        for sample, names in unit.work:
            if left := tuple(name for name in order if name in names and sample.key not in decided[name]):
                pieces.append(replace(unit, work=((sample, left),)))
        return pieces

    def give_up(self, pieces: Sequence[Unit], reason: str) -> tuple[list[Unit], UnitReport]:
        """Writes why a sample is not made, or not scored by the scorer at which its worker ended.

        Scorers look in the order of the job and each leaves its rows, so it was the first that is left. What the others
        have to do is returned.
        """
        rest: list[Unit] = []
        failed = 0
        for piece in pieces:
            failed += 1
            if isinstance(piece, SampleUnit):
                self._disk.add_samples([Failure(key, reason) for key in piece.keys])
                continue
            ((sample, (name, *later)),) = piece.work
            (folder,) = (plan.folder for plan in self._job.scorers if plan.name == name)
            self._disk.add_scores(folder, [(Score(sample.key, name, None, reason=reason), sample)])
            if later:
                rest.append(replace(piece, work=((sample, tuple(later)),)))
        sampled = any(isinstance(piece, SampleUnit) for piece in pieces)
        return rest, UnitReport(len(pieces) - len(rest), failed, reason if failed else "", sampled)
