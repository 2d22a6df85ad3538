"""The pinned weight files by name: where they lie on this machine, the digest of what lies there, and what it must be.

A file must have its publisher's checksum, or that of the first file that was fetched here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field
from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.environment import cache_root
from nova_eval.errors import NovaEvalError, PrerequisiteError, unknown
from nova_eval.identity import file_digest

FOLDER_VARIABLE = "NOVA_EVAL_WEIGHTS"
_FIRST = "first fetch"
_LOCK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file of ``weights.toml``.

    ``sha256`` is the publisher's checksum: 64 digits, or the prefix that the published file name carries, or "".
    ``bytes`` is approximate. ``wrapping`` is what ``load_state_dict`` takes. ``instead_of`` names the file whose place
    it can take. ``holds`` are some of its tensors with their shapes (of a configuration: its keys), by which it is
    known.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    name: str
    file: str
    urls: tuple[str, ...]
    bytes: int
    licence: str
    origin: str
    wrapping: str
    used_by: tuple[str, ...]
    sha256: str = ""
    instead_of: str = ""
    holds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


class Pin(TypedDict):
    """A file as it was fetched first."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int
    url: str


class _Note(TypedDict):
    """The digest of a file, and as of when."""

    sha256: str
    bytes: int
    modified: int
    changed: int


@lru_cache(maxsize=1)
def entries() -> dict[str, WeightFile]:
    """Every entry of ``weights.toml`` by name, in the order of the file."""
    path = Path(__file__).parent / "weights.toml"
    table = reading.toml_file(path, dict[str, dict[str, Any]])
    return {name: reading.typed({"name": name, **row}, f"{path}: {name}", WeightFile) for name, row in table.items()}


def entry(name: str) -> WeightFile:
    """The entry called ``name``. UsageError, with the nearest name, when there is none."""
    if name not in entries():
        raise unknown("weights", name, entries())
    return entries()[name]


def needs(judge: str) -> list[WeightFile]:
    """The files that the judge registered as ``judge`` loads; none for judges that compute without weights."""
    return [row for row in entries().values() if judge in row.used_by]


def missing(judge: str) -> list[WeightFile]:
    """The files of ``judge`` that are not here. Of files that can stand for each other one is enough."""
    rows = needs(judge)
    here = {row.instead_of or row.name for row in rows if find(row.name)}
    return [row for row in rows if not row.instead_of and row.name not in here]


def family(judge: str) -> str:
    """What judges on the same weights have in common: the name of their first weight file, else the judge's own."""
    return next((row.name for row in needs(judge) if row.wrapping != "file"), judge)


def cache_folder() -> Path:
    """``$NOVA_EVAL_CACHE/weights``, by default under ``~/.cache/nova_eval``."""
    return cache_root() / "weights"


def find(name: str) -> Path | None:
    """Where the file lies: in ``$NOVA_EVAL_WEIGHTS`` (files placed by hand), else in the cache, else ``None``."""
    file = entry(name).file
    own = os.environ.get(FOLDER_VARIABLE)
    folders = [files.given(own), cache_folder()] if own else [cache_folder()]
    return next((folder / file for folder in folders if (folder / file).is_file()), None)


def locate(name: str) -> Path:
    """The file called ``name``. PrerequisiteError, naming the command that brings it, when it is nowhere."""
    path = find(name)
    if path is None:
        raise PrerequisiteError(f"weights {name} are missing", remedy=f"python -m nova_eval weights fetch {name}")
    return path


def locate_first(names: Iterable[str]) -> Path:
    """The first of several equivalent files that is present. PrerequisiteError names the first when none is."""
    choices = list(names)
    return next((path for path in map(find, choices) if path is not None), None) or locate(choices[0])


def digest(path: Path) -> str:
    """sha256 (hex) of a file's bytes, remembered beside it for as long as its size and times of change stay."""
    return _digest(path, *_stamp(path))


