"""One file over HTTP: resumed where it stopped, whole under its name or not there at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from nova_eval import reading
from nova_eval.errors import NovaEvalError, PrerequisiteError

Seen = Callable[[int, int], None]  # bytes here, bytes in all (0: unknown)

ATTEMPTS = 4  # in a row that bring little new, or all too slowly
FIRST_WAIT_SECONDS = 0.5  # doubled after every such attempt
TIMEOUT_SECONDS = 30.0
SLOWEST, SLOW_SECONDS = 1024, 60.0  # bytes a second over such a stretch
_LITTLE = 1 << 16
_SCHEMES = ("http", "https")
_CHUNK = 1 << 18
_ROOM = 64 << 20  # left free on the disk


class TooSlow(TimeoutError):
    """A server that drips."""


class Unreachable(PrerequisiteError):
    """A source that does not answer or does not have the file: another one may."""


def download(url: str, part: Path, *, trusted: bool, limit: int = 0, seen: Seen = lambda here, total: None) -> None:
    """Brings the bytes behind ``url`` into ``part``, going on from what an earlier call left there.

    No more is read once there are more than ``limit`` bytes (0: any number): a checksum then tells that they are wrong.

    Bytes are only joined when the server says that its file has not changed, or when a checksum will tell
    (``trusted``). Broken connections and busy or dripping servers are tried again, ATTEMPTS times. Raises Unreachable,
    and PrerequisiteError for a full or read-only disk; what has arrived stays in ``part``.
    """
    if url.partition(":")[0].lower() not in _SCHEMES:
        raise Unreachable(f"cannot download {url} (it is no http or https address)")
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
            moving = _size(part) - before > _LITTLE and not isinstance(error, TooSlow)
            failures = 0 if moving else failures + 1
            if not passing or failures >= ATTEMPTS:
                raise Unreachable(f"cannot download {url} ({problem})") from error
        time.sleep(FIRST_WAIT_SECONDS * 2 ** max(0, failures - 1))


def header(url: str, name: str) -> str:
    """What a server says of a file in this header, before it leads elsewhere; "" where it says nothing."""
    from urllib.error import HTTPError
    from urllib.request import Request

    arriving = _arriving(Request(url, method="HEAD", headers={"User-Agent": "nova_eval"}), follow=False)
    with closing(arriving):
        try:
            return str(next(arriving).headers.get(name, ""))
        except HTTPError as answer:
            return str(answer.headers.get(name, ""))
        except Exception:  # whoever asks for the file itself is told why it cannot be had
            return ""


def discard(part: Path) -> None:
    """Removes a partial download and the note beside it."""
    part.unlink(missing_ok=True)
    discard_note(part)


def discard_note(part: Path) -> None:
    """Removes the note beside a partial download, without which it is only gone on with when ``trusted``."""
    _note(part).unlink(missing_ok=True)


def _attempt(url: str, part: Path, trusted: bool, limit: int, seen: Seen) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request

    start, headers = _resumption(url, part, trusted)
    arriving = _arriving(Request(url, headers={"User-Agent": "nova_eval", "Accept-Encoding": "identity", **headers}))
    try:
        response = next(arriving)
    except HTTPError as error:
        if error.code == 416:  # the range begins beyond the file: what is here is not its beginning
            discard(part)
            raise ConnectionError("the server's file is shorter than what was here") from error
        raise
    with closing(arriving):
        start, total = _extent(url, part, start, response)
        _check_room(part, (min(total, limit) if limit else total) - start)
        _remember(url, part, response.headers)
        here = start
        pace = _Pace(here)
        with part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            stream.truncate()
            for chunk in arriving:
                stream.write(chunk)
                here += len(chunk)
                seen(here, total)
                pace.check(here)
                if 0 < limit < here:
                    return
            stream.flush()
            os.fsync(stream.fileno())
    if total and here < total:
        raise ConnectionError(f"the connection ended after {here:,} of {total:,} bytes")
    if total and here > total:
        discard(part)
        raise ConnectionError(f"{here:,} bytes came, {total:,} were announced")


def _extent(url: str, part: Path, start: int, response: Any) -> tuple[int, int]:
    """Where what arrives begins, and the size of the file (0: unknown). Other bytes than were asked for are refused."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Unreachable(f"{url} answers in the encoding {encoding!r}, which was not asked for")
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isdecimal() else 0
    if response.status == 200:
        return 0, length
    if response.status != 206:
        raise Unreachable(f"{url} answers with status {response.status}")
    first, total = _range(response.headers.get("Content-Range", ""))
    known = _noted(url, part)
    if first not in (0, start) or (first and known and _validator(response.headers) not in ("", known)):
        discard(part)
        raise ConnectionError("the server sent another part, or another version, than was asked for")
    return first, total or (first + length if length else 0)


