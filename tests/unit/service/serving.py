"""A server of this process, for as long as a test wants it, and judges that say what they were asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from nova_eval.service import body, server
from nova_eval.service.app import App
from nova_eval.service.bounds import Bounds
from nova_eval.service.door import Door
from nova_eval.service.scoring import Answer, Scores


class Echo:
    """Answers with the prompt and the sum of the pixels; ``wait`` takes until the gate is opened, ``fail`` fails."""

    replaced = 0

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.asked: list[str] = []

    def told(self) -> list[dict[str, Any]]:
        return [{"name": "echo"}]

    def __call__(self, content: bytearray, form: str) -> Answer:
        asked, sent = body.read(content, form)
        prompt = str(asked.told)
        self.asked.append(prompt)
        self.begun.set()
        if prompt.startswith("wait"):
            assert self.gate.wait(10)
        if prompt == "fail":
            raise RuntimeError("boom\nsecond line")
        total = 0.0 if isinstance(sent, body.File) else float(sent.sum())
        row = {"metric": "sum", "value": total, "weight": 1.0, "reason": "", "detail": {}}
        told = {"nova_eval": "0", "benchmark": asked.benchmark, "scoring": "official", "prompt": prompt}
        return Answer(json.dumps({**told, "rows": [row], "scorers": {}}).encode(), {"scored": 1})


class Here(NamedTuple):
    """Judges in this process, which is enough for those that behave."""

    scores: Scores
    folder: Path
    replaced: int = 0

    def told(self) -> list[dict[str, Any]]:
        return self.scores.told()

    def __call__(self, content: bytearray, form: str) -> Answer:
        return self.scores(content, form, self.folder)


@contextmanager
def opened(scores: Any, token: str = "", said: list[str] | None = None, **bounds: Any) -> Iterator[tuple[str, App]]:
    """The address and the application."""
    held = Bounds(**bounds)
    app = App(scores, Door(token), held, (said if said is not None else []).append)
    ready: list[server.Server] = []
    with server.listening("127.0.0.1", 0) as found:
        address = server.address(found)
        thread = threading.Thread(target=server.serve, args=(app, found, held, ready.append))
        thread.start()
        try:
            yield address, app
        finally:
            if isinstance(scores, Echo):
                scores.gate.set()
            ready[0].should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def head(address: str, path: str = "/v1/score", method: str = "POST", **headers: str) -> bytes:
    """The head of a request, under this machine's name unless another ``Host`` is given."""
    told = {"Host": address.removeprefix("http://"), **{name.replace("_", "-"): text for name, text in headers.items()}}
    lines = "".join(f"{name}: {text}\r\n" for name, text in told.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def said(connection: socket.socket) -> tuple[int, str]:
    """The status and the rest of an answer; (0, "") where the connection was closed without one."""
    content = b""
    while True:
        try:
            part = connection.recv(1 << 16)
        except ConnectionResetError:
            part = b""
        content += part
        start, end, rest = content.partition(b"\r\n\r\n")
        length = next((int(x[16:]) for x in start.lower().split(b"\r\n") if x.startswith(b"content-length: ")), None)
        if not part or (end and length is not None and len(rest) >= length):
            break
    return (int(content[9:12]), content.decode(errors="replace")) if content else (0, "")


def asked(address: str, request: bytes) -> tuple[int, str]:
    """What is said to one request."""
    with connected(address) as connection:
        connection.sendall(request)
        return said(connection)
