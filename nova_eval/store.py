"""A run on disk: append-only JSON-line shards, files that appear whole or not at all, one writer a file.

Layout of a run folder::

    manifest.json  prompts.jsonl  samples/<writer>.jsonl  media/<prompt>/<index>.{png,mp4}
    scores/<scorer>@<version>-<judge8>/<writer>.jsonl  tables/  logs/

A row promises what it says: the media file behind a sample's row was whole and on disk before the row was. Every line
ends in its own checksum.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from nova_eval import files, reading, rows, shards
from nova_eval.errors import CorruptStoreError, MediaError, UsageError, brief
from nova_eval.identity import canonical_json, digest, encoded, file_digest, suite_digest
from nova_eval.manifest import Manifest, SuiteFacts
from nova_eval.records import Failure, Prompt, Sample, SampleKey, Score

SCHEMA = 1
_SUITE: reading.How = {"error": CorruptStoreError, "halves": True}
_RESTORE = "restore it, or use another --results"
_SHARD_LOCK = re.compile(r"shard-(0|[1-9]\d{0,8})-of-([1-9]\d{0,8})\.lock")


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
        how: reading.How = {"error": CorruptStoreError, "remedy": _RESTORE, "halves": True}
        manifest = reading.json_file(path, dict[str, Any], **how)
        if manifest.get("schema") != SCHEMA:
            raise CorruptStoreError(
                f"{path}: schema {manifest.get('schema')}, this version of nova_eval reads {SCHEMA}",
                remedy="read it with the version it names, or use another --results",
            )
        reading.typed(manifest, str(path), Manifest, **how)
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
        with self._suite() as (path, data, facts):
            lines = reading.json_lines(data, path.name, Prompt, **_SUITE)
            prompts = tuple(prompt for _, prompt in lines)
            if "file" not in facts and facts.get("digest") not in (None, suite_digest(prompts)):
                raise ValueError(f"{len(prompts)} prompts that are not the {facts.get('prompts')} of this run's suite")
        return prompts

    def check_suite(self) -> None:
        """CorruptStoreError where ``prompts`` would raise it; where the file's digest is known no prompt is read."""
        with self._suite() as (_, _, facts):
            known = "file" in facts
        if not known:
            self.prompts()

    @contextmanager
    def _suite(self) -> Iterator[tuple[Path, bytes, SuiteFacts]]:
        """The file of the suite, its bytes, and what the manifest says of it; faults within say what they mean."""
        path = self.folder / "prompts.jsonl"
        facts: SuiteFacts = (self.manifest() or {}).get("suite", {})
        try:
            data = reading.data(path, **_SUITE)
            if "file" in facts and facts["file"] != sha256(data).hexdigest():
                raise ValueError(f"it holds {data.count(10)} of {facts.get('prompts')} prompts, or others")
            yield path, data, facts
        except (ValueError, CorruptStoreError) as error:
            raise CorruptStoreError(
                f"{path} is not the suite of this run: {' '.join(str(error).split())[:200]}",
                remedy="restore it, or call the run's own `run` command again, which writes it anew",
            ) from error

    # --- files ------------------------------------------------------------------------------------------------------

    def inside(self, name: str) -> Path:
        """``<folder>/<name>``. CorruptStoreError for a name that leads out of the folder, by itself or by a link."""
        return shards.inside(self.folder, name)

    def write(self, name: str, data: bytes, *, lasting: bool = True) -> Path:
        """Puts ``data`` at ``<folder>/<name>``, whole or not at all, durable on return; ``lasting`` as in ``files``."""
        return files.write(self.inside(name), data, remedy=shards.REMEDY, lasting=lasting)

    def adopt(self, name: str, source: Path, *, link: bool = False) -> Path:
        """Puts a file that lies elsewhere at ``<folder>/<name>``, whole or not at all; ``link`` as ``files.place``."""
        target = self.inside(name)
        with files.writing(target, shards.REMEDY):
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
        return Path(self._media(sample)[0])

    def _media(self, sample: Sample, known: set[str] | None = None) -> tuple[str, int]:
        """The same, and its size in bytes; ``known`` as ``files.inside_and_state`` takes it."""
        try:
            if sample.path.startswith("/"):
                path = str(self._elsewhere(sample.path))
                state = os.stat(path)
            else:
                path, state = files.inside_and_state(self.folder, sample.path, known)
        except UsageError as error:
            raise MediaError(error.problem, remedy=error.remedy) from error
        except (OSError, ValueError) as error:
            raise MediaError(f"{sample.path!r} cannot be read ({getattr(error, 'strerror', error)})") from error
        if not stat.S_ISREG(state.st_mode):
            raise MediaError(f"{sample.path!r} is not a regular file")
        return path, state.st_size

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
        if self._given is None:
            settings = (self.manifest() or {}).get("sampler", {}).get("settings", {})
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
        return self.inside(f"locks/{name}.lock")

    def shard_lock(self, part: int, parts: int) -> Path:
        """The lock of whoever works on one of ``parts`` shards."""
        return self.lock(f"shard-{part}-of-{parts}")

    def shard_locks(self) -> Iterator[tuple[Path, int, int]]:
        """Those that there are, held or not, with their part of how many."""
        for path in sorted(self.folder.glob("locks/shard-*-of-*.lock")):
            if match := _SHARD_LOCK.fullmatch(path.name):
                part, parts = int(match[1]), int(match[2])
                yield self.shard_lock(part, parts), part, parts

    def shard_files(self) -> Iterator[tuple[Path, list[bytes], list[int]]]:
        """Every file of rows, its whole lines, and the numbers of those that are none. For looking at damage only."""
        for part in ("samples", "scores/*"):
            for path in sorted(self.folder.glob(f"{part}/*.jsonl")):
                yield path, *shards.lines_of(self.inside(str(path.relative_to(self.folder))))

    def extent(self) -> dict[str, int]:
        """The size of every file of rows: the same while no row is added."""
        paths = (path for part in ("samples", "scores/*") for path in self.folder.glob(f"{part}/*.jsonl"))
        return {str(path.relative_to(self.folder)): path.lstat().st_size for path in paths}

    # --- rows -------------------------------------------------------------------------------------------------------

    @rows.many()
    def sample_rows(self) -> tuple[dict[SampleKey, list[Sample]], dict[SampleKey, str]]:
        """Every sample row by key, and why the keys that failed (and only failed) did."""
        samples: dict[SampleKey, list[Sample]] = {}
        failures: dict[SampleKey, str] = {}
        for row in shards.read(self.inside("samples"), rows.sample_in):
            if isinstance(row, Failure):
                failures[row.key] = min(failures.get(row.key, row.reason), row.reason)
            else:
                samples.setdefault(row.key, []).append(row)
        return samples, {key: reason for key, reason in failures.items() if key not in samples}

    @rows.many()
    def samples(self) -> tuple[dict[SampleKey, Sample], dict[SampleKey, str]]:
        """The samples whose media is still there in full, and the failures. Lost or cut media is wanted again."""
        rows, failures = self.sample_rows()
        whole: dict[SampleKey, Sample] = {}
        known: set[str] = set()
        for key, candidates in rows.items():
            fitting = []
            for sample in candidates:
                try:
                    fitting += [sample] if self._media(sample, known)[1] == sample.bytes else []
                except MediaError as error:
                    failures[key] = brief(error)
            if len({sample.digest for sample in fitting}) > 1:  # of several rows the one that the bytes are of
                fitting = [sample for sample in fitting if file_digest(self.media(sample)) == sample.digest]
            if fitting:
                whole[key] = fitting[0]
                failures.pop(key, None)
        return whole, failures

    @rows.many()
    def scores(self, name: str, samples: Mapping[SampleKey, Sample]) -> dict[tuple[SampleKey, str], Score]:
        """The scores under ``scores/<name>`` of these samples, by key and metric; scores of other bytes do not count.

        Of several rows for one pair a value wins over a reason, so that a retried sample is scored once and for all.
        """
        found: dict[tuple[SampleKey, str], Score] = {}
        for score, of in shards.read(self.inside(f"scores/{name}"), rows.score_in):
            sample = samples.get(score.key)
            if sample is None or of != sample.digest:
                continue
            other = found.get((score.key, score.metric))
            if other is None or _rank(score) < _rank(other):
                found[score.key, score.metric] = score
        return found

    def sample_writer(self) -> shards.ShardWriter:
        return shards.ShardWriter(self.inside("samples"))

    def score_writer(self, name: str) -> shards.ShardWriter:
        return shards.ShardWriter(self.inside(f"scores/{name}"))


def _rank(score: Score) -> tuple[bool, str]:
    """Decided rows first; then by text, so that the winner does not depend on which file was read first."""
    return (not score.decided, canonical_json(score))


def suite_file_digest(prompts: Sequence[Prompt]) -> str:
    """sha256 (hex) of ``prompts.jsonl`` as it is written for this suite."""
    return sha256(_suite_file(prompts)).hexdigest()


def _suite_file(prompts: Sequence[Prompt]) -> bytes:
    return encoded("".join(canonical_json(prompt) + "\n" for prompt in prompts))