def _arriving(request: Any, *, follow: bool = True) -> Generator[Any, None, None]:
    """The answer, then its bytes as they come. TimeoutError when nothing comes for TIMEOUT_SECONDS.

    A thread of its own reads them: a server that sends its head, or the size of a chunk, letter by letter would never
    let a socket's own time limit pass.
    """
    arrived: Queue[Any] = Queue(8)
    left = Event()

    def put(item: Any) -> None:
        while not left.is_set():
            with suppress(Full):
                arrived.put(item, timeout=1)
                return

    def read() -> None:
        try:
            with _opener(follow=follow).open(request, timeout=TIMEOUT_SECONDS) as response:
                put(response)
                announced = response.headers.get("Content-Length", "")
                rest = int(announced) if announced.isdecimal() else _CHUNK
                while not left.is_set() and rest and (chunk := response.read1(min(_CHUNK, rest))):
                    rest -= len(chunk) if announced.isdecimal() else 0
                    put(chunk)
            put(None)
        except Exception as error:
            put(error)

    Thread(target=read, name="download", daemon=True).start()
    try:
        while True:
            try:
                item = arrived.get(timeout=TIMEOUT_SECONDS)
            except Empty as error:
                raise TimeoutError(f"nothing came for {TIMEOUT_SECONDS:g} s") from error
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        left.set()


def _opener(*, follow: bool) -> Any:
    """Opens http and https addresses and no other, nor lets a server lead to any other; to none unless ``follow``."""
    from urllib import request
    from urllib.parse import urlsplit

    class Redirect(request.HTTPRedirectHandler):
        def redirect_request(  # noqa: PLR0917  (urllib's own signature)
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            scheme = urlsplit(newurl).scheme
            if scheme not in _SCHEMES or (scheme == "http" and urlsplit(req.full_url).scheme == "https"):
                raise Unreachable(f"{req.full_url} leads to a {scheme}: address, which is not followed")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPDefaultErrorHandler,
        request.HTTPErrorProcessor,
        *([Redirect] if follow else []),
    ):
        opener.add_handler(handler())
    return opener


class _Pace:
    """Bytes over time. TooSlow when a stretch of SLOW_SECONDS brought fewer than SLOWEST bytes a second."""

    def __init__(self, here: int) -> None:
        self.since, self.before = time.monotonic(), here

    def check(self, here: int) -> None:
        now = time.monotonic()
        if now - self.since >= SLOW_SECONDS:
            if here - self.before < SLOWEST * (now - self.since):
                raise TooSlow(f"fewer than {SLOWEST:,} bytes a second for {SLOW_SECONDS:g} s")
            self.since, self.before = now, here


def _resumption(url: str, part: Path, trusted: bool) -> tuple[int, dict[str, str]]:
    """Where to go on, and the headers that ask for it; from the start when bytes could be mixed up."""
    size = _size(part)
    if not size:
        return 0, {}
    validator = _noted(url, part)
    if not validator and not trusted:
        return 0, {}
    condition = {"If-Range": validator} if validator else {}
    return size, {"Range": f"bytes={size}-", **condition}


def _remember(url: str, part: Path, headers: Any) -> None:
    _note(part).write_text(json.dumps({"url": url, "validator": _validator(headers)}), encoding="utf-8")


def _noted(url: str, part: Path) -> str:
    """By what the version of the partial download is known, or ""."""
    try:
        note = reading.json_file(_note(part), dict[str, str])
    except NovaEvalError:
        return ""
    return note.get("validator", "") if note.get("url") == url else ""


def _validator(headers: Any) -> str:
    tag = headers.get("ETag", "")
    return str(tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", ""))


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _range(content_range: str) -> tuple[int, int]:
    """First byte and whole size of ``bytes 5-9/10``; (−1, 0) where there is none, size 0 where it is not said."""
    match = re.fullmatch(r"\s*bytes\s+(\d+)-(\d+)/(\d+|\*)\s*", content_range)
    if match is None or int(match[2]) < int(match[1]):
        return -1, 0
    return int(match[1]), int(match[3]) if match[3] != "*" else 0


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
        said = f": {error.reason}" if 300 <= error.code < 400 else ""
        return f"HTTP {error.code}{said}", error.code in (408, 416, 429) or error.code >= 500
    if isinstance(error, URLError | HTTPException | TimeoutError | ConnectionError):
        return str(getattr(error, "reason", "") or error) or type(error).__name__, True
    if isinstance(error, OSError):
        detail = error.strerror or str(error)
        wrong = f"No space left on device, {detail}" if error.errno == errno.ENOSPC and "bytes" in detail else detail
        return PrerequisiteError(f"cannot write {part.parent} ({wrong})", remedy=ROOM_REMEDY), False
    return f"{type(error).__name__}: {error}", False


ROOM_REMEDY = "free some space or set NOVA_EVAL_CACHE to a folder with room; the next fetch goes on from here"
