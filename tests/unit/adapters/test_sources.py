"""Pinned files: verified wherever they come from, downloaded whole or not at all, no socket when offline."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from local_server import serving

from nova_eval import download
from nova_eval.adapters import load_benchmark, sources
from nova_eval.adapters.sources import fetch, load_sources, locate, verify
from nova_eval.config import facts_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.progress import Transfer

BODIES = {
    "suite": b'[{"prompt_en": "a cat", "dimension": ["scene"]}]',
    "labels": bytes(range(256)) * 300,
}
PINNED = tuple(
    sources.Source(
        "vbench", role, "owner/repo", "c0ffee" * 6 + "cafe", f"some folder/{role}.bin",
        hashlib.sha256(body).hexdigest(), len(body), 1, "MIT",
    )
    for role, body in BODIES.items()
)  # fmt: skip
SUITE, LABELS = PINNED
FACTS = facts_of("vbench")


@pytest.fixture(autouse=True)
def pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two small pinned files and an empty cache."""
    monkeypatch.setattr(sources, "load_sources", lambda facts: PINNED)
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path / "cache"))
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class Server:
    """Answers requests with the pinned bodies, or as ``answer`` says; keeps the paths it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Callable[[BaseHTTPRequestHandler, bytes], None] = whole


def whole(request: BaseHTTPRequestHandler, body: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    told = Server()

    def answer(request: BaseHTTPRequestHandler) -> None:
        told.asked.append(request.path)
        told.answer(request, BODIES["suite" if request.path.endswith("suite.bin") else "labels"])

    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    with serving(answer) as address:
        monkeypatch.setenv("NOVA_EVAL_PROMPTS_URL", f"{address}/")
        yield told


def put(folder: Path, source: sources.Source, body: bytes) -> Path:
    path = folder / source.place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def cache_files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "cache").rglob("*") if path.is_file())


class TestDownload:
    def test_fetch_brings_every_file_once(self, server, pinned):
        steps: list[Transfer] = []
        paths = fetch(FACTS, progress=steps.append)
        assert [path.read_bytes() for path in paths] == list(BODIES.values())
        assert paths[0] == pinned / "cache" / "prompts" / SUITE.place
        assert server.asked[0] == f"/owner/repo/{SUITE.commit}/some%20folder/suite.bin"
        assert [step.name for step in steps if step.state == "done"] == ["suite.bin", "labels.bin"]
        assert {(step.bytes, step.total) for step in steps if step.state == "done"} == {
            (s.bytes, s.bytes) for s in PINNED
        }
        assert fetch(FACTS) == paths
        assert len(server.asked) == 2
        assert cache_files(pinned) == ["labels.bin", "suite.bin"]

    def test_locate_downloads_what_is_missing(self, server):
        assert locate(SUITE).read_bytes() == BODIES["suite"]
        assert len(server.asked) == 1
        assert locate(SUITE, offline=True).read_bytes() == BODIES["suite"]
        assert len(server.asked) == 1

    def test_a_connection_that_breaks_half_way_is_tried_again(self, server, pinned):
        def torn(request: BaseHTTPRequestHandler, body: bytes) -> None:
            if len(server.asked) > 2:
                return whole(request, body)
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            return None

        server.answer = torn
        assert locate(LABELS).read_bytes() == BODIES["labels"]
        assert len(server.asked) == 3
        assert cache_files(pinned) == ["labels.bin"]

    def test_a_connection_that_always_breaks_leaves_nothing(self, server, pinned):
        def torn(request: BaseHTTPRequestHandler, body: bytes) -> None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[:10])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)

        server.answer = torn
        with pytest.raises(PrerequisiteError, match=r"cannot download http://127.*prompts fetch vbench"):
            locate(LABELS)
        assert cache_files(pinned) == []

    def test_no_more_is_read_than_the_pin_allows(self, server, pinned):
        seen: list[int] = []
        server.answer = lambda request, body: whole(request, b"x" * 5_000_000)
        with pytest.raises(PrerequisiteError, match="nothing was kept"):
            locate(SUITE, seen=lambda here, total: seen.append(here))
        assert max(seen) < 1_000_000

    def test_a_busy_server_is_tried_again(self, server):
        def busy(request: BaseHTTPRequestHandler, body: bytes) -> None:
            if len(server.asked) > 1:
                return whole(request, body)
            return request.send_error(503)

        server.answer = busy
        assert locate(SUITE).read_bytes() == BODIES["suite"]
        assert len(server.asked) == 2

    def test_not_found_is_said_at_once(self, server, pinned):
        server.answer = lambda request, body: request.send_error(404)
        with pytest.raises(PrerequisiteError, match=r"suite.bin \(HTTP 404\)"):
            fetch(FACTS)
        assert len(server.asked) == 1
        assert cache_files(pinned) == []

    @pytest.mark.parametrize("content", [b"<html>log in</html>", BODIES["suite"] + b"\n", b"", b"x" * 5_000_000])
    def test_other_content_is_refused_in_one_line_and_not_kept(self, server, pinned, content):
        server.answer = lambda request, body: whole(request, content)
        with pytest.raises(PrerequisiteError) as caught:
            locate(SUITE)
        line = str(caught.value)
        assert f"expected sha256 {SUITE.sha256}, found " in line
        assert "http://127.0.0.1" in line
        assert "nothing was kept" in line
        assert "\n" not in line
        assert cache_files(pinned) == []
        assert len(server.asked) == 1

    def test_no_server_is_a_prerequisite_with_the_remedy(self, server, monkeypatch):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            monkeypatch.setenv("NOVA_EVAL_PROMPTS_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
            with pytest.raises(PrerequisiteError, match=r"cannot download .*refused.*--mirror DIR"):
                locate(SUITE)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_an_unwritable_cache_is_named(self, server, pinned):
        (pinned / "cache").mkdir(mode=0o500)
        with pytest.raises(PrerequisiteError, match=r"cannot write .*set NOVA_EVAL_CACHE"):
            locate(SUITE)

    def test_a_cache_that_is_a_file_is_named(self, server, pinned):
        (pinned / "cache").write_text("")
        with pytest.raises(PrerequisiteError, match=r"cannot write .*set NOVA_EVAL_CACHE"):
            locate(SUITE)

    def test_several_may_fetch_at_once(self, server, pinned):
        found: list[bytes] = []
        threads = [threading.Thread(target=lambda: found.append(locate(LABELS).read_bytes())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [BODIES["labels"]] * 8
        assert cache_files(pinned) == ["labels.bin"]


@pytest.mark.usefixtures("no_network")
class TestOffline:
    def test_missing_everywhere_names_the_command(self, pinned):
        with pytest.raises(PrerequisiteError, match=r"owner/repo@c0ffeec:some folder/suite.bin is not in .*cache") as e:
            locate(SUITE, offline=True)
        assert "`python -m nova_eval prompts fetch vbench`" in str(e.value)
        with pytest.raises(PrerequisiteError):
            fetch(FACTS, offline=True)

    def test_the_mirror_comes_before_the_cache(self, pinned):
        in_cache = put(pinned / "cache" / "prompts", SUITE, BODIES["suite"])
        assert locate(SUITE, offline=True) == in_cache
        in_mirror = put(pinned / "mirror", SUITE, BODIES["suite"])
        assert locate(SUITE, mirror=pinned / "mirror", offline=True) == in_mirror

    def test_what_the_mirror_lacks_comes_from_the_cache(self, pinned):
        put(pinned / "mirror", SUITE, BODIES["suite"])
        in_cache = put(pinned / "cache" / "prompts", LABELS, BODIES["labels"])
        assert locate(LABELS, mirror=pinned / "mirror", offline=True) == in_cache

    def test_wrong_bytes_in_the_mirror_are_refused_and_left_alone(self, pinned):
        path = put(pinned / "mirror", SUITE, b"other")
        put(pinned / "cache" / "prompts", SUITE, BODIES["suite"])
        with pytest.raises(PrerequisiteError) as caught:
            locate(SUITE, mirror=pinned / "mirror", offline=True)
        assert str(path) in str(caught.value)
        assert hashlib.sha256(b"other").hexdigest() in str(caught.value)
        assert path.read_bytes() == b"other"

    def test_wrong_bytes_in_the_cache_are_refused_and_removed(self, pinned):
        path = put(pinned / "cache" / "prompts", SUITE, BODIES["suite"][:-1])
        with pytest.raises(PrerequisiteError, match=r"expected sha256 .*, found .*; it has been removed; run `python"):
            locate(SUITE, offline=True)
        assert not path.exists()

    def test_a_mirror_that_does_not_exist_is_said(self, pinned):
        with pytest.raises(PrerequisiteError, match=r"mirror folder .* does not exist"):
            locate(SUITE, mirror=pinned / "none", offline=True)

    def test_fetch_copies_from_a_mirror(self, pinned):
        for source in PINNED:
            put(pinned / "mirror", source, BODIES[source.role])
        put(pinned / "cache" / "prompts", SUITE, b"damaged")
        paths = fetch(FACTS, mirror=pinned / "mirror")
        assert [path.read_bytes() for path in paths] == list(BODIES.values())
        assert all(path.is_relative_to(pinned / "cache") for path in paths)

    def test_fetch_from_an_incomplete_mirror_names_the_file(self, pinned):
        put(pinned / "mirror", SUITE, BODIES["suite"])
        with pytest.raises(PrerequisiteError, match=r"does not hold owner/repo/c0ffee\w+/some folder/labels.bin"):
            fetch(FACTS, mirror=pinned / "mirror")

    def test_verify_reports_and_changes_nothing(self, pinned):
        put(pinned / "cache" / "prompts", SUITE, b"damaged")
        checks = verify(FACTS)
        assert [check.source for check in checks] == list(PINNED)
        assert "found " + hashlib.sha256(b"damaged").hexdigest() in checks[0].problem
        assert (checks[1].path, checks[1].problem) == (None, f"not in {pinned / 'cache' / 'prompts'}")
        assert cache_files(pinned) == ["suite.bin"]
        put(pinned / "mirror", SUITE, BODIES["suite"])
        assert verify(FACTS, mirror=pinned / "mirror")[0].problem == ""


def test_a_damaged_cache_heals_where_there_is_a_network(server, pinned):
    put(pinned / "cache" / "prompts", SUITE, b"damaged")
    assert locate(SUITE).read_bytes() == BODIES["suite"]


class TestPins:
    def test_every_pin_is_complete(self):
        pins = load_sources(FACTS)
        assert [pin.role for pin in pins] == ["suite", "rewritten", "labels"]
        for pin in pins:
            assert len(pin.commit) == 40
            assert len(pin.sha256) == 64
            assert pin.licence
            assert pin.url == f"https://raw.githubusercontent.com/{pin.repository}/{pin.commit}/{pin.path}"
            assert {field.name for field in dataclasses.fields(pin)} >= {"bytes", "entries"}

    def test_a_benchmark_without_pins_is_suggested(self):
        with pytest.raises(UsageError, match="unknown benchmark 'vbenc'; did you mean 'vbench'"):
            load_benchmark("vbenc")

    def test_the_mirror_holds_what_is_pinned(self, mirror):
        for pin in load_sources(FACTS):
            path = locate(pin, mirror=mirror, offline=True)
            assert path.stat().st_size == pin.bytes
