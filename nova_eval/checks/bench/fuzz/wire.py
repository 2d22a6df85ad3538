"""Readers of what comes over HTTP: requests to a server of scores, its answers, those of a generator behind a server.

Answers are sent by a server of this process, byte for byte, and read by the clients themselves.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from math import isfinite
from pathlib import Path

import numpy as np

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.client import Client
from nova_eval.protocols import Frames
from nova_eval.records import Prompt
from nova_eval.samplers.http import HttpSampler
from nova_eval.service import body
from nova_eval.service.scoring import Offer, Scores

_SHAPE = (3, 16, 16, 3)
_TOLD = {"prompt": "a red circle", "tag": "colors", "include": [{"class": "circle", "count": 1, "color": "red"}]}
_MADE = Prompt("x/0", "a cat")


def readers() -> Iterator[Reader]:
    yield from _requests()
    yield from _answers()
    yield from _generators()


# --- requests to a server -------------------------------------------------------------------------------------------


def _requests() -> Iterator[Reader]:
    yield Reader("request in json", "body", "json", _always(*_bodies()), partial(_request, body.JSON))
    yield Reader("request in safetensors", "body", "bytes", _always(_tensors()), partial(_request, body.TENSORS))
    yield Reader("header of safetensors", "header", "json", _always(_split(_tensors())[0]), _headed)
    yield Reader("request in a header", "request", "json", _always(*_asked_texts()), _in_header)
    yield Reader("request that is scored", "body", "json", _always(*_bodies()), _scored, 0.3)
    yield Reader("picture in a request", "x.png", "bytes", _always(_picture()), partial(_file_scored, "png"), 0.3)
    yield Reader("clip in a request", "x.mp4", "bytes", _always(_clip()), partial(_file_scored, "mp4"), 0.3)


def _request(form: str, path: Path) -> object:
    asked, sent = body.read(bytearray(path.read_bytes()), form)
    if isinstance(sent, np.ndarray):
        assert sent.dtype == np.uint8
        assert (sent.ndim, sent.shape[-1]) == (4, 3)
    return asked.told


def _headed(path: Path) -> object:
    header = path.read_bytes()
    path.write_bytes(len(header).to_bytes(8, "little") + header + _split(_tensors())[1])
    return _request(body.TENSORS, path)


def _in_header(path: Path) -> object:
    header = json.loads(_split(_tensors())[0])
    header["__metadata__"]["request"] = path.read_bytes().decode("utf-8", "surrogateescape")
    path.write_bytes(json.dumps(header).encode())
    return _headed(path)


def _scored(path: Path) -> object:
    answer = json.loads(_scores()(bytearray(path.read_bytes()), body.JSON, path.parent).content)
    _hold_rows((row["value"], row["reason"]) for row in answer["rows"])
    return answer


def _file_scored(kind: body.Kind, path: Path) -> object:
    asked = _asked() if kind == "png" else body.Asked(benchmark="vbench", prompt="a cat", metrics=("imaging_quality",))
    path.write_bytes(body.of_file(asked, body.File(path.read_bytes(), kind)))
    return _scored(path)


@cache
def _scores() -> Scores:
    return Scores(Offer(("geneval", "vbench"), "sprites"))


def _asked() -> body.Asked:
    return body.Asked(benchmark="geneval", prompt=_TOLD)


def _bodies() -> list[bytes]:
    suite = load_benchmark("geneval").suite("sprites").prompts[0]
    asked = (_asked(), body.Asked(benchmark="geneval", suite_prompt=suite, scoring="official"))
    return [body.of_file(one, body.File(_picture(), "png")) for one in asked]


def _tensors() -> bytes:
    return body.of_frames(body.Asked(benchmark="vbench", prompt="a cat", metrics=("color",), fps=8.0), _frames())


def _asked_texts() -> list[bytes]:
    return [json.loads(_split(_tensors())[0])["__metadata__"]["request"].encode()]


def _split(tensors: bytes) -> tuple[bytes, bytes]:
    """The header of a file of safetensors, and what follows it."""
    end = 8 + int.from_bytes(tensors[:8], "little")
    return tensors[8:end], tensors[end:]


# --- answers of a server of scores ----------------------------------------------------------------------------------


def _answers() -> Iterator[Reader]:
    yield Reader("answer with scores", "answer", "json", _always(_answer()), partial(_client, "/v1/score"), 0.5)
    yield Reader("answer with bounds", "answer", "json", _always(_hello()), partial(_client, "/v1/benchmarks"), 0.5)
    yield Reader("answer that refuses", "answer", "json", _always(b'{"error": "no"}'), _refused, 0.5, whole=False)
    made = _always(_response(_answer()))
    yield Reader("bytes of an answer with scores", "bytes", "bytes", made, _client_of_bytes, 0.5)


def _client(place: str, path: Path) -> object:
    return _heard({place: _response(path.read_bytes())})


def _client_of_bytes(path: Path) -> object:
    return _heard({"/v1/score": path.read_bytes()})


def _refused(path: Path) -> object:
    return _heard({"/v1/score": _response(path.read_bytes(), "400 Bad Request")})


def _heard(responses: Mapping[str, bytes]) -> object:
    server = _server()
    server.responses = {"/v1/benchmarks": _response(_hello()), "/v1/score": _response(_answer()), **responses}
    client = Client(server.address, attempts=1, seconds=5.0)
    found = client.score(_frames(), "a cat", benchmark="vbench", fps=8)
    _hold_rows((row.value, row.reason) for row in found.rows)
    client.benchmarks()
    return found


def _hold_rows(rows: Iterable[tuple[float | None, str]]) -> None:
    """A value is a finite number; where there is none a reason says why."""
    for value, reason in rows:
        assert reason if value is None else isfinite(value)


def _answer() -> bytes:
    row = {"metric": "color", "value": 0.5, "weight": 1.0, "reason": "", "detail": {"found": ["red"]}}
    absent = {**row, "metric": "scene", "value": None, "reason": "weights are missing"}
    scorers = {"color": {"version": "1", "judge": "sprites", "digest": "0123abcd"}}
    told = {"nova_eval": "0", "benchmark": "vbench", "scoring": "official", "prompt": "x"}
    return json.dumps({**told, "rows": [row, absent], "scorers": scorers}).encode()


def _hello() -> bytes:
    told = {"nova_eval": "0", "bounds": {"body_bytes": 1 << 20, "queue": 4}, "benchmarks": [{"name": "vbench"}]}
    return json.dumps(told).encode()


# --- answers of a generator -----------------------------------------------------------------------------------------

_IMAGES, _VIDEOS = "/v1/images/generations", "/v1/videos"


def _generators() -> Iterator[Reader]:
    yield Reader("answer with an image", "answer", "json", _always(_image(_picture())), _image_answer, 0.5)
    yield Reader("image of a generator", "x.png", "bytes", _always(_picture()), _image_file, 0.5)
    made = _always(_response(_image(_picture())))
    yield Reader("bytes of an answer with an image", "bytes", "bytes", made, _image_bytes, 0.5)
    yield Reader("answer about a clip", "answer", "json", _always(_job()), _clip_answer, 0.5)
    yield Reader("clip of a generator", "x.mp4", "bytes", _always(_clip()), _clip_file, 0.3)
    yield Reader("error of a generator", "answer", "json", _always(*_errors()), _generator_error, 0.5, whole=False)


def _image_answer(path: Path) -> object:
    return _generated({_IMAGES: _response(path.read_bytes())}, frames=1)


def _image_file(path: Path) -> object:
    return _generated({_IMAGES: _response(_image(path.read_bytes()))}, frames=1)


def _image_bytes(path: Path) -> object:
    return _generated({_IMAGES: path.read_bytes()}, frames=1)


def _clip_answer(path: Path) -> object:
    return _generated({_VIDEOS: _response(path.read_bytes())})


def _clip_file(path: Path) -> object:
    return _generated({f"{_VIDEOS}/a/content": _response(path.read_bytes(), form="video/mp4")})


def _generator_error(path: Path) -> object:
    return _generated({_IMAGES: _response(path.read_bytes(), "400 Bad Request")}, frames=1)


def _generated(responses: Mapping[str, bytes], frames: int | None = None) -> Frames:
    server = _server()
    server.responses = {
        _VIDEOS: _response(_job()),
        f"{_VIDEOS}/a/content": _response(_clip(), form="video/mp4"),
        **responses,
    }
    sampler = HttpSampler(  # which looks once whether the clip is made
        server.address, model="m", frames=frames, size="16x16", fps=8.0, attempts=1, timeout=30.0, poll=60.0
    )
    [made] = sampler.sample([_MADE], [7])
    assert made.dtype == np.uint8
    assert made.shape[1:] == _SHAPE[1:]
    return made


def _image(picture: bytes) -> bytes:
    return json.dumps({"created": 1, "data": [{"b64_json": b64encode(picture).decode()}]}).encode()


def _job() -> bytes:
    return json.dumps({"id": "a", "object": "video", "status": "completed", "error": None}).encode()


def _errors() -> tuple[bytes, bytes]:
    return b'{"error": {"message": "no such words", "code": "moderation"}}', b'{"detail": "no"}'


# --- what is sent ---------------------------------------------------------------------------------------------------


@cache
def _frames() -> Frames:
    return np.random.default_rng(0).integers(0, 256, _SHAPE, np.uint8)


@cache
def _picture() -> bytes:
    return media.encode_image(_frames()[0])


@cache
def _clip() -> bytes:
    return media.encode_video(_frames(), 8.0, "h264-lossless")


def _response(content: bytes, status: str = "200 OK", form: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {form}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


class _Server(threading.Thread):
    """Sends for each path what is set for it, whatever it is, and closes the connection."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.responses: Mapping[str, bytes] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection, suppress(OSError, ValueError, IndexError):
                connection.settimeout(5.0)
                connection.sendall(self.responses.get(_path(connection), _response(b"{}", "404 Not Found")))


def _path(connection: socket.socket) -> str:
    """What a request asks for, once it is there in full."""
    came = b""
    while b"\r\n\r\n" not in came:
        if not (part := connection.recv(1 << 16)):
            raise ValueError("it broke off")
        came += part
    head, _, content = came.partition(b"\r\n\r\n")
    said = re.search(rb"(?i)content-length: (\d+)", head)
    left = (int(said[1]) if said else 0) - len(content)
    while left > 0 and (part := connection.recv(1 << 16)):
        left -= len(part)
    return head.split()[1].decode()


@cache
def _server() -> _Server:
    server = _Server()
    server.start()
    return server


def _always(*contents: bytes) -> Callable[[Path], Iterable[bytes]]:
    return lambda folder: contents
