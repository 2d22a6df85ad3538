"""One request over HTTP and its whole answer: within limits of bytes and time, and to no other address than was asked.

Redirections are not followed, so that what a header says goes nowhere else; a proxy of the environment is used, but not
for this machine.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from nova_eval.errors import PrerequisiteError, UsageError

BUSY = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same request may be answered another time."""
LONGEST_WAIT_SECONDS = 60.0
_FIRST_WAIT_SECONDS = 0.5  # doubled after every attempt
_CHUNK = 1 << 18
_HERE = ("localhost", "127.0.0.1", "::1")


class NoAnswer(PrerequisiteError):
    """A server that cannot be reached, breaks off, or answers with more than is taken."""


class Reply(NamedTuple):
    """The status, the headers by their names in small letters, and the body."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def wait(self) -> float | None:
        """The seconds after which to ask again, where the server says so."""
        said = self.headers.get("retry-after", "").strip()
        return min(float(said), LONGEST_WAIT_SECONDS) if said.isascii() and said.isdigit() and len(said) < 9 else None


@dataclass(frozen=True)
class Call:
    """What is asked: at most ``most`` bytes are taken of the answer, which is whole within ``seconds``."""

    url: str
    method: str = "GET"
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    most: int = 1 << 26
    seconds: float = 60.0


def origin(address: str, what: str = "an address") -> str:
    """The address without what ends it, as others are made of it. UsageError for one that cannot be called.

    One that holds a name and a password, or a question, is refused: it would be written down with them.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not address.isascii():
        raise UsageError(f"{address[:100]!r} is not {what}", remedy="give one such as http://127.0.0.1:8000")
    if "@" in parts.netloc or parts.query or parts.fragment or any(letter.isspace() for letter in address):
        raise UsageError(
            f"the address of {parts.hostname} holds more than host, port and path",
            remedy="leave out names, passwords and what follows a '?'; tokens come from the environment",
        )
    return address.rstrip("/")


def answer(asked: Call, attempts: int = 1, busy: Collection[int] = BUSY) -> Reply:
    """What the server says, whatever its status. NoAnswer where there is none.

    Servers whose status is among ``busy``, and broken connections, are asked again, ``attempts`` times in all, after
    the time that the server states or one that doubles.
    """
    wait = _FIRST_WAIT_SECONDS
    for left in range(attempts - 1, -1, -1):
        said: float | None = None
        try:
            reply = _answer(asked)
            if reply.status not in busy or not left:
                return reply
            said = reply.wait
        except NoAnswer:
            if not left:
                raise
        time.sleep(wait if said is None else said)
        wait = min(2 * wait, LONGEST_WAIT_SECONDS)
    raise AssertionError("attempts is at least 1")


def _answer(asked: Call) -> Reply:
    from http.client import HTTPException
    from urllib.error import URLError
    from urllib.request import Request

    host = urlsplit(asked.url).netloc
    until = time.monotonic() + asked.seconds
    headers = {"User-Agent": "nova_eval", "Accept-Encoding": "identity", **asked.headers}
    try:
        request = Request(asked.url, data=asked.content, headers=headers, method=asked.method)
        with closing(_opener(asked.url).open(request, timeout=asked.seconds)) as response:
            content = _whole(response, asked, until)
            return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, content)
    except NoAnswer:
        raise
    except TimeoutError as error:
        raise NoAnswer(f"{host} did not answer within {asked.seconds:g} s") from error
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            raise NoAnswer(f"{host} did not answer within {asked.seconds:g} s") from error
        raise NoAnswer(f"{host} does not answer ({str(reason)[:200] or type(reason).__name__})") from error


def _whole(response: Any, asked: Call, until: float) -> bytes:
    host, found = urlsplit(asked.url).netloc, bytearray()
    said = response.headers.get("Content-Length", "")
    while chunk := response.read1(_CHUNK):
        found += chunk
        if len(found) > asked.most:
            raise NoAnswer(f"{host} answers with more than {asked.most:,} bytes")
        if time.monotonic() > until:
            raise NoAnswer(f"{host} did not answer in full within {asked.seconds:g} s")
    if said.isdecimal() and asked.method != "HEAD" and len(found) != int(said):
        raise NoAnswer(f"{host} broke off after {len(found):,} of {int(said):,} bytes")
    return bytes(found)


def _opener(url: str) -> Any:
    from urllib import request

    opener = request.OpenerDirector()
    if urlsplit(url).hostname not in _HERE:
        opener.add_handler(request.ProxyHandler())
    opener.add_handler(request.HTTPSHandler() if urlsplit(url).scheme == "https" else request.HTTPHandler())
    return opener
