"""Official prompt files, pinned by commit and sha256: found in a mirror or the cache, or downloaded once."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.config import Facts
from nova_eval.download import Seen, Unreachable, discard_note, download
from nova_eval.environment import CACHE_VARIABLE, cache_root
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.identity import file_digest
from nova_eval.progress import Transfer

GITHUB_RAW = "https://raw.githubusercontent.com"
URL_VARIABLE = "NOVA_EVAL_PROMPTS_URL"  # another server with the same paths
_ROOM_REMEDY = f"set {CACHE_VARIABLE} to a folder with room"


@dataclass(frozen=True, slots=True)
class Source:
    """One pinned file of a repository. ``entries`` counts what it holds: prompts with repetitions, or labels.

    Where a file was never at hand to take its sha256, ``git_blob`` pins it by the name that git gives its content in
    the pinned commit, and ``bytes`` is a ceiling. With a ``listing`` the path is a folder, whose files that file pins
    in the format of ``sha256sum``; ``bytes`` counts all of them.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    benchmark: str
    role: str
    repository: str
    commit: str
    path: str
    sha256: str
    bytes: int
    entries: int
    licence: str
    git_blob: str = ""
    listing: str = ""

    @property
    def place(self) -> Path:
        """Where the file lies in a mirror or in the cache: ``<owner>/<repository>/<commit>/<path>``."""
        return Path(self.repository, self.commit, self.path)

    @property
    def url(self) -> str:
        base = os.environ.get(URL_VARIABLE) or GITHUB_RAW
        return f"{base.rstrip('/')}/{quote(self.place.as_posix())}"

    def __str__(self) -> str:
        return f"{self.repository}@{self.commit[:7]}:{self.path}"


class _Pins(TypedDict):
    """``SOURCE.toml``."""

    files: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class PromptCheck:
    """What became of one pinned file: ``path`` is ``None`` when it is nowhere, ``problem`` is "" when all is well."""

    source: Source
    path: Path | None
    problem: str = ""


def load_sources(facts: Facts) -> tuple[Source, ...]:
    """The pinned files of a benchmark, as its ``SOURCE.toml`` lists them; none where it has no such file."""
    pins = facts.prompts / "SOURCE.toml"
    entries = reading.toml_file(pins, _Pins)["files"] if pins.exists() else []
    usual = {"benchmark": facts.name, "sha256": ""}
    return tuple(
        reading.fitting({**usual, **row, "listing": _beside(facts, row.get("listing", ""))}, str(pins), Source)
        for row in entries
    )


def _beside(facts: Facts, name: object) -> str:
    return str(files.inside(facts.prompts, str(name))) if name else ""


def files_of(source: Source) -> tuple[Source, ...]:
    """The files of a folder, or the file itself."""
    if not source.listing:
        return (source,)
    rows = [line.partition("  ") for line in reading.text(Path(source.listing)).splitlines()]
    if wrong := next((number for number, (pin, _, name) in enumerate(rows, 1) if len(pin) != 64 or not name), 0):
        raise UsageError(f"{source.listing}, line {wrong}: not a line of sha256sum")
    return tuple(
        replace(source, path=f"{source.path}/{files.relative(name)}", sha256=pin, listing="") for pin, _, name in rows
    )


def locate(
    source: Source, *, mirror: Path | None = None, offline: bool = False, seen: Seen = lambda here, total: None
) -> Path:
    """The verified file: from ``mirror``, else from the cache, else downloaded into it unless ``offline``.

    Raises PrerequisiteError when it is nowhere or when its sha256 is another.
    """
    found = _in_mirror(source, mirror)
    if found is not None:
        return found
    cached = cache_folder() / source.place
    if cached.is_file():
        problem = _wrong_bytes(source, cached)
        if not problem:
            return cached
        _discard(cached)
        if offline:
            raise PrerequisiteError(f"{problem}; it has been removed", remedy=_remedy(source))
    if offline:
        places = f"{mirror} or {cache_folder()}" if mirror else str(cache_folder())
        raise PrerequisiteError(f"the prompt file {source} is not in {places}", remedy=_remedy(source))
    return _download(source, seen)


def fetch(
    facts: Facts,
    *,
    mirror: Path | None = None,
    offline: bool = False,
    progress: Callable[[Transfer], None] = lambda step: None,
) -> list[Path]:
    """Brings every pinned file of a benchmark into the cache, verified, and returns where they lie.

    With ``mirror`` files are copied from there and nothing is downloaded; ``offline`` only looks. ``progress`` is
    told of every source, a folder being one.
    """
    paths = []
    for source in load_sources(facts):
        before, present, name = 0, True, Path(source.path).name
        for file in files_of(source):
            if not _is_here(file):
                present = False
                _bring(file, mirror, offline, _counted(progress, Transfer(name, "fetching", before, source.bytes)))
            before += (cache_folder() / file.place).stat().st_size
        progress(Transfer(name, "present" if present else "done", before, before))
        paths.append(cache_folder() / source.place)
    return paths


