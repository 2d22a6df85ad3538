"""What was seen of files that somebody else made, remembered from one command to the next.

Hashing and decoding thousands of clips takes a minute; asking the file system whether they changed takes a moment. A
file is looked at again when its size, its times of change, or its place on the disk are others than they were. What
changed just before it was looked at may change again without a trace, and is not remembered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from nova_eval import files, media, reading
from nova_eval.environment import cache_root
from nova_eval.errors import MediaError, NovaEvalError, PrerequisiteError
from nova_eval.identity import file_digest
from nova_eval.media import probe
from nova_eval.media.videos import MediaFacts

T = TypeVar("T")

_FORMAT = 1
_MOST_FILES = 200_000
_LARGEST = 256 << 20  # bytes of a memory that is still read
_READERS = ("av", "Pillow")  # another version may see something else


@dataclass(slots=True)
class _Look:
    state: files.State
    settled: bool
    digest: str | None = None
    problem: str | None = None
    facts: MediaFacts | None = None


class Looks:
    """Digests, problems and facts of files, each made once for as long as the file stays as it is.

    ``memory`` is the file that outlives this process, ``None`` for none. It is never needed: what it does not hold, or
    where it cannot be read or written, is looked at anew.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._looks: dict[str, _Look] = {}
        self._new = False

    @classmethod
    def of(cls, folder: Path) -> Looks:
        """Those of a folder of media, with their memory in the cache."""
        name = sha256(str(folder).encode(errors="surrogateescape")).hexdigest()[:16]
        return cls(cache_root() / "looks" / f"{name}.json")

    def digest(self, path: Path) -> str:
        """sha256 (hex) of the file's bytes. OSError where it cannot be read."""
        look = self._look(path)
        if look.digest is None:
            look.digest = self._made(path, look, file_digest)
        return look.digest

    def problem(self, path: Path, find: Callable[[Path], str]) -> str:
        """Why the file cannot be used as ``find`` says, "" where it can."""
        try:
            look = self._look(path)
        except OSError as error:
            return f"{path.name}: {error.strerror}"
        if look.problem is None:
            look.problem = self._made(path, look, find)
        return look.problem

    def known_problem(self, path: Path) -> str | None:
        """As ``problem`` where that is known already."""
        try:
            return self._look(path).problem
        except OSError:
            return None

    def facts(self, path: Path) -> MediaFacts:
        """As ``probe``; MediaError too."""
        try:
            look = self._look(path)
        except OSError as error:
            raise MediaError(f"{path.name}: {error.strerror}") from error
        if look.facts is None:
            look.facts = self._made(path, look, probe)
        return look.facts

    def keep(self) -> None:
        """Writes down what is new."""
        settled = {name: look for name, look in self._looks.items() if look.settled}
        if self._memory is None or not self._new or not settled:
            return
        old = {} if len(self._remembered) + len(settled) > _MOST_FILES else self._remembered
        rows = {name: _row(look) for name, look in {**old, **settled}.items()}
        try:
            files.write(self._memory, json.dumps({**_header(), "files": rows}, ensure_ascii=True))
            self._new = False
        except (PrerequisiteError, OSError):
            pass  # a memory that cannot be written costs time, nothing else

    def _look(self, path: Path) -> _Look:
        state, name = files.state(path), str(path)
        look = self._looks.get(name) or self._remembered.get(name)
        if look is None or look.state != state:
            look = _Look(state, files.is_settled(state))
        self._looks[name] = look
        return look

    def _made(self, path: Path, look: _Look, make: Callable[[Path], T]) -> T:
        """What ``make`` finds; nothing is remembered of a file that changes meanwhile."""
        found = make(path)
        look.settled = look.settled and _unchanged(path, look.state)
        self._new = True
        return found

    @cached_property
    def _remembered(self) -> dict[str, _Look]:
        if self._memory is None:
            return {}
        try:
            memory = json.loads(reading.data(self._memory, most=_LARGEST))
            if {name: memory[name] for name in _header()} != _header():
                return {}
            return {name: _look_of(row) for name, row in memory["files"].items()}
        except (NovaEvalError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}  # every field is looked at below: of 200,000 files it has to be quick


def _unchanged(path: Path, state: files.State) -> bool:
    try:
        return files.state(path) == state
    except OSError:
        return False


@cache
def _header() -> dict[str, Any]:
    """What another reader of media would not have written: it may see something else in a file."""
    sources = sorted(Path(media.__file__).parent.glob("*.py"))
    ours = sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return {"format": _FORMAT, "reader": ours, "packages": {name: _version(name) for name in _READERS}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _row(look: _Look) -> list[Any]:
    return [*look.state, look.digest, look.problem, list(look.facts) if look.facts else None]


def _look_of(row: list[Any]) -> _Look:
    """TypeError or ValueError for what ``_row`` does not write."""
    size, modified, changed, device, inode, digest, problem, facts = row
    state = size, modified, changed, device, inode
    if not all(type(number) is int for number in state):
        raise TypeError("a state is five whole numbers")
    if not (digest is None or (isinstance(digest, str) and len(digest) == 64)):
        raise TypeError("a digest is 64 letters")
    if not (problem is None or isinstance(problem, str)):
        raise TypeError("a problem is text")
    return _Look(state, True, digest, problem, None if facts is None else _facts(facts))


def _facts(values: list[Any]) -> MediaFacts:
    frames, height, width, fps = values
    if not all(type(number) is int for number in (frames, height, width)) or type(fps) is not float:
        raise TypeError("facts are three whole numbers and a rate")
    return MediaFacts(frames, height, width, fps)
