"""Scoring beside sampling: what is finished is handed to judges while other samples are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nova_eval.engines.units import ScoreUnit, Work
from nova_eval.plan import by_judges
from nova_eval.records import Sample, SampleKey

_UNITS_AT_LEAST = 8  # of finished samples, before judges are loaded for them


class Finished:
    """Samples that wait for scorers. ``names`` are the scorers of each, ``families`` as ``plan.by_judges`` takes them.

    Judges look at whatever is finished when they come back for more, so the more they lag behind, the longer each of
    them stays in memory.
    """

    def __init__(
        self,
        waiting: Sequence[Work],
        names: Mapping[SampleKey, tuple[str, ...]],
        families: Mapping[str, str | None],
        batch: int,
    ) -> None:
        self._waiting, self._names, self._families, self._batch = list(waiting), names, families, batch
        self.over = False
        """Whether no further sample can come."""

    def add(self, made: Sequence[Sample]) -> None:
        self._waiting += [(sample, names) for sample in made if (names := self._names.get(sample.key))]

    def units(self) -> Iterator[ScoreUnit | None]:
        """As ``Later``: ends once all is over."""
        while not self.over or self._waiting:
            if not self._waiting or (not self.over and len(self._waiting) < _UNITS_AT_LEAST * self._batch):
                yield None
                continue
            now, self._waiting = self._waiting, []
            for unit, keep in by_judges(now, self._families, self._batch):
                yield ScoreUnit(unit, keep)