def check_bytes(path: Path) -> None:
    """Reads all of ``path``, once a process. PrerequisiteError when its bytes are not those remembered, or pinned.

    A disk that loses a bit changes neither a file's size nor its times.
    """
    found, known = _read(path, *_stamp(path)), digest(path)
    problem = f"sha256 was {known[:12]}… and is {found[:12]}…, size and time are unchanged" if found != known else ""
    if path.parent == cache_folder():
        row = next((row for row in entries().values() if row.file == path.name), None)
        problem = problem or (mismatch(row, found) if row else "")
    if problem:
        raise PrerequisiteError(
            f"{path}: its bytes have changed ({problem})", remedy="remove it, then python -m nova_eval weights fetch"
        )


def _stamp(path: Path) -> tuple[int, int, int]:
    """Size, time of the last change of the contents, and of the file's entry, which no program sets back."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, modified: int, changed: int) -> str:
    try:
        remembered = reading.json_file(_note(path), _Note)
        if (remembered["bytes"], remembered["modified"], remembered["changed"]) == (size, modified, changed):
            return remembered["sha256"]
    except NovaEvalError:
        pass  # nothing remembered, or nothing that can be read
    found = _read(path, size, modified, changed)
    remember(path, found)
    return found


@lru_cache(maxsize=256)
def _read(path: Path, _size: int, _modified: int, _changed: int) -> str:
    return file_digest(path)


def remember(path: Path, sha256: str) -> None:
    """Notes the digest of ``path`` beside it. A folder that cannot be written is left as it is."""
    size, modified, changed = _stamp(path)
    row = {"sha256": sha256, "bytes": size, "modified": modified, "changed": changed}
    with suppress(PrerequisiteError):
        files.write(_note(path), json.dumps(row))


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256.json")


# --- pins: which bytes a file must have -----------------------------------------------------------------------------


def lock_path() -> Path:
    """``lock.json`` in the weights folder: what was fetched first, by name."""
    return cache_folder() / "lock.json"


def locked(path: Path | None = None) -> dict[str, Pin]:
    """What was fetched first, by name; nothing while there is no file.

    PrerequisiteError for a file that cannot be read: without it any bytes would pass for those fetched first.
    """
    path = path or lock_path()
    if not path.exists():
        return {}
    remedy = "restore it, or remove it to pin what is fetched next"
    return reading.json_file(path, dict[str, Pin], error=PrerequisiteError, remedy=remedy)


def pinned(entry: WeightFile) -> tuple[str, str]:
    """The checksum (or the beginning of it) that the file must have and who says so; both "" for the first fetch."""
    if entry.sha256:
        return entry.sha256, "publisher"
    first = locked().get(entry.name)
    return (first["sha256"], _FIRST) if first else ("", "")


def mismatch(entry: WeightFile, sha256: str) -> str:
    """What is wrong with bytes of this checksum, or ""."""
    expected, source = pinned(entry)
    if sha256.startswith(expected):
        return ""
    short = f"{expected[:12]}…" if len(expected) > 12 else expected
    where = f"; if its publisher changed it, remove {entry.name!r} from {lock_path()}" if source == _FIRST else ""
    return f"sha256 {sha256[:12]}… is not the pinned {short} ({source}{where})"


def pin(entry: WeightFile, sha256: str, size: int, url: str) -> None:
    """Writes down what was fetched. An entry that is there already stays as it is."""
    from filelock import FileLock, Timeout

    path = lock_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(".lock.json.lock")
    try:
        with FileLock(lock, timeout=_LOCK_SECONDS):
            rows = locked()
            if entry.name in rows:
                return
            rows[entry.name] = {"sha256": sha256, "bytes": size, "url": url}
            files.write(path, json.dumps(dict(sorted(rows.items())), indent=2) + "\n")
    except Timeout as error:
        raise PrerequisiteError(f"another process holds {lock}", remedy="end it and fetch again") from error
