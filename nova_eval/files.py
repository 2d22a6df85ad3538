"""Files that appear whole or not at all: written under a temporary name in their folder, synced, then put in place.

What is in place survives a loss of power: the folder that holds it is synced too, and so are folders made for it.
A temporary file is called ``.<16 digits>.<numbering of processes>.<writer>.tmp``, so that ``sweep`` finds what a killed
process left behind.
Names that strangers wrote stay inside their folder (``inside``), and only regular files are read (``read``).
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import get_ident
from typing import IO, TypeAlias

from nova_eval.errors import PrerequisiteError, UsageError

State: TypeAlias = tuple[int, int, int, int, int]
"""Size, two times of change in ns, device and inode."""

_SETTLED = 2_000_000_000  # ns; the coarsest clock of a file system that is in use
_NOWHERE = ("", ".")  # parts of a name that lead nowhere
_LONGEST_NAME, _LONGEST_PATH = 255, 2048  # bytes of a name, as on every common file system, and of names in a row


def write(path: Path, data: bytes | str, *, remedy: str = "", lasting: bool = True) -> Path:
    """Puts ``data`` (text as UTF-8) at ``path``, whole or not at all, durable on return; makes missing folders.

    PrerequisiteError with ``remedy`` when it cannot be written; an old file then stays as it was. Unless it is
    ``lasting`` the name may be lost with power until its folder is synced: one ``sync_folder`` serves many files.
    """
    with writing(path, remedy), whole(path, lasting=lasting) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)
    return path


@contextmanager
def whole(path: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
    """A stream whose bytes become ``path`` at the end of the block; nothing changes when the block raises.

    ``lasting`` as ``write`` has it. OSError when it cannot be written.
    """
    with temporary(path, lasting=lasting) as other, other.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def place(source: Path, target: Path, *, link: bool = False, lasting: bool = True) -> None:
    """Makes ``target`` a copy of ``source``, or a hard link where that is asked for and can be. May raise OSError.

    ``lasting`` as ``write`` has it.
    """
    with temporary(target, lasting=lasting) as other:
        if not (link and _linked(source.resolve(), other)):
            shutil.copyfile(source, other)
            with other.open("rb+") as stream:
                os.fsync(stream.fileno())


@contextmanager
def temporary(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A name beside ``path`` that no other thread or process uses; what lies there after the block takes its place.

    Nothing is left when the block raises, and what killed processes left in the folder goes too. Whoever writes under
    the name syncs. ``lasting`` as ``write`` has it. OSError when it cannot be done.
    """
    make_folder(path.parent)
    _sweep_once(path.parent)
    name = sha256(f"{path.name} {get_ident()}".encode()).hexdigest()[:16]  # of one length, whatever the file is called
    other = path.with_name(f".{name}.{_space()}.{writer()}.tmp")
    try:
        yield other
        os.replace(other, path)
        if lasting:
            sync_folder(path.parent)
    finally:
        _remove(other)


def make_folder(path: Path) -> None:
    """Makes ``path`` and the folders above it that are missing, durable on return. May raise OSError."""
    missing = []
    folder = path
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
        sync_folder(new.parent)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable, where its file system can. May raise OSError."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)


def relative(name: str) -> str:
    """``name``, for a place below some folder. UsageError for one that leads out of it: absolute, or with ``..``."""
    _parts(name)
    return name


def inside(folder: Path, name: str) -> Path:
    """``folder/name``. UsageError for a name that leads out of ``folder``, by itself or by a link below it."""
    return Path(_looked_at(str(folder), name, None)[0])


def inside_and_state(folder: Path, name: str, known: set[str] | None = None) -> tuple[str, os.stat_result]:
    """The same as text, and what the file system says of it. OSError where nothing is there.

    ``known`` remembers folders that are no links, where many names are looked at in one go.
    """
    path, state = _looked_at(str(folder), name, known)
    return path, os.lstat(path) if state is None else state


