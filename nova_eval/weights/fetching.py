"""Weight files are brought here, checked and listed."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from nova_eval import files
from nova_eval.download import ROOM_REMEDY, Unreachable, discard, download, header
from nova_eval.errors import NovaEvalError, PrerequisiteError, unknown
from nova_eval.identity import file_digest
from nova_eval.progress import Transfer
from nova_eval.weights.catalogue import (
    FOLDER_VARIABLE,
    WeightFile,
    cache_folder,
    digest,
    entries,
    find,
    locked,
    mismatch,
    pin,
    pinned,
    remember,
)
from nova_eval.weights.opening import most_bytes, not_weights, problem_of

MIRROR_VARIABLE = "NOVA_EVAL_WEIGHTS_URL"
HUB_VARIABLE = "HF_ENDPOINT"  # another address of the Hugging Face hub, as its own tools have it
_HUB = "https://huggingface.co"
_BRANCH, _COMMIT = re.compile(r"(.+/resolve/)main(/.+)"), re.compile(r"[0-9a-f]{40}")
_AT_ONCE = 4
_WHOLE = 64  # digits of a checksum that needs no other proof
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class WeightCheck:
    """What became of one file: ``path`` is ``None`` when it is nowhere, ``problem`` is "" when all is well."""

    entry: WeightFile
    path: Path | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One line of the list. ``bytes`` is exact where the file is or was here; ``pinned_by``: whose checksum holds."""

    entry: WeightFile
    path: Path | None
    bytes: int
    pinned_by: str


Judges: TypeAlias = Mapping[str, Collection[str]]
"""Benchmark → its judges."""


def select(names: Iterable[str], judges_of: Judges = MappingProxyType({})) -> list[WeightFile]:
    """Entries by their own names, by the judge that uses them, or by the benchmark whose judges do; all for no name.

    Of files that can stand for each other a benchmark wants the first only. UsageError for an unknown name.
    """
    chosen = tuple(names)
    wanted: dict[str, WeightFile] = {}
    for name in chosen:
        if name in judges_of:
            judges = set(judges_of[name])
            found = [row for row in entries().values() if judges.intersection(row.used_by) and not row.instead_of]
        else:
            found = [row for row in entries().values() if name in (row.name, *row.used_by)]
        if not found and name not in judges_of:
            judges = {judge for row in entries().values() for judge in row.used_by}
            raise unknown("weights", name, {*entries(), *judges, *judges_of})
        wanted |= {row.name: row for row in found}
    return list(wanted.values()) if chosen else list(entries().values())


def fetch(
    names: Iterable[str] = (),
    judges_of: Judges = MappingProxyType({}),
    *,
    offline: bool = False,
    mirror: str = "",
    progress: Callable[[Transfer], None] = lambda step: None,
) -> list[Path]:
    """Brings files into the cache, several at once, and returns where they lie, in the order of ``select``.

    ``mirror`` (default ``$NOVA_EVAL_WEIGHTS_URL``) is a folder or an address under which the files lie by their own
    names; it is tried first. ``offline`` only looks. A file that is here is checked against its pin. PrerequisiteError
    names every file that could not be had and why; the others are kept, and the next call goes on where this one
    stopped.
    """
    from concurrent.futures import ThreadPoolExecutor

    wanted = select(names, judges_of)

    def one(row: WeightFile) -> Path | NovaEvalError:
        try:
            return _fetched(row, offline, mirror or os.environ.get(MIRROR_VARIABLE, ""), progress)
        except NovaEvalError as error:
            return error

    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
    try:
        results = list(pool.map(one, wanted))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever is interrupted does not wait for files on their way
    failed = [(row, result) for row, result in zip(wanted, results, strict=True) if isinstance(result, NovaEvalError)]
    if len(failed) == 1:
        raise failed[0][1]
    if failed:
        problems = "; ".join(f"{row.name}: {error.problem}" for row, error in failed)
        raise PrerequisiteError(f"{len(failed)} of {len(wanted)} files could not be fetched: {problems}")
    return [result for result in results if isinstance(result, Path)]


def verify(names: Iterable[str] = (), judges_of: Judges = MappingProxyType({})) -> list[WeightCheck]:
    """Reads every file where judges would find it and compares it with its pin. Changes nothing, opens no socket."""
    checks = []
    for row in select(names, judges_of):
        path = find(row.name)
        if path is None:
            problem = f"missing; python -m nova_eval weights fetch {row.name}"
        else:
            problem = mismatch(row, file_digest(path))
        checks.append(WeightCheck(row, path, problem))
    return checks


def listing(names: Iterable[str] = (), judges_of: Judges = MappingProxyType({})) -> list[ListedFile]:
    """Every file with its size and licence, without reading it."""
    rows, fetched = [], locked()
    for row in select(names, judges_of):
        path = find(row.name)
        size = path.stat().st_size if path else fetched[row.name]["bytes"] if row.name in fetched else row.bytes
        rows.append(ListedFile(row, path, size, pinned(row)[1]))
    return rows


