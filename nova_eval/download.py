"""One file over HTTP: resumed where it stopped, whole under its name or not there at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nova_eval.errors import PrerequisiteError

Seen = Callable[[int, int], None]  # bytes here, bytes in all (0: unknown)

ATTEMPTS = 4  # in a row that bring nothing new
FIRST_WAIT_SECONDS = 0.5  # doubled after every such attempt
TIMEOUT_SECONDS = 30.0
_CHUNK = 1 << 18
_ROOM = 64 << 20  # left free on the disk


class Unreachable(PrerequisiteError):
    """A source that does not answer or does not have the file: another one may."""


def download(url: str, part: Path, *, trusted: bool, limit: int = 0, seen: Seen = lambda here, total: None) -> None:
    """Brings the bytes behind ``url`` into ``part``, going on from what an earlier call left there.

    No more is read once there are more than ``limit`` bytes (0: any number): a checksum then tells that they are wrong.

    Bytes are only joined when the server says that its file has not changed, or when a checksum will tell
    (``trusted``). Broken connections and busy servers are tried again. Raises Unreachable, and PrerequisiteError for
    a full or read-only disk; what has arrived stays in ``part``.
    """
    failures = 0
    while True:
        before = _size(part)
        try:
            _attempt(url, part, trusted, limit, seen)
            discard_note(part)
            return
        except Exception as error:
            problem, passing = _reason(error, part)
            if isinstance(problem, PrerequisiteError):
                raise problem from error
            failures = 0 if _size(part) > before else failures + 1
            if not passing or failures >= ATTEMPTS:
                raise Unreachable(f"cannot download {url} ({problem})") from error
        time.sleep(FIRST_WAIT_SECONDS * 2 ** max(0, failures - 1))


def discard(part: Path) -> None:
    """Removes a partial download and the note beside it."""
    part.unlink(missing_ok=True)
    discard_note(part)


def discard_note(part: Path) -> None:
    """Removes the note beside a partial download, without which it is only gone on with when ``trusted``."""
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, trusted: bool, limit: int, seen: Seen) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    start, headers = _resumption(url, part, trusted)
    try:
        answer: Any = urlopen(Request(url, headers={"User-Agent": "nova_eval", **headers}), timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code == 416:  # the range begins beyond the file: what is here is not its beginning
            discard(part)
            raise ConnectionError("the server's file is shorter than what was here") from error
        raise
    with answer as response:
        if response.status != 206 or _first_byte(response.headers.get("Content-Range", "")) != start:
            start = 0
        announced = response.headers.get("Content-Length", "")
        total = start + int(announced) if announced.isdigit() else 0
        _check_room(part, (min(total, limit) if limit else total) - start)
        _remember(url, part, response.headers)
        here = start
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            while chunk := response.read(_CHUNK):
                stream.write(chunk)
                here += len(chunk)
                seen(here, total)
                if 0 < limit < here:
                    return
            stream.flush()
            os.fsync(stream.fileno())
    if total and here < total:
        raise ConnectionError(f"the connection ended after {here:,} of {total:,} bytes")


def _resumption(url: str, part: Path, trusted: bool) -> tuple[int, dict[str, str]]:
    """Where to go on, and the headers that ask for it; from the start when bytes could be mixed up."""
    size = _size(part)
    if not size:
        return 0, {}
    try:
        note: Mapping[str, str] = json.loads(_note(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        note = {}
    validator = note.get("validator", "") if note.get("url") == url else ""
    if not validator and not trusted:
        return 0, {}
    condition = {"If-Range": validator} if validator else {}
    return size, {"Range": f"bytes={size}-", **condition}


def _remember(url: str, part: Path, headers: Any) -> None:
    tag = headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    _note(part).write_text(json.dumps({"url": url, "validator": validator}), encoding="utf-8")


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _first_byte(content_range: str) -> int:
    unit, _, span = content_range.partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else -1


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed > max(0, free - _ROOM):
        raise OSError(errno.ENOSPC, f"{needed:,} bytes are needed, {free:,} are free")


def _reason(error: Exception, part: Path) -> tuple[PrerequisiteError | str, bool]:
    """What to say of a failed attempt, and whether another may succeed. Local faults are errors of their own."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError

    if isinstance(error, PrerequisiteError):
        return error, False
    if isinstance(error, HTTPError):
        with suppress(Exception):
            error.close()
        return f"HTTP {error.code}", error.code in (408, 416, 429) or error.code >= 500
    if isinstance(error, URLError | HTTPException | TimeoutError | ConnectionError):
        return str(getattr(error, "reason", "") or error) or type(error).__name__, True
    if isinstance(error, OSError):
        detail = error.strerror or str(error)
        wrong = f"No space left on device, {detail}" if error.errno == errno.ENOSPC and "bytes" in detail else detail
        return PrerequisiteError(f"cannot write {part.parent} ({wrong})", remedy=ROOM_REMEDY), False
    return f"{type(error).__name__}: {error}", False


ROOM_REMEDY = "free some space or set NOVA_EVAL_CACHE to a folder with room; the next fetch goes on from here"
