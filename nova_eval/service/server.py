"""The server itself: its address, connections that bring nothing, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nova_eval.errors import INTERRUPTED, PrerequisiteError
from nova_eval.service.app import App

HEAD_SECONDS = 10.0
"""Until the head of a request is there in full, counted from the connection or from the answer before it."""
_BACKLOG = 512


def listening(host: str, port: int) -> socket.socket:
    """A socket at the address, where clients may knock from now on. PrerequisiteError where it cannot be had."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, number)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
            found.listen(_BACKLOG)
        except BaseException:
            found.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise PrerequisiteError(
            f"cannot listen at {host}:{port} ({reason})", remedy="give another --port (0: any that is free) or --host"
        ) from error
    return found


def address(found: socket.socket) -> str:
    """As a client calls it."""
    host, port = found.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(app: App, found: socket.socket, bounds: Any, ready: Callable[[Server], None] = lambda server: None) -> bool:
    """Answers until SIGTERM or Ctrl-C; whether all that was at work then was answered. A second one ends at once."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=2 * bounds.connections,
        timeout_graceful_shutdown=max(1, round(bounds.drain_seconds)),
        backlog=_BACKLOG,
    )
    server = Server(config, app, bounds.connections)
    ready(server)
    server.run(sockets=[found])
    return server.all_answered


class Server(uvicorn.Server):
    """Ends as the product does, and keeps to a number of connections."""

    def __init__(self, config: uvicorn.Config, app: App, connections: int) -> None:
        super().__init__(config)
        self._app = app
        self.all_answered = True
        self.server_state = _State(connections)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.line.close()
        await super().shutdown(sockets)
        self.all_answered = self._app.line.length == 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._asked_to_end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked_to_end(self, number: int, frame: Any) -> None:
        if self.should_exit:
            os._exit(INTERRUPTED)
        self.should_exit = True


class _State(uvicorn.server.ServerState):
    """Connections that have brought no head of a request yet, the oldest first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.silent: dict[_Connection, None] = {}


class _Connection(H11Protocol):
    """One that brings no request in time is closed, and the longest silent one where there are too many."""

    server_state: _State
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        state = self.server_state
        if len(state.connections) >= state.most and state.silent:
            next(iter(state.silent)).abort()
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_is_there()

    def on_response_complete(self) -> None:
        self._await_head()
        super().on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(HEAD_SECONDS, self.abort)  # who does not read what it was sent holds nothing either

    def abort(self) -> None:
        """Closes it without waiting for anybody."""
        self._head_is_there()
        self.transport.abort()

    def _await_head(self) -> None:
        self._head_is_there()
        self.server_state.silent[self] = None
        self._late = self.loop.call_later(HEAD_SECONDS, self.abort)

    def _head_is_there(self) -> None:
        self.server_state.silent.pop(self, None)
        if self._late is not None:
            self._late.cancel()
            self._late = None