def _fetched(row: WeightFile, offline: bool, mirror: str, progress: Callable[[Transfer], None]) -> Path:
    folder = cache_folder()
    try:
        present = _present(row)
        if present is not None:
            size = present.stat().st_size
            progress(Transfer(row.name, "present", size, size))
            return present
        if offline:
            raise PrerequisiteError(
                f"weights {row.name} are missing and offline was asked for",
                remedy=f"python -m nova_eval weights fetch {row.name}",
            )
        folder.mkdir(parents=True, exist_ok=True)
        files.sweep(folder)
        with _alone(folder / f".{row.file}.lock", folder / f".{row.file}.part"):  # another may be at it, and then done
            return _present(row) or _from_somewhere(row, folder, mirror, progress)
    except OSError as error:
        raise PrerequisiteError(f"cannot write {folder} ({error.strerror or error})", remedy=ROOM_REMEDY) from error


@contextmanager
def _alone(lock: Path, part: Path) -> Iterator[None]:
    """Waits for whoever else fetches the file, for as long as bytes arrive. Locks of dead processes are free."""
    from filelock import FileLock, Timeout

    held, before = FileLock(lock, timeout=_PATIENCE_SECONDS), -1
    while True:
        try:
            held.acquire()
            break
        except Timeout as error:
            here = part.stat().st_size if part.is_file() else 0
            if here == before:
                raise PrerequisiteError(
                    f"another process holds {lock} and brings nothing", remedy="end it and fetch again"
                ) from error
            before = here
    try:
        yield
    finally:
        held.release()


def _present(row: WeightFile) -> Path | None:
    """The file when it is here and as pinned. A damaged one is removed from the cache, an error in a user's folder."""
    path = find(row.name)
    if path is None:
        return None
    problem = mismatch(row, digest(path))
    if not problem:
        return path
    if path.parent != cache_folder():
        raise PrerequisiteError(f"{path}: {problem}", remedy=f"replace the file or unset {FOLDER_VARIABLE}")
    path.unlink()
    return None


def _from_somewhere(row: WeightFile, folder: Path, mirror: str, progress: Callable[[Transfer], None]) -> Path:
    problems = []
    for url in sources(row, mirror):
        try:
            return _from(row, url, folder, progress)
        except Unreachable as error:
            problems.append(error.problem)
    remedy = f"put {row.file} into a folder and set {FOLDER_VARIABLE} to it, or give --mirror"
    raise PrerequisiteError("; ".join(problems), remedy=remedy)


def sources(row: WeightFile, mirror: str = "") -> list[str]:
    """The addresses of a file in the order in which they are tried; on the hub at the commit that was fetched first."""
    hub = os.environ.get(HUB_VARIABLE, "").rstrip("/") or _HUB
    official = [url.replace(_HUB, hub, 1) if url.startswith(_HUB) else url for url in row.urls]
    known = locked().get(row.name)
    first = known["url"] if known else ""
    official = [first if _on_branch(first) == url != first else url for url in official]
    if not mirror:
        return official
    if "://" not in mirror:
        return [str(files.given(mirror) / row.file), *official]
    return [f"{mirror.rstrip('/')}/{row.file}", *official]


def _at_commit(address: str) -> str:
    """An address on a branch of the hub at the commit where that is now; as it is where the server tells none."""
    if (branch := _BRANCH.fullmatch(address)) and _COMMIT.fullmatch(commit := header(address, "X-Repo-Commit")):
        return f"{branch[1]}{commit}{branch[2]}"
    return address


def _on_branch(address: str) -> str:
    return re.sub(rf"(/resolve/){_COMMIT.pattern}/", r"\1main/", address, count=1)


def _from(row: WeightFile, url: str, folder: Path, progress: Callable[[Transfer], None]) -> Path:
    address, _, member = url.partition("#")
    part = folder / f".{row.file}.part"

    def seen(here: int, total: int) -> None:
        if total > limit:
            discard(part)
            raise Unreachable(f"{address}: {total:,} bytes are announced, at most {limit:,} are expected")
        progress(Transfer(row.name, "fetching", here, total))

    limit = most_bytes(row, in_archive=bool(member))
    if "://" in address:
        address = _at_commit(address)
        download(address, part, trusted=bool(pinned(row)[0]) and not member, limit=limit, seen=seen)
    elif Path(address).is_file():
        discard(part)  # what another source left there is not this one's beginning
        files.place(Path(address), part)
    else:
        raise Unreachable(f"{address} does not exist")
    if member:
        _unzip(part, member, address, most_bytes(row))
    return _accepted(row, part, folder / row.file, address, progress)


def _unzip(part: Path, member: str, address: str, most: int) -> None:
    """Puts ``member`` of the archive, of at most ``most`` bytes, in the archive's place."""
    try:
        with zipfile.ZipFile(part) as archive:
            if archive.getinfo(member).file_size > most:  # what is unpacked never exceeds what is stated here
                raise zipfile.BadZipFile(f"{member} is too large")
            with archive.open(member) as source, files.whole(part) as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        discard(part)
        raise Unreachable(f"{address} is not an archive that holds {member}; nothing was kept") from error


def _accepted(row: WeightFile, part: Path, path: Path, address: str, progress: Callable[[Transfer], None]) -> Path:
    sha256, size = file_digest(part), part.stat().st_size
    problem = mismatch(row, sha256) or not_weights(part)
    if not problem and len(pinned(row)[0]) < _WHOLE:
        problem = problem_of(row, part)
    if problem:
        discard(part)
        raise Unreachable(f"{address}: {problem}; nothing was kept")
    pin(row, sha256, size, address)
    os.replace(part, path)
    discard(part)
    remember(path, sha256)
    progress(Transfer(row.name, "done", size, size))
    return path
