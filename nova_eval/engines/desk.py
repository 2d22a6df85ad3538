"""Where a worker puts what it made: on disk, or into parcels for whoever has the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nova_eval import files
from nova_eval.records import Failure, Sample, SampleKey, Score
from nova_eval.shards import REMEDY, ShardWriter
from nova_eval.store import RunStore

Scored = tuple[Score, Sample]


class Desk(Protocol):
    """What a worker knows of a run's folder. Media are put before the row that promises them."""

    def media(self, sample: Sample) -> Path:
        """A sample's file. MediaError unless its bytes are those that the row is of."""
        ...

    def name_of(self, key: SampleKey, suffix: str) -> str:
        """What a sample's media is called."""
        ...

    def put(self, name: str, data: bytes) -> None: ...
    def add_samples(self, rows: Sequence[Sample | Failure]) -> None: ...
    def add_scores(self, folder: str, rows: Sequence[Scored]) -> None: ...
    def close(self) -> None: ...


class Disk:
    """The folder of a run. Rows are on disk on return, and what was put before them."""

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder)
        self._writers: dict[str, ShardWriter] = {}
        self._named: set[Path] = set()  # folders with new names that may yet be lost

    def media(self, sample: Sample) -> Path:
        return self.store.whole_media(sample)

    def name_of(self, key: SampleKey, suffix: str) -> str:
        return self.store.media_name(key, suffix)

    def put(self, name: str, data: bytes) -> None:
        self._named.add(self.store.write(name, data, lasting=False).parent)

    def add_samples(self, rows: Sequence[Sample | Failure]) -> None:
        self._settle()
        if "" not in self._writers:
            self._writers[""] = self.store.sample_writer()
        self._writers[""].append_samples(rows)

    def add_scores(self, folder: str, rows: Sequence[Scored]) -> None:
        if folder not in self._writers:
            self._writers[folder] = self.store.score_writer(folder)
        self._writers[folder].append_scores(rows)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _settle(self) -> None:
        for folder in self._named:
            with files.writing(folder, REMEDY):
                files.sync_folder(folder)
        self._named.clear()


@dataclass(frozen=True, slots=True)
class Media:
    """A finished sample's bytes on their way to the disk."""

    name: str
    data: bytes

    def unpack(self, desk: Desk) -> None:
        desk.put(self.name, self.data)


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Rows of samples on their way to the disk."""

    rows: tuple[Sample | Failure, ...]

    def unpack(self, desk: Desk) -> None:
        desk.add_samples(self.rows)


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """Rows of one scorer on their way to the disk."""

    folder: str
    rows: tuple[Scored, ...]

    def unpack(self, desk: Desk) -> None:
        desk.add_scores(self.folder, self.rows)


Parcel = Media | SampleRows | ScoreRows


class Outbox:
    """The desk of a worker that has no folder of the run: parcels go through ``send``, files come to ``folder``."""

    def __init__(self, folder: Path, send: Callable[[Parcel], object]) -> None:
        self._store, self._send = RunStore(folder), send

    def media(self, sample: Sample) -> Path:
        return self._store.whole_media(sample)

    def name_of(self, key: SampleKey, suffix: str) -> str:
        return self._store.media_name(key, suffix)

    def put(self, name: str, data: bytes) -> None:
        self._send(Media(name, data))

    def add_samples(self, rows: Sequence[Sample | Failure]) -> None:
        self._send(SampleRows(tuple(rows)))

    def add_scores(self, folder: str, rows: Sequence[Scored]) -> None:
        self._send(ScoreRows(folder, tuple(rows)))

    def close(self) -> None:
        return None
