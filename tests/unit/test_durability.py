"""Rows are on disk when they are said to be; a disk that is full keeps what was there, and work goes on after it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nova_eval.engines.desk import Disk
from nova_eval.errors import PrerequisiteError
from nova_eval.records import Failure, Sample, SampleKey, Score
from nova_eval.store import RunStore


def sample(index: int) -> Sample:
    return Sample(SampleKey("test/0001", index), index, f"media/{index}.mp4", "digest", 3, 32, 32, 8, 8.0, 0.5)


def samples(store: RunStore) -> Callable[[int], None]:
    writer = store.sample_writer()
    return lambda index: writer.append_samples([sample(index)])


def failures(store: RunStore) -> Callable[[int], None]:
    writer = store.sample_writer()
    return lambda index: writer.append_samples([Failure(SampleKey("test/0001", index), "no such thought")])


def scores(store: RunStore) -> Callable[[int], None]:
    writer = store.score_writer("color@1-pixels")
    return lambda index: writer.append_scores([(Score(SampleKey("test/0001", index), "color", 0.5), sample(index))])


@pytest.mark.parametrize("rows", [samples, failures, scores])
def test_every_row_is_synced_before_it_is_promised(rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: dict[int, int] = {}
    sync = os.fsync

    def noted(descriptor: int) -> None:
        sync(descriptor)
        found = os.fstat(descriptor)
        synced[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", noted)
    append = rows(RunStore(tmp_path))
    for index in range(3):
        append(index)
        (file,) = tmp_path.rglob("*.jsonl")
        found = file.stat()
        assert synced[found.st_ino] == found.st_size > 0


def test_media_and_their_names_are_synced_before_the_row_that_promises_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        sync(descriptor)

    desk = Disk(tmp_path)
    desk.add_samples([sample(0)])
    (row,) = tmp_path.rglob("*.jsonl")
    monkeypatch.setattr(os, "fsync", noted)
    for name in ("media/a/0.png", "media/a/1.png", "media/b/0.png"):
        desk.put(name, b"pixels")
    made = len(synced)
    desk.add_samples([sample(1), sample(2)])
    assert row not in synced[:made]
    assert {tmp_path / "media/a", tmp_path / "media/b"} == set(synced[made:-1])
    assert synced[-1] == row
    desk.add_samples([sample(3)])
    assert synced[-2:] == [row, row]
    desk.close()


@pytest.mark.parametrize("full_at", ["write", "sync"])
def test_a_full_disk_keeps_what_was_there_and_work_goes_on_after_it(
    full_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second row is cut off in its midst, or whole but not known to be on disk."""
    store = RunStore(tmp_path)
    append = samples(store)
    append(0)
    with monkeypatch.context() as full:

        def refuse(descriptor: int) -> None:
            if full_at == "write":
                os.truncate(descriptor, os.fstat(descriptor).st_size - 20)
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(os, "fsync", refuse)
        with pytest.raises(PrerequisiteError, match=r"cannot write .*No space left on device; free space"):
            append(1)
    append(2)
    append(1)
    found, _ = store.sample_rows()
    assert {key.index for key in found} == {0, 1, 2}
    assert all(set(rows) == {sample(key.index)} for key, rows in found.items())
