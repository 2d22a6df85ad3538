"""The requests that are answered: scores, what can be scored, health and figures."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from nova_eval import __version__
from nova_eval.errors import NovaEvalError, PrerequisiteError, brief, printable
from nova_eval.service.bounds import Bounds
from nova_eval.service.door import Door
from nova_eval.service.figures import Figures
from nova_eval.service.line import Line, Place
from nova_eval.service.refused import Refused
from nova_eval.service.scoring import Answer

SCORE, BENCHMARKS, HEALTH, FIGURES = "/v1/score", "/v1/benchmarks", "/healthz", "/metrics"
_METHODS = {SCORE: "POST", BENCHMARKS: "GET", HEALTH: "GET", FIGURES: "GET"}
_GONE = 499  # never sent: nobody is there
_LONGEST_WAIT = 60


class Judges(Protocol):
    """Who says scores, to one thread at a time; ``replaced``: how many of them hung or died."""

    replaced: int

    def told(self) -> list[dict[str, Any]]: ...

    def __call__(self, content: bytearray, form: str) -> Answer: ...


class App:
    """An ASGI application. Nothing that a request brings ends it."""

    def __init__(self, judges: Judges, door: Door, bounds: Bounds, say: Callable[[str], None]) -> None:
        self._judges, self._door, self._bounds, self._say = judges, door, bounds, say
        self.figures = Figures()
        self.line: Line[Answer] = Line(judges, bounds)
        self._told = json.dumps(
            {"nova_eval": __version__, "bounds": asdict(bounds), "benchmarks": judges.told()}, ensure_ascii=False
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started, request = time.monotonic(), Request(scope, receive)
        path = request.url.path if request.url.path in _METHODS else "other"
        try:
            response = await self._response(request, path)
        except Refused as refused:
            response = _error(refused.status, refused.problem, refused.wait)
        except NovaEvalError as error:
            response = _error(503 if isinstance(error, PrerequisiteError) else 400, str(error))
        except ClientDisconnect:
            self.figures.ended(path, _GONE)
            return
        except asyncio.CancelledError:  # the time in which what is at work may end is over
            response = _error(503, "the server ended before this was answered", 1)
        except Exception as error:
            self._say(f"a request failed: {brief(error)}")
            response = _error(500, brief(error))
        await response(scope, receive, send)
        scored = path == SCORE and response.status_code == 200
        self.figures.ended(path, response.status_code, time.monotonic() - started if scored else None)

    async def _response(self, request: Request, path: str) -> Response:
        if path == HEALTH and request.method == "GET":
            return self._health()
        if (refusal := self._door.refusal(request.headers)) is not None:
            raise Refused(*refusal)
        if path == "other":
            raise Refused(404, f"there is {', '.join(_METHODS)}")
        if request.method != _METHODS[path]:
            raise Refused(405, f"{path} takes {_METHODS[path]}")
        if path == SCORE:
            return await self._score(request)
        if path == BENCHMARKS:
            return Response(self._told, media_type="application/json")
        return Response(self.figures.text(self._now()), media_type="text/plain; version=0.0.4")

    def _health(self) -> Response:
        state = "ending" if self.line.closed else "ok"
        return Response(json.dumps({"status": state}), 200 if state == "ok" else 503, media_type="application/json")

    def _now(self) -> Mapping[str, tuple[float, str]]:
        return {
            "queue": (self.line.length, "Requests that wait or are at work."),
            "queue_limit": (self._bounds.queue, "Requests that may."),
            "held_bytes": (self.line.bytes, "Bytes that requests bring."),
            "at_work_seconds": (self.line.at_work_seconds, "Seconds that the judges look at the same sample."),
            "judges_replaced": (self._judges.replaced, "Processes of judges that hung or died."),
        }

    # --- scores -----------------------------------------------------------------------------------------------------

    async def _score(self, request: Request) -> Response:
        form, size = _form(request), _size(request, self._bounds.body_bytes)
        if self.line.closed:
            raise Refused(503, "the server is ending", 1)
        place = self.line.enter(size)
        content = await self._arrived(request, size, place)
        if place is None:
            raise Refused(429, f"{self.line.length} requests wait already", self._wait())
        if self.line.closed:
            self.line.leave(place)
            raise Refused(503, "the server is ending", 1)
        answer = await self._answered(request, self.line.submit(place, content, form))
        for state, number in answer.counts.items():
            self.figures.said(state, number)
        return Response(answer.content, media_type="application/json")

    async def _arrived(self, request: Request, size: int, place: Place | None) -> bytearray:
        """The body; nothing of it is kept for a request that has no place."""
        content = bytearray()
        try:
            async with asyncio.timeout(self._bounds.arrival_seconds):
                came = 0
                async for part in request.stream():
                    came += len(part)
                    if place is not None:
                        content += part
        except BaseException as error:
            if place is not None:
                self.line.leave(place)
            if isinstance(error, TimeoutError):
                raise Refused(408, f"{came:,} of {size:,} bytes came in {self._bounds.arrival_seconds:g} s") from error
            raise
        return content

    async def _answered(self, request: Request, work: Future[Answer]) -> Answer:
        """What the judges say, unless no turn comes or nobody waits for it any more."""
        waiting = asyncio.wrap_future(work)
        leaving = asyncio.ensure_future(_left(request))
        ends, first = (waiting, leaving), asyncio.FIRST_COMPLETED
        try:
            over, _ = await asyncio.wait(ends, timeout=self._bounds.seconds, return_when=first)
            if not over and not work.cancel():  # its turn has come, which has an end of its own
                await asyncio.wait(ends, return_when=first)
        finally:
            leaving.cancel()
            if not waiting.done():
                work.cancel()
                waiting.add_done_callback(_unheard)
        if waiting.done() and not waiting.cancelled():
            return waiting.result()
        if leaving.done() and not leaving.cancelled():
            raise ClientDisconnect
        if self.line.closed:
            raise Refused(503, "the server is ending", 1)
        raise Refused(503, f"no turn came within {self._bounds.seconds:g} s", self._wait())

    def _wait(self) -> int:
        """Seconds until a place is likely to be free: those of a request, at least one."""
        return max(1, min(_LONGEST_WAIT, math.ceil(self.figures.mean_seconds)))


def _form(request: Request) -> str:
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "packed bodies are not read")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _size(request: Request, most: int) -> int:
    said = request.headers.get("content-length", "")
    if not (said.isascii() and said.isdigit() and len(said) < 19):
        raise Refused(411, "the request does not say how many bytes it brings")
    if int(said) > most:
        raise Refused(413, f"{int(said):,} bytes are more than the {most:,} that are taken")
    return int(said)


async def _left(request: Request) -> None:
    """Returns when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _unheard(future: asyncio.Future[Answer]) -> None:
    with suppress(BaseException):
        future.result()


def _error(status: int, problem: str, wait: int | None = None) -> Response:
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (401, 403, 404, 405, 408, 411, 413, 415):
        headers["Connection"] = "close"  # the rest of what it brings is not read
    content = json.dumps({"error": printable(problem)}, ensure_ascii=False)
    return Response(content, status, headers, media_type="application/json")
