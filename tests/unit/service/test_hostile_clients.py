"""Who brings too much, too slowly, or what is none of the service's harms nobody: the next one is answered."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from serving import Echo, asked, connected, head, opened, said

from nova_eval.client import Client
from nova_eval.service import server
from nova_eval.service.app import App

FRAMES = np.ones((1, 4, 4, 3), np.uint8)
TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
def place(echo: Echo) -> Iterator[tuple[str, App]]:
    with opened(echo, queue=4, body_bytes=1 << 16, arrival_seconds=0.3, connections=8) as found:
        yield found


@pytest.fixture(autouse=True)
def nobody_is_harmed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "place" in request.fixturenames:
        address, app = request.getfixturevalue("place")
        assert Client(address).score(FRAMES, "after", benchmark="echo")["sum"] == FRAMES.sum()
        until(lambda: app.line.length == 0)


def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not become true")


def post(address: str, content: bytes, form: str = "application/json") -> tuple[int, str]:
    return asked(address, head(address, Content_Type=form, Content_Length=str(len(content))) + content)


def test_a_length_that_is_too_large_is_refused_before_anything_is_read(place: tuple[str, App]) -> None:
    address, _ = place
    for length, status in (("1048576", 413), ("1" * 18, 413), ("1" * 30, 400), ("-1", 400), ("0x9", 400)):
        assert asked(address, head(address, Content_Length=length))[0] in (status, status + 11)
    assert asked(address, head(address, Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n")[0] == 411
    assert asked(address, head(address, Content_Length="5", Content_Encoding="gzip") + b"hello")[0] == 415


def test_a_body_that_drips_is_given_up_and_its_place_is_free(place: tuple[str, App]) -> None:
    address, app = place
    with connected(address) as connection:
        connection.sendall(head(address, Content_Length="1000") + b"{")
        until(lambda: app.line.length == 1)
        assert said(connection)[0] == 408
    until(lambda: app.line.length == 0)
    assert app.line.bytes == 0


def test_a_client_that_leaves_while_it_waits_is_not_worked_for(place: tuple[str, App], echo: Echo) -> None:
    address, app = place
    echo.gate.clear()
    echo.begun.clear()
    request = json.dumps({"benchmark": "echo", "prompt": "wait", "media": "", "kind": "png"}).encode()
    later = request.replace(b"wait", b"late")
    first, second = connected(address), connected(address)
    first.sendall(head(address, Content_Type="application/json", Content_Length=str(len(request))) + request)
    until(echo.begun.is_set)
    second.sendall(head(address, Content_Type="application/json", Content_Length=str(len(later))) + later)
    until(lambda: app.line.length == 2)
    second.shutdown(socket.SHUT_WR)  # half of a connection is none
    until(lambda: app.line.length == 1)
    first.close()
    echo.gate.set()
    second.close()
    until(lambda: app.line.length == 0)
    assert "late" not in echo.asked


def test_a_full_line_refuses_and_says_when_to_come_again(place: tuple[str, App], echo: Echo) -> None:
    address, app = place
    echo.gate.clear()
    request = json.dumps({"benchmark": "echo", "prompt": "wait", "media": "", "kind": "png"}).encode()
    content = head(address, Content_Type="application/json", Content_Length=str(len(request))) + request
    waiting = [connected(address) for _ in range(4)]
    for connection in waiting:
        connection.sendall(content)
    until(lambda: app.line.length == 4)
    status, text = asked(address, content)
    assert status == 429
    assert "retry-after: 1" in text.lower()
    echo.gate.set()
    assert [said(connection)[0] for connection in waiting] == [200] * 4
    for connection in waiting:
        connection.close()


def test_silent_connections_make_room_for_others(place: tuple[str, App]) -> None:
    address, _ = place
    silent = [connected(address) for _ in range(20)]
    assert Client(address, attempts=1).score(FRAMES, "me", benchmark="echo").prompt == "me"
    for connection in silent:
        connection.close()


def test_a_head_that_does_not_end_closes_the_connection(
    place: tuple[str, App], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = place
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    with connected(address) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost:")
        assert said(connection)[0] == 0
    with connected(address) as connection:
        connection.sendall(b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * 10_000)
        assert said(connection)[0] in (0, 400)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"benchmark": "echo", "benchmark": "echo"}',
        b'{"benchmark": "echo", "prompt": "x", "media": "!!", "kind": "png"}',
        b'{"benchmark": "echo", "prompt": "x", "media": "", "kind": "../../x"}',
        b'{"benchmark": "echo", "prompt": "x", "media": "", "kind": "png", "path": "/etc/passwd"}',
        b'{"benchmark": "echo", "prompt": "x", "media": "/etc/passwd"}',
        b'{"benchmark": "echo", "media": "", "kind": "png"}',
        b'{"benchmark": "echo", "prompt": "x", "fps": NaN, "media": "", "kind": "png"}',
        b"\xff\xfe",
    ],
    ids=lambda content: content[:24].decode(errors="replace"),
)
def test_json_that_is_none_of_the_service_is_one_line(place: tuple[str, App], content: bytes) -> None:
    status, text = post(place[0], content)
    assert status == 400
    error = json.loads(text.partition("\r\n\r\n")[2])["error"]
    assert "\n" not in error
    assert len(error) < 500


@pytest.mark.parametrize(
    "target", ["/v1/../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//v1/score", "/v1/score/", "/v1%2fscore/../x"]
)
def test_paths_lead_nowhere(place: tuple[str, App], target: str) -> None:
    assert asked(place[0], head(place[0], target, "GET"))[0] == 404


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"PRI * HTTP/2.0\r\n\r\n"]
)
def test_what_is_no_request_is_refused(place: tuple[str, App], content: bytes) -> None:
    with connected(place[0]) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        assert said(connection)[0] in (0, 400, 403)


def test_an_error_of_a_judge_is_that_of_its_request(place: tuple[str, App]) -> None:
    request = json.dumps({"benchmark": "echo", "prompt": "fail", "media": "", "kind": "png"}).encode()
    status, text = post(place[0], request)
    assert (status, json.loads(text.partition("\r\n\r\n")[2])) == (500, {"error": "RuntimeError: boom second line"})


def test_pages_in_a_browser_cannot_ask_where_there_is_no_token(place: tuple[str, App]) -> None:
    address, _ = place
    rebound = head(address, "/v1/benchmarks", "GET", Host="evil.example")
    assert asked(address, rebound)[0] == 403
    assert asked(address, head(address, "/v1/benchmarks", "GET", Origin="http://evil.example"))[0] == 403
    assert asked(address, head(address, "/v1/benchmarks", "GET"))[0] == 200
    assert asked(address, head(address, method="GET"))[0] == 405


def test_without_the_token_nothing_but_health_is_said() -> None:
    echo = Echo()
    with opened(echo, TOKEN) as (address, app):
        for authorization in ("", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ü"):
            for path in ("/v1/score", "/v1/benchmarks", "/metrics", "/nothing"):
                told = {"Authorization": authorization} if authorization else {}
                status, text = asked(address, head(address, path, Content_Length="1000000000000", **told))
                assert status in (401, 400), text
                assert TOKEN not in text
        assert asked(address, head(address, "/healthz", "GET", Host="any"))[0] == 200
        assert app.line.length == 0
        assert echo.asked == []
        assert Client(address, TOKEN).score(FRAMES, "me", benchmark="echo").prompt == "me"
