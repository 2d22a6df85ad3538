"""Downloads from servers that drip, lie, or lead elsewhere: bounded in time, one line, nothing wrong is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_server import serving

from nova_eval import download as downloads
from nova_eval.download import TooSlow, Unreachable, download

BODY = bytes(range(256)) * 512  # 128 KiB
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(downloads, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(downloads, "SLOW_SECONDS", 0.3)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "x.part"


def head(request: BaseHTTPRequestHandler, status: int = 200, **headers: object) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()


def drip(request: BaseHTTPRequestHandler, data: bytes, seconds: float = 0.05) -> None:
    try:
        for byte in data:
            request.wfile.write(bytes([byte]))
            request.wfile.flush()
            time.sleep(seconds)
    except OSError:
        pass  # the client has gone, as it should


def drips_the_body(request: BaseHTTPRequestHandler) -> None:
    head(request, Content_Length=len(BODY))
    drip(request, BODY[:200])


def drips_the_head(request: BaseHTTPRequestHandler) -> None:
    drip(request, b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 200)


def drips_the_size_of_a_chunk(request: BaseHTTPRequestHandler) -> None:
    request.protocol_version = "HTTP/1.1"
    head(request, Transfer_Encoding="chunked")
    drip(request, b"0" * 200)


def says_nothing(request: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


class TestAServerThatDrips:
    @pytest.mark.parametrize("answer", [drips_the_body, drips_the_head, drips_the_size_of_a_chunk, says_nothing])
    def test_ends_in_one_line_after_a_bounded_time(self, answer: Answer, part: Path) -> None:
        began = time.monotonic()
        with (
            serving(answer) as address,
            pytest.raises(Unreachable, match=r"fewer than|nothing came|timed out") as caught,
        ):
            download(f"{address}/x", part, trusted=False)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - began < 30

    def test_is_asked_a_few_times_only_though_bytes_arrive(self, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def answer(request: BaseHTTPRequestHandler) -> None:
            asked.append(request.headers.get("Range", ""))
            drips_the_body(request)

        with serving(answer) as address, pytest.raises(Unreachable):
            download(f"{address}/x", part, trusted=True)
        assert len(asked) == downloads.ATTEMPTS

    def test_that_breaks_off_after_a_few_bytes_each_time_too(self, part: Path) -> None:
        asked = []

        def answer(request: BaseHTTPRequestHandler) -> None:
            asked.append(1)
            head(request, Content_Length=len(BODY))
            request.wfile.write(BODY[:10])

        with serving(answer) as address, pytest.raises(Unreachable, match="the connection ended after 10 of"):
            download(f"{address}/x", part, trusted=False)
        assert len(asked) == downloads.ATTEMPTS

    def test_a_slow_one_that_keeps_the_pace_is_waited_for(self, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            head(request, Content_Length=len(BODY))
            for start in range(0, len(BODY), 1 << 13):
                request.wfile.write(BODY[start : start + (1 << 13)])
                time.sleep(0.05)

        with serving(answer) as address:
            download(f"{address}/x", part, trusted=False)
        assert part.read_bytes() == BODY

    def test_the_pace_is_of_a_whole_stretch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        monkeypatch.setattr(downloads, "SLOW_SECONDS", 60.0)
        monkeypatch.setattr(downloads.time, "monotonic", lambda: now[0])
        pace = downloads._Pace(0)
        now[0] = 59.0
        pace.check(1)
        now[0] = 61.0
        pace.check(100_000)
        now[0] = 122.0
        with pytest.raises(TooSlow):
            pace.check(100_500)


class TestAServerThatLies:
    @pytest.mark.parametrize(
        "content_range",
        ["bytes 5000-131071/131072", "bytes 100-50/131072", "bytes */131072", "bytes", "", "words 1-2/3"],
    )
    def test_about_the_part_it_sends(self, content_range: str, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            if request.headers.get("Range"):
                head(request, 206, Content_Length=100, Content_Range=content_range, ETag='"v"')
                request.wfile.write(b"?" * 100)
                return
            head(request, Content_Length=len(BODY), ETag='"v"')
            request.wfile.write(BODY[: 90_000 if first.pop() else len(BODY)])

        first = [False, True]
        with serving(answer) as address:
            download(f"{address}/x", part, trusted=False)
        assert part.read_bytes() == BODY

    def test_about_the_version_it_sends(self, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            if request.headers.get("Range"):  # of another version, whatever If-Range says
                head(request, 206, Content_Length=41_072, Content_Range="bytes 90000-131071/131072", ETag='"two"')
                request.wfile.write(b"?" * 41_072)
                return
            head(request, Content_Length=len(BODY), ETag='"one"')
            request.wfile.write(BODY[: 90_000 if first.pop() else len(BODY)])

        first = [False, True]
        with serving(answer) as address:
            download(f"{address}/x", part, trusted=True)
        assert part.read_bytes() == BODY

    def test_that_sends_a_part_of_what_nobody_asked_for_in_parts(self, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            head(request, 206, Content_Length=10, Content_Range="bytes 100-109/131072")
            request.wfile.write(b"?" * 10)

        with serving(answer) as address, pytest.raises(Unreachable, match="another part"):
            download(f"{address}/x", part, trusted=True)
        assert not part.exists()

    def test_that_sends_a_shorter_part_than_the_rest(self, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            start = int(request.headers.get("Range", "bytes=0-")[6:-1])
            stop = min(start + 70_000, len(BODY))
            head(
                request,
                206,
                Content_Length=stop - start,
                Content_Range=f"bytes {start}-{stop - 1}/{len(BODY)}",
                ETag="1",
            )
            request.wfile.write(BODY[start:stop])

        with serving(answer) as address:
            download(f"{address}/x", part, trusted=False)
        assert part.read_bytes() == BODY

    @pytest.mark.parametrize("encoding", ["gzip", "br"])
    def test_that_packs_what_it_sends(self, encoding: str, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            head(request, Content_Length=3, Content_Encoding=encoding)
            request.wfile.write(b"abc")

        with serving(answer) as address, pytest.raises(Unreachable, match=f"encoding '{encoding}'"):
            download(f"{address}/x", part, trusted=False)

    @pytest.mark.parametrize("status", [204, 205, 304])
    def test_with_an_answer_that_is_no_file(self, status: int, part: Path) -> None:
        with serving(lambda request: head(request, status)) as address, pytest.raises(Unreachable, match=str(status)):
            download(f"{address}/x", part, trusted=False)


class TestAServerThatLeadsElsewhere:
    @pytest.mark.parametrize(
        "target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,abc", "gopher://x/"]
    )
    def test_to_other_schemes_is_not_followed(self, target: str, part: Path) -> None:
        with (
            serving(lambda request: head(request, 302, Location=target)) as address,
            pytest.raises(Unreachable, match=r"not followed|not allowed|cannot download") as caught,
        ):
            download(f"{address}/x", part, trusted=False)
        assert "\n" not in str(caught.value)
        assert not part.exists()

    def test_to_another_address_is_followed(self, part: Path) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            if request.path == "/x":
                head(request, 302, Location="/y")
                return
            head(request, Content_Length=len(BODY))
            request.wfile.write(BODY)

        with serving(answer) as address:
            download(f"{address}/x", part, trusted=False)
        assert part.read_bytes() == BODY

    def test_in_a_circle_ends(self, part: Path) -> None:
        with (
            serving(lambda request: head(request, 302, Location="/x")) as address,
            pytest.raises(Unreachable, match="HTTP 302"),
        ):
            download(f"{address}/x", part, trusted=False)

    @pytest.mark.parametrize("address", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,abc", "/etc/hostname"])
    def test_only_web_addresses_are_opened(self, address: str, part: Path) -> None:
        with pytest.raises(Unreachable, match="no http or https address"):
            download(address, part, trusted=False)
        assert not part.exists()
