"""A run on disk: append-only JSON-line shards, files that appear whole or not at all, one writer a file.

Layout of a run folder::

    manifest.json  prompts.jsonl  samples/<writer>.jsonl  media/<prompt>/<index>.{png,mp4}
    scores/<scorer>@<version>-<judge8>/<writer>.jsonl  tables/  logs/

A row promises what it says: the media file behind a sample's row was whole and on disk before the row was. Every line
ends in its own checksum. A torn last line (the writer was killed) is ignored, any other broken line is an error.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import IO, Any

from nova_eval import files
from nova_eval.errors import CorruptStoreError, MediaError, UsageError, brief
from nova_eval.identity import canonical_json, digest, encoded, file_digest, suite_digest
from nova_eval.records import Failure, Prompt, Sample, SampleKey, Score

SCHEMA = 1
_CHECK = ',"crc":"'  # the last field of every line; the checksum covers all bytes before it
MOST = 1 << 28  # bytes of a manifest or a suite
_LONGEST_ROW = 1 << 24
_MOST_ROWS = 1 << 32
_SHARD_LOCK = re.compile(r"shard-(0|[1-9]\d{0,8})-of-([1-9]\d{0,8})\.lock")
_REMEDY = "free space, fix permissions or use another --results, then run again: finished work is kept"


class RunStore:
    """The rows and files of one run folder. Any number of processes may write to it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._given: list[Path] | None = None  # the folders that the sampler was given

    # --- manifest and prompts ---------------------------------------------------------------------------------------

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, ``None`` before the run was started. Raises CorruptStoreError when it cannot be read."""
        path = self.folder / "manifest.json"
        if not path.exists():
            return None
        try:
            manifest = json.loads(files.read(path, MOST))
        except (ValueError, OSError, RecursionError) as error:
            raise CorruptStoreError(
                f"{path}: not a manifest ({error})", remedy="restore it or use another --results"
            ) from error
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            raise CorruptStoreError(
                f"{path}: schema {_schema_of(manifest)}, this version of nova_eval reads {SCHEMA}",
                remedy="read it with the version it names, or use another --results",
            )
        if manifest.pop("check", None) not in (None, digest(manifest)):  # manifests of earlier versions have none
            raise CorruptStoreError(
                f"{path}: changed since it was written", remedy="restore it, or move it away and run again"
            )
        return manifest

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replaces the manifest as a whole. Its ``check`` is the digest of all else that it says."""
        told = json.loads(json.dumps({"schema": SCHEMA, **manifest}, default=str))
        text = json.dumps({**told, "check": digest(told)}, indent=2, sort_keys=True, ensure_ascii=False)
        self.write("manifest.json", encoded(text + "\n"))

    def write_prompts(self, prompts: Sequence[Prompt], *, anew: bool = False) -> None:
        """Writes the suite once, or ``anew``; a suite already there is left alone otherwise."""
        if anew or not (self.folder / "prompts.jsonl").exists():
            self.write("prompts.jsonl", _suite_file(prompts))

    def prompts(self) -> tuple[Prompt, ...]:
        """The suite. CorruptStoreError unless it is byte for byte the one that the manifest speaks of.

        Manifests of earlier versions know no digest of the file: then it is ``suite.digest``, which knows no order.
        """
        path = self.folder / "prompts.jsonl"
        facts = (self.manifest() or {}).get("suite", {})
        try:
            data = files.read(path, MOST)
            if facts.get("file", sha256(data).hexdigest()) != sha256(data).hexdigest():
                raise ValueError(f"it holds {data.count(10)} of {facts.get('prompts')} prompts, or others")
            prompts = tuple(_prompt(line) for line in data.decode().split("\n")[:-1])
            if facts.get("digest") not in (None, suite_digest(prompts)):
                raise ValueError(f"{len(prompts)} prompts that are not the {facts.get('prompts')} of this run's suite")
        except (OSError, KeyError, TypeError, ValueError, RecursionError, UsageError) as error:
            raise CorruptStoreError(
                f"{path} is not the suite of this run: {' '.join(str(error).split())[:200]}",
                remedy="restore it, or call the run's own `run` command again, which writes it anew",
            ) from error
        return prompts

    # --- files ------------------------------------------------------------------------------------------------------

    def write(self, name: str, data: bytes) -> Path:
        """Puts ``data`` at ``<folder>/<name>``, whole or not at all, durable on return."""
        return files.write(files.inside(self.folder, name), data, remedy=_REMEDY)

    def adopt(self, name: str, source: Path, *, link: bool = False) -> Path:
        """Puts a file that lies elsewhere at ``<folder>/<name>``, whole or not at all; ``link`` as ``files.place``."""
        target = files.inside(self.folder, name)
        with files.writing(target, _REMEDY):
            files.place(source, target, link=link)
        return target

    def media_name(self, key: SampleKey, suffix: str) -> str:
        """Where a sample's media goes, relative to the run folder."""
        return f"media/{key.prompt_id}/{key.index}{suffix}"

    def media(self, sample: Sample) -> Path:
        """The file of a sample. MediaError unless it is a regular file that is the run's own.

        Its own are those below its folder, links left aside, and of media that somebody else made those below the
        folder that the sampler was given.
        """
        try:
            if sample.path.startswith("/"):
                path = self._elsewhere(sample.path)
            else:
                path = files.inside(self.folder, sample.path)
            kind = path.stat().st_mode
        except UsageError as error:
            raise MediaError(error.problem, remedy=error.remedy) from error
        except (OSError, ValueError) as error:
            raise MediaError(f"{sample.path!r} cannot be read ({getattr(error, 'strerror', error)})") from error
        if not stat.S_ISREG(kind):
            raise MediaError(f"{sample.path!r} is not a regular file")
        return path

    def whole_media(self, sample: Sample) -> Path:
        """The same, once its bytes are seen to be those that the row is of. MediaError where they are not."""
        path = self.media(sample)
        try:
            same = path.stat().st_size == sample.bytes and file_digest(path) == sample.digest
        except OSError as error:
            raise MediaError(f"{path.name}: cannot be read ({error.strerror})") from error
        if not same:
            raise MediaError(
                f"{sample.path}: not the bytes that were sampled",
                remedy="delete the file and run again to make it anew",
            )
        return path

    def _elsewhere(self, path: str) -> Path:
        settings = (self.manifest() or {}).get("sampler", {}).get("settings", {}) if self._given is None else {}
        if self._given is None:
            self._given = [Path(value) for value in settings.values() if isinstance(value, str) and value[:1] == "/"]
        for folder in self._given:
            if path.startswith(f"{folder}/"):
                return folder / files.relative(path[len(f"{folder}/") :])
        raise UsageError(f"{path!r} is outside of this run", remedy="a run holds its own files")

    def sweep(self) -> None:
        """Removes temporary files that dead processes of this machine left behind."""
        files.sweep(self.folder)

    def lock(self, name: str) -> Path:
        """The file by which processes agree who does something to this run."""
        return files.inside(self.folder, f"locks/{name}.lock")

    def shard_lock(self, part: int, parts: int) -> Path:
        """The lock of whoever works on one of ``parts`` shards."""
        return self.lock(f"shard-{part}-of-{parts}")

    def shard_locks(self) -> Iterator[tuple[Path, int, int]]:
        """Those that there are, held or not, with their part of how many."""
        for path in sorted(self.folder.glob("locks/shard-*-of-*.lock")):
            if match := _SHARD_LOCK.fullmatch(path.name):
                part, parts = int(match[1]), int(match[2])
                yield self.shard_lock(part, parts), part, parts

    def shards(self) -> Iterator[tuple[Path, list[bytes], list[int]]]:
        """Every file of rows, its whole lines, and the numbers of those that are none. For looking at damage only."""
        for part in ("samples", "scores/*"):
            for path in sorted(self.folder.glob(f"{part}/*.jsonl")):
                lines = files.read(files.inside(self.folder, str(path.relative_to(self.folder))), _MOST_ROWS).split(
                    b"\n"
                )
                broken = [number for number, line in enumerate(lines[:-1], 1) if not _is_row(line, path, number)]
                yield path, [line for number, line in enumerate(lines[:-1], 1) if number not in set(broken)], broken

    def extent(self) -> dict[str, int]:
        """The size of every file of rows: the same while no row is added."""
        paths = (path for part in ("samples", "scores/*") for path in self.folder.glob(f"{part}/*.jsonl"))
        return {str(path.relative_to(self.folder)): path.lstat().st_size for path in paths}

    # --- rows -------------------------------------------------------------------------------------------------------

    def sample_rows(self) -> tuple[dict[SampleKey, list[Sample]], dict[SampleKey, str]]:
        """Every sample row by key, and why the keys that failed (and only failed) did."""
        samples: dict[SampleKey, list[Sample]] = {}
        failures: dict[SampleKey, str] = {}
        for path, number, row in _rows(files.inside(self.folder, "samples")):
            with _clear_row(path, number):
                key = _key(row["key"])
                if "failed" in row:
                    failures[key] = min(failures.get(key, row["failed"]), row["failed"])
                else:
                    samples.setdefault(key, []).append(_sample(row, key))
        return samples, {key: reason for key, reason in failures.items() if key not in samples}

    def samples(self) -> tuple[dict[SampleKey, Sample], dict[SampleKey, str]]:
        """The samples whose media is still there in full, and the failures. Lost or cut media is wanted again."""
        rows, failures = self.sample_rows()
        whole: dict[SampleKey, Sample] = {}
        for key, candidates in rows.items():
            fitting = []
            for sample in candidates:
                try:
                    fitting += [sample] if self.media(sample).stat().st_size == sample.bytes else []
                except (MediaError, OSError) as error:
                    failures[key] = brief(error)
            if len({sample.digest for sample in fitting}) > 1:  # of several rows the one that the bytes are of
                fitting = [sample for sample in fitting if file_digest(self.media(sample)) == sample.digest]
            if fitting:
                whole[key] = fitting[0]
                failures.pop(key, None)
        return whole, failures

    def scores(self, name: str, samples: Mapping[SampleKey, Sample]) -> dict[tuple[SampleKey, str], Score]:
        """The scores under ``scores/<name>`` of these samples, by key and metric; scores of other bytes do not count.

        Of several rows for one pair a value wins over a reason, so that a retried sample is scored once and for all.
        """
        found: dict[tuple[SampleKey, str], Score] = {}
        for path, number, row in _rows(files.inside(self.folder, f"scores/{name}")):
            with _clear_row(path, number):
                key = _key(row["key"])
                sample = samples.get(key)
                if sample is None or row.pop("of") != sample.digest:
                    continue
                score = Score(**{**row, "key": key})
                other = found.get((key, score.metric))
                if other is None or _rank(score) < _rank(other):
                    found[key, score.metric] = score
        return found

    def sample_writer(self) -> ShardWriter:
        return ShardWriter(files.inside(self.folder, "samples"))

    def score_writer(self, name: str) -> ShardWriter:
        return ShardWriter(files.inside(self.folder, f"scores/{name}"))


