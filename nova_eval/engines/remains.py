"""What is left of a unit whose worker ended: the pieces to do again, and the rows of those that nobody can do."""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.engines.units import Job, SampleUnit, ScoreUnit, Unit, UnitReport
from nova_eval.records import Failure, SampleKey, Score
from nova_eval.store import RunStore, ShardWriter


class Remains:
    """Reads what workers have left on disk and writes rows in their place."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._store = RunStore(job.folder)
        self._writers: dict[str, ShardWriter] = {}

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def of(self, unit: Unit) -> list[Unit]:
        """A unit for each sample that is not done, in their order; the scorers that have looked at it are left out."""
        if isinstance(unit, SampleUnit):
            done, _ = self._store.samples()
            return [SampleUnit((key,)) for key in unit.keys if key not in done]
        samples = {sample.key: sample for sample, _ in unit.work}
        decided: dict[str, set[SampleKey]] = {
            plan.name: {key for (key, _), row in self._store.scores(plan.folder, samples).items() if row.decided}
            for plan in self._job.scorers
        }
        order = [plan.name for plan in self._job.scorers]
        pieces: list[Unit] = []
        for sample, names in unit.work:
            if left := tuple(name for name in order if name in names and sample.key not in decided[name]):
                pieces.append(ScoreUnit(((sample, left),), unit.keep))
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
                self._writer("", "").append_samples(Failure(key, reason) for key in piece.keys)
                continue
            ((sample, (name, *later)),) = piece.work
            (folder,) = (plan.folder for plan in self._job.scorers if plan.name == name)
            self._writer(name, folder).append_scores([(Score(sample.key, name, None, reason=reason), sample)])
            if later:
                rest.append(ScoreUnit(((sample, tuple(later)),), piece.keep))
        return rest, UnitReport(len(pieces) - len(rest), failed, reason if failed else "")

    def _writer(self, name: str, folder: str) -> ShardWriter:
        if name not in self._writers:
            self._writers[name] = self._store.score_writer(folder) if name else self._store.sample_writer()
        return self._writers[name]