def _looked_at(folder: str, name: str, known: set[str] | None) -> tuple[str, os.stat_result | None]:
    *above, last = _parts(name)
    path = "/".join((folder, *above))
    known = set() if known is None else known
    if path not in known:
        for end in range(1, len(above) + 1):
            if (part := "/".join((folder, *above[:end]))) not in known:
                _own(part)
                known.add(part)
    path = f"{path}/{last}"
    return path, _own(path)


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in _NOWHERE]
    if not parts or name[0] == "/" or "\0" in name or ".." in parts:
        raise UsageError(f"the name {name!r} leaves its folder", remedy="names are relative and hold no '..'")
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise UsageError(f"the name {name!r} is not text: {error.reason}") from error
    if length > _LONGEST_NAME and (length > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts)):
        raise UsageError(f"the name {name[:40]!r}… is longer than a file can be called", remedy="use a shorter one")
    return parts


def _own(path: str) -> os.stat_result | None:
    """What a path is of; ``None`` where there is nothing that can be looked at. UsageError for a link."""
    try:
        state = os.lstat(path)
    except (OSError, ValueError):
        return None
    if stat.S_ISLNK(state.st_mode):
        raise UsageError(f"{path} is a link", remedy="a run holds its files itself: put the real one in its place")
    return state


def given(text: str | Path) -> Path:
    """A path as its user wrote it, ``~`` being a home. UsageError for one that no file can have."""
    shown = f"the path {str(text)[:60]!r}"
    try:
        path = Path(text).expanduser()
        parts = [os.fsencode(part) for part in path.parts]
    except (RuntimeError, UnicodeEncodeError) as error:
        raise UsageError(f"{shown} cannot be: {error}", remedy="write it out") from error
    if b"\0" in b"".join(parts):
        raise UsageError(f"{shown} holds a zero byte")
    if max(map(len, parts), default=0) > _LONGEST_NAME or len(os.fsencode(path)) > _LONGEST_PATH:
        raise UsageError(f"{shown} is longer than a file can be called")
    return path


def read(path: Path, most: int) -> bytes:
    """The bytes of a regular file. OSError for another kind, which would block or never end, and beyond ``most``."""
    with opened(path) as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"over {most:,} bytes")
    return data


def opened(path: Path) -> IO[bytes]:
    """A regular file, opened for reading. OSError for another kind."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(number, "rb")


def state(path: Path) -> State:
    """What changes when a file does. OSError where it cannot be asked for."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev, status.st_ino


def is_settled(found: Sequence[int]) -> bool:
    """Whether a file in this state cannot change any more without a trace."""
    return max(found[1], found[2]) + _SETTLED < time.time_ns()


@contextmanager
def writing(path: Path, remedy: str = "") -> Iterator[None]:
    """Says of an OSError in the block that ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise PrerequisiteError(f"cannot write {path}: {error.strerror or error}", remedy=remedy) from error


def sweep(folder: Path) -> None:
    """Removes temporary files under ``folder`` that dead processes of this machine left behind."""
    _remove_left(folder.glob("**/.*.tmp"))


@cache
def _sweep_once(folder: Path) -> None:
    """The same of the folder itself; its files are looked at once a process."""
    _remove_left(folder.glob(".*.tmp"))


def _remove_left(found: Iterable[Path]) -> None:
    for path in found:
        *_, space, who = path.name.removesuffix(".tmp").rsplit(".", 2)
        host, _, pid = who.rpartition("-")
        ours = not space.startswith("n") or space == _space()  # containers of one host number their processes apart
        if ours and host == _host() and pid.isdigit() and not _alive(int(pid)):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def writer() -> str:
    """``<host>-<pid>``: the name of this process among all that may write to a folder."""
    return f"{_host()}-{os.getpid()}"


def _linked(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or a file system without links
        return False
    return True


def _space() -> str:
    """Which numbering of processes this one is in: ``n`` and digits."""
    try:
        return "n" + "".join(filter(str.isdigit, os.readlink("/proc/self/ns/pid")))
    except OSError:
        return "n"


def _host() -> str:
    return socket.gethostname().replace(".", "_") or "host"


def _alive(pid: int) -> bool:
    """Whether there is such a process, and not only what is left of one whose parent has not asked how it ended."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except ProcessLookupError:
        return False
    except (OSError, IndexError):
        return True