class ShardWriter:
    """Appends rows to a file that nobody else writes. The file is made at the first row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stream: IO[bytes] | None = None

    def append_samples(self, rows: Iterable[Sample | Failure]) -> None:
        """Writes rows and returns when they are on disk."""
        self._append(
            {"key": list(row.key), "failed": row.reason} if isinstance(row, Failure) else _plain_row(row)
            for row in rows
        )

    def append_scores(self, rows: Iterable[tuple[Score, Sample]]) -> None:
        """Writes scores, each with the digest of the bytes it speaks of, and returns when they are on disk."""
        self._append({**_plain_row(score), "of": sample.digest} for score, sample in rows)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, rows: Iterable[dict[str, Any]]) -> None:
        data = b"".join(_line(row) for row in rows)
        if not data:
            return
        with files.writing(self._folder, _REMEDY):
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


def _line(row: Mapping[str, Any]) -> bytes:
    body = canonical_json(row)[:-1]
    return encoded(f'{body}{_CHECK}{zlib.crc32(encoded(body)):08x}"}}\n')


def _rows(folder: Path) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Every whole row of a folder's shards with its file and line number, in the order of file names."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            with files.opened(files.inside(folder, path.name)) as stream:
                for number in count(1):
                    line = stream.readline(_LONGEST_ROW)
                    if len(line) < _LONGEST_ROW and not line.endswith(b"\n"):
                        break  # what follows the last newline was never promised
                    yield path, number, _row(line, path, number)
        except OSError as error:
            raise CorruptStoreError(f"{path}: cannot be read ({error.strerror})") from error


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    body, mark, check = line.rpartition(_CHECK.encode())
    if not mark or check[8:] != b'"}\n' or check[:8] != b"%08x" % zlib.crc32(body):
        raise _broken(path, number)
    try:
        row = json.loads(body + b"}")
    except (ValueError, RecursionError) as error:
        raise _broken(path, number) from error
    if not isinstance(row, dict):
        raise _broken(path, number)
    return row


def _is_row(line: bytes, path: Path, number: int) -> bool:
    try:
        row = _row(line + b"\n", path, number)
        with _clear_row(path, number):
            key = _key(row["key"])
            if path.parent.name == "samples" and "failed" not in row:
                _sample(row, key)
            elif path.parent.name != "samples":
                Score(**{**{name: value for name, value in row.items() if name != "of"}, "key": key})
    except CorruptStoreError:
        return False
    return True


def _broken(path: Path, number: int) -> CorruptStoreError:
    return CorruptStoreError(
        f"{path}, line {number}: not a whole row",
        remedy="repair the line or move the file away and run again: only what that file held is made anew",
    )


@contextmanager
def _clear_row(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, number) from error


def _plain_row(row: Sample | Score) -> dict[str, Any]:
    plain = {**asdict(row), "key": list(row.key)}
    if plain.get("part") is None:  # most samples are a file of their own
        plain.pop("part", None)
    return plain


def _sample(row: Mapping[str, Any], key: SampleKey) -> Sample:
    left, top, width, height = row.get("part") or (0, 0, 0, 0)
    part = (int(left), int(top), int(width), int(height)) if "part" in row else None
    return Sample(**{**row, "key": key, "part": part})


def _key(value: Sequence[Any]) -> SampleKey:
    prompt_id, index = value
    return SampleKey(str(prompt_id), int(index))


def _rank(score: Score) -> tuple[bool, str]:
    """Decided rows first; then by text, so that the winner does not depend on which file was read first."""
    return (not score.decided, canonical_json(score))


def suite_file_digest(prompts: Sequence[Prompt]) -> str:
    """sha256 (hex) of ``prompts.jsonl`` as it is written for this suite."""
    return sha256(_suite_file(prompts)).hexdigest()


def _suite_file(prompts: Sequence[Prompt]) -> bytes:
    return "".join(canonical_json(prompt) + "\n" for prompt in prompts).encode()


def _prompt(line: str) -> Prompt:
    row = json.loads(line)
    return Prompt(row["id"], row["text"], tuple(row["tags"]), row["reference"], row["rewritten"])


def _schema_of(manifest: Any) -> Any:
    return manifest.get("schema") if isinstance(manifest, dict) else None
