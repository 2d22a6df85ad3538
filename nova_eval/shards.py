"""The files of rows of a folder: appended to by one writer each, read by everybody.

A torn last line (the writer was killed) is ignored, any other broken line is an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import IO, TypeVar

from nova_eval import files, rows
from nova_eval.errors import CorruptStoreError, UsageError
from nova_eval.records import Failure, Sample, Score

T = TypeVar("T")

REMEDY = "free space, fix permissions or use another --results, then run again: finished work is kept"
_MOST_BYTES = 1 << 32


def inside(folder: Path, name: str) -> Path:
    """``folder/name`` of a run. CorruptStoreError for a name that leads out of it, by itself or by a link."""
    try:
        return files.inside(folder, name)
    except UsageError as error:
        raise CorruptStoreError(error.problem, remedy=error.remedy) from error


def read(folder: Path, row_of: Callable[[bytes], T]) -> Iterator[T]:
    """What ``row_of`` makes of every whole line of a folder's shards, in the order of file names."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with files.opened(inside(folder, path.name)) as stream:
                for number in count(1):
                    line = stream.readline(rows.LONGEST)
                    if len(line) < rows.LONGEST and not line.endswith(b"\n"):
                        break  # what follows the last newline was never promised
                    try:
                        row = row_of(line)
                    except ValueError as error:
                        raise _broken(path, number) from error
                    yield row
        except OSError as error:
            raise CorruptStoreError(f"{path}: cannot be read ({error.strerror})") from error


def lines_of(path: Path) -> tuple[list[bytes], list[int]]:
    """The whole lines of one file, and the numbers of those that are no rows. For looking at damage only."""
    lines = files.read(path, _MOST_BYTES).split(b"\n")[:-1]
    broken = [number for number, line in enumerate(lines, 1) if not _is_row(line, path)]
    gone = set(broken)
    return [line for number, line in enumerate(lines, 1) if number not in gone], broken


class ShardWriter:
    """Appends rows to a file that nobody else writes. The file is made at the first row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream: IO[bytes] | None = None

    def append_samples(self, made: Iterable[Sample | Failure]) -> None:
        """Writes rows and returns when they are on disk."""
        self._append(rows.sample_line(row) for row in made)

    def append_scores(self, made: Iterable[tuple[Score, Sample]]) -> None:
        """Writes scores, each with the digest of the bytes it speaks of, and returns when they are on disk."""
        self._append(rows.score_line(score, sample) for score, sample in made)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, lines: Iterable[bytes]) -> None:
        data = b"".join(lines)
        if not data:
            return
        with files.writing(self._folder, REMEDY):
            stream, self._stream = self._stream or self._open(), None  # after a torn line comes none: the next file
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            self._stream = stream

    def _open(self) -> IO[bytes]:
        files.make_folder(self._folder)
        for attempt in count():  # a process number may come back: never append to somebody else's torn line
            name = files.writer() + (f"-{attempt}" if attempt else "") + ".jsonl"
            try:
                stream = (self._folder / name).open("xb")
                files.sync_folder(self._folder)
                return stream
            except FileExistsError:
                continue
        raise AssertionError("unreachable")


def _is_row(line: bytes, path: Path) -> bool:
    try:
        (rows.sample_in if path.parent.name == "samples" else rows.score_in)(line + b"\n")
    except ValueError:
        return False
    return True


def _broken(path: Path, number: int) -> CorruptStoreError:
    return CorruptStoreError(
        f"{path}, line {number}: not a whole row",
        remedy="repair the line or move the file away and run again: only what that file held is made anew",
    )