def _counted(progress: Callable[[Transfer], None], source: Transfer) -> Seen:
    """Tells of a file as the next part of its ``source``."""
    return lambda here, total: progress(source._replace(bytes=source.bytes + here))


def _is_here(source: Source) -> bool:
    cached = cache_folder() / source.place
    return cached.is_file() and not _wrong_bytes(source, cached)


def _bring(source: Source, mirror: Path | None, offline: bool, seen: Seen) -> None:
    if mirror is None:
        locate(source, offline=offline, seen=seen)
        return
    original = _in_mirror(source, mirror)
    if original is None:
        raise PrerequisiteError(
            f"the mirror {mirror} does not hold {source.place.as_posix()}",
            remedy="lay it out as <owner>/<repository>/<commit>/<path>",
        )
    files.write(cache_folder() / source.place, original.read_bytes(), remedy=_ROOM_REMEDY)


def verify(facts: Facts, *, mirror: Path | None = None) -> list[PromptCheck]:
    """Looks at every pinned file where ``locate`` would find it. Changes nothing, opens no socket."""
    folders = [cache_folder()] if mirror is None else [mirror, cache_folder()]
    checks = []
    for source in load_sources(facts):
        found = [_check(file, folders) for file in files_of(source)]
        worst = next((check for check in found if check.problem), found[0])
        checks.append(
            PromptCheck(source, worst.path.parent if source.listing and worst.path else worst.path, worst.problem)
        )
    return checks


def _check(source: Source, folders: Sequence[Path]) -> PromptCheck:
    path = next((folder / source.place for folder in folders if (folder / source.place).is_file()), None)
    problem = _wrong_bytes(source, path) if path else f"not in {' or '.join(map(str, folders))}"
    return PromptCheck(source, path, problem)


def cache_folder() -> Path:
    """``$NOVA_EVAL_CACHE/prompts``, by default under ``~/.cache/nova_eval``."""
    return cache_root() / "prompts"


def _in_mirror(source: Source, mirror: Path | None) -> Path | None:
    if mirror is None:
        return None
    if not mirror.is_dir():
        raise PrerequisiteError(f"the mirror folder {mirror} does not exist", remedy="check --mirror")
    path = mirror / source.place
    if not path.is_file():
        return None
    problem = _wrong_bytes(source, path)
    if problem:
        raise PrerequisiteError(problem, remedy=f"copy the file again from {GITHUB_RAW}, or leave --mirror out")
    return path


def _wrong_bytes(source: Source, path: Path, place: str = "") -> str:
    """What is wrong with the bytes at ``path``, which came from ``place``, or ""."""
    try:
        found = _git_blob(path.read_bytes()) if source.git_blob else file_digest(path)
    except OSError as error:
        raise PrerequisiteError(f"cannot read {path}: {error.strerror or error}") from error
    if found == (source.git_blob or source.sha256):
        return ""
    pin = f"git blob {source.git_blob}" if source.git_blob else f"sha256 {source.sha256}"
    return f"{place or path} is not the pinned {source}: expected {pin}, found {found}"


def _git_blob(body: bytes) -> str:
    """The name git gives to content."""
    return sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()


def _remedy(source: Source) -> str:
    return (
        f"run `python -m nova_eval prompts fetch {source.benchmark}` on a machine with network access, "
        "or give --mirror DIR with the file under DIR/<owner>/<repository>/<commit>/<path>"
    )


def _download(source: Source, seen: Seen) -> Path:
    """The verified file in the cache, whole or not at all; several processes may do it at once."""
    path = cache_folder() / source.place
    with files.writing(path, _ROOM_REMEDY), files.temporary(path) as part:
        try:
            download(source.url, part, trusted=True, limit=source.bytes, seen=seen)
        except Unreachable as error:
            raise PrerequisiteError(error.problem, remedy=_remedy(source)) from error
        finally:
            discard_note(part)
        if problem := _wrong_bytes(source, part, source.url):
            raise PrerequisiteError(
                f"{problem}; nothing was kept",
                remedy="a proxy may answer in its place: "
                f"try another network, unset {URL_VARIABLE}, or use --mirror DIR",
            )
    return path


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PrerequisiteError(f"cannot remove the damaged {path}: {error.strerror or error}") from error
