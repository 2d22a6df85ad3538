"""Weight files: found, fetched whole or not at all, checked, opened without running anything, applied by name."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
import warnings
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from local_server import serving

from nova_eval import download, weights
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.progress import Transfer
from nova_eval.weights import catalogue, fetching

BODY = bytes(range(256)) * 4096  # 1 MiB
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Server:
    """What the local server answers, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    drop_after: list[int] = field(default_factory=list)  # bytes sent before each coming answer breaks off
    status: int = 200
    tag: str = '"v1"'
    announce: bool = True  # Content-Length
    requests: list[tuple[str, str]] = field(default_factory=list)  # path, Range
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        state.requests.append((request.path, asked))
        body = state.files.get(request.path.lstrip("/"))
        if body is None or state.status != 200:
            request.send_error(404 if body is None else state.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if request.headers.get("If-Range", state.tag) != state.tag:
            start = 0
        if start > len(body):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if state.announce:
            request.send_header("Content-Length", str(len(body) - start))
        if state.tag:
            request.send_header("ETag", state.tag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        rest = body[start:]
        if state.drop_after:
            rest = rest[: state.drop_after.pop(0)]
        request.wfile.write(rest)

    with serving(answer) as state.address:
        yield state


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
    for name in ("NOVA_EVAL_WEIGHTS", "NOVA_EVAL_WEIGHTS_URL", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    return tmp_path / "weights"


@pytest.fixture
def one(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> weights.WeightFile:
    """The catalogue holds one entry, served by the local server."""
    return catalogue_of(monkeypatch, server)["tiny"]


def catalogue_of(monkeypatch: pytest.MonkeyPatch, server: Server, **changes: Any) -> dict[str, weights.WeightFile]:
    facts: dict[str, Any] = {
        "file": "tiny.pth",
        "urls": (f"{server.address}/tiny.pth",),
        "bytes": len(BODY),
        "licence": "MIT",
        "origin": "nobody/nothing",
        "wrapping": "file",
        "used_by": ("a_judge",),
    }
    table = {"tiny": weights.WeightFile(name="tiny", **{**facts, **changes})}
    monkeypatch.setattr(catalogue, "entries", lambda: table)
    monkeypatch.setattr(fetching, "entries", lambda: table)
    return table


def left_over(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*") if not path.name.startswith("."))


class TestTheCatalogue:
    def test_every_entry_says_where_from_how_large_and_under_which_licence(self) -> None:
        for row in weights.entries().values():
            assert row.urls
            assert all(url.startswith("https://") for url in row.urls)
            assert row.bytes > 0
            assert row.licence
            assert row.origin
            assert row.wrapping in {"plain", "torchscript", "file"} or row.wrapping.startswith(("in:", "maybe:"))
            assert row.used_by
            assert len(row.sha256) in (0, 8, 64)

    def test_openai_urls_carry_the_checksum(self) -> None:
        for name in ("clip_vit_b32", "clip_vit_l14"):
            row = weights.entry(name)
            assert row.urls[0].split("/")[-2] == row.sha256

    def test_an_unknown_name_suggests_the_nearest(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'musiq_spaq'"):
            weights.entry("musiq-spaq")

    def test_files_are_chosen_by_their_judge_too(self) -> None:
        assert [row.name for row in fetching.select(["laion_aesthetic"])] == ["clip_vit_l14", "laion_aesthetic_head"]

    def test_no_name_means_all(self) -> None:
        assert len(fetching.select([])) == len(weights.entries())


class TestAFileIsLocated:
    def test_absent_weights_name_the_command_that_brings_them(self, one: weights.WeightFile) -> None:
        with pytest.raises(PrerequisiteError, match="weights tiny are missing; python -m nova_eval weights fetch tiny"):
            weights.locate("tiny")

    def test_a_folder_of_files_placed_by_hand_comes_first(
        self, one: weights.WeightFile, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache.mkdir()
        (cache / "tiny.pth").write_bytes(b"cached")
        own = tmp_path / "own"
        own.mkdir()
        (own / "tiny.pth").write_bytes(b"own")
        assert weights.locate("tiny") == cache / "tiny.pth"
        monkeypatch.setenv("NOVA_EVAL_WEIGHTS", str(own))
        assert weights.locate("tiny") == own / "tiny.pth"

    def test_it_is_fetched_only_when_that_is_allowed(self, one: weights.WeightFile, server: Server) -> None:
        server.files["tiny.pth"] = BODY
        with pytest.raises(PrerequisiteError):
            weights.locate("tiny")
        with pytest.raises(PrerequisiteError, match="offline was asked for"):
            weights.fetch(["tiny"], offline=True)
        assert not server.requests
        (path,) = weights.fetch(["tiny"])
        assert weights.locate("tiny") == path
        assert path.read_bytes() == BODY

    def test_a_digest_is_read_once_and_follows_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"one")
        first = weights.digest(path)
        assert first == hashlib.sha256(b"one").hexdigest()
        catalogue._digest.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(catalogue, "file_digest", lambda path: pytest.fail("read again"))
            assert weights.digest(path) == first
        path.write_bytes(b"other bytes")
        assert weights.digest(path) == hashlib.sha256(b"other bytes").hexdigest()

    def test_a_damaged_note_of_the_digest_is_ignored(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"one")
        (tmp_path / ".file.sha256.json").write_text("{torn")
        assert weights.digest(path) == hashlib.sha256(b"one").hexdigest()


class TestADownloadIsWholeOrAbsent:
    def test_fetched_checked_pinned_and_not_fetched_again(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = BODY
        steps: list[Transfer] = []
        assert weights.fetch(["tiny"], progress=steps.append) == [cache / "tiny.pth"]
        assert json.loads((cache / "lock.json").read_text())["tiny"]["sha256"] == SHA
        assert left_over(cache) == ["lock.json", "tiny.pth"]
        assert (steps[-1].state, steps[-1].bytes) == ("done", len(BODY))
        assert any(step.state == "fetching" and step.total == len(BODY) for step in steps)
        weights.fetch(["tiny"], progress=steps.append)
        assert steps[-1].state == "present"
        assert len(server.requests) == 1

    def test_a_broken_connection_goes_on_where_it_stopped(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = BODY
        server.drop_after = [300_000, 200_000]
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY
        assert [asked for _, asked in server.requests] == ["", "bytes=300000-", "bytes=500000-"]

    def test_the_next_call_goes_on_where_the_last_gave_up(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["tiny.pth"] = BODY
        server.drop_after = [300_000] + [0] * download.ATTEMPTS
        with pytest.raises(PrerequisiteError, match="the connection ended after 300,000 of 1,048,576 bytes"):
            weights.fetch(["tiny"])
        assert weights.find("tiny") is None
        assert left_over(cache) == []
        weights.fetch(["tiny"])
        assert server.requests[-1][1] == "bytes=300000-"
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_two_versions_of_a_file_are_never_joined(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = bytes(len(BODY))
        server.drop_after = [300_000] + [0] * download.ATTEMPTS
        with pytest.raises(PrerequisiteError):
            weights.fetch(["tiny"])
        server.files["tiny.pth"], server.tag = BODY, '"v2"'
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_without_a_version_or_a_checksum_it_starts_again(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"], server.tag = BODY, ""
        server.drop_after = [300_000]
        weights.fetch(["tiny"])
        assert [asked for _, asked in server.requests] == ["", ""]
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_a_checksum_allows_going_on_without_a_version(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, sha256=SHA)
        server.files["tiny.pth"], server.tag = BODY, ""
        server.drop_after = [300_000]
        weights.fetch(["tiny"])
        assert server.requests[-1][1] == "bytes=300000-"
        assert (cache / "tiny.pth").read_bytes() == BODY

    @pytest.mark.parametrize("sha256", [SHA, SHA[:8]])
    def test_other_bytes_than_the_publishers_are_refused_and_not_kept(
        self, sha256: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, sha256=sha256)
        server.files["tiny.pth"] = BODY[:-1] + b"?"
        with pytest.raises(PrerequisiteError, match=r"is not the pinned .* \(publisher\); nothing was kept") as caught:
            weights.fetch(["tiny"])
        assert "\n" not in str(caught.value)
        assert [path for path in cache.glob("*tiny*") if path.suffix != ".lock"] == []

    def test_truncated_content_that_claims_to_be_whole_is_refused(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, sha256=SHA)
        server.files["tiny.pth"] = BODY[:1000]
        with pytest.raises(PrerequisiteError, match="nothing was kept"):
            weights.fetch(["tiny"])
        assert weights.find("tiny") is None

    def test_the_first_fetch_pins_what_comes_later(self, one: weights.WeightFile, server: Server, cache: Path) -> None:
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        (cache / "tiny.pth").unlink()
        server.files["tiny.pth"] = b"changed upstream"
        with pytest.raises(PrerequisiteError, match="first fetch"):
            weights.fetch(["tiny"])
        assert weights.find("tiny") is None

    def test_a_web_page_in_the_files_place_is_refused(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = b"\n<!DOCTYPE html><title>Sign in</title>"
        with pytest.raises(PrerequisiteError, match="the answer is a web page; nothing was kept"):
            weights.fetch(["tiny"])
        assert not (cache / "lock.json").exists()

    def test_an_empty_answer_is_refused(self, one: weights.WeightFile, server: Server) -> None:
        server.files["tiny.pth"] = b""
        with pytest.raises(PrerequisiteError, match="the file is empty"):
            weights.fetch(["tiny"])

    def test_no_network_is_one_line_with_a_remedy(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=("http://127.0.0.1:1/tiny.pth",))
        with pytest.raises(PrerequisiteError, match=r"cannot download .*refused.*NOVA_EVAL_WEIGHTS") as caught:
            weights.fetch(["tiny"])
        assert "\n" not in str(caught.value)

    def test_a_missing_file_is_not_asked_for_twice_a_busy_server_is(
        self, one: weights.WeightFile, server: Server
    ) -> None:
        with pytest.raises(PrerequisiteError, match="HTTP 404"):
            weights.fetch(["tiny"])
        assert len(server.requests) == 1
        server.files["tiny.pth"], server.status = BODY, 503
        with pytest.raises(PrerequisiteError, match="HTTP 503"):
            weights.fetch(["tiny"])
        assert len(server.requests) == 1 + download.ATTEMPTS

    def test_a_disk_without_room_is_noticed_before_the_download(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["tiny.pth"] = BODY
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 1000))
        with pytest.raises(PrerequisiteError, match=r"No space left on device.*NOVA_EVAL_CACHE"):
            weights.fetch(["tiny"])
        assert left_over(cache) == []

    def test_a_disk_that_fills_up_keeps_what_arrived_for_the_next_call(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["tiny.pth"] = BODY
        server.drop_after = [300_000]

        def full(handle: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(download.os, "fsync", full)
            with pytest.raises(PrerequisiteError, match=r"cannot write .*No space left on device"):
                weights.fetch(["tiny"])
        assert weights.find("tiny") is None
        weights.fetch(["tiny"])
        assert server.requests[-1][1] == "bytes=300000-"
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_a_write_that_the_system_refuses_keeps_what_arrived_too(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        resource = pytest.importorskip("resource")
        server.files["tiny.pth"] = BODY
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
        try:
            with pytest.raises(PrerequisiteError, match=r"cannot write .*NOVA_EVAL_CACHE") as caught:
                weights.fetch(["tiny"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "\n" not in str(caught.value)
        assert weights.find("tiny") is None
        assert left_over(cache) == []
        weights.fetch(["tiny"])
        assert server.requests[-1][1].startswith("bytes=")
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_half_an_archive_from_a_server_that_announces_no_length_is_refused(
        self, one: weights.WeightFile, server: Server, cache: Path, tmp_path: Path
    ) -> None:
        with zipfile.ZipFile(tmp_path / "x", "w") as archive:
            archive.writestr("archive/data", BODY)
        server.files["tiny.pth"], server.announce = (tmp_path / "x").read_bytes(), False
        server.drop_after = [300_000]
        with pytest.raises(PrerequisiteError, match="the archive is cut off; nothing was kept"):
            weights.fetch(["tiny"])
        assert left_over(cache) == []
        weights.fetch(["tiny"])
        assert zipfile.is_zipfile(cache / "tiny.pth")

    def test_a_disk_that_fills_up_while_unpacking_leaves_no_half_file(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/all.zip#tiny.pth",))
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("tiny.pth", BODY)
        server.files["all.zip"] = (tmp_path / "all.zip").read_bytes()

        def full(source: Any, target: Any, length: int = 0) -> None:
            target.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(fetching.shutil, "copyfileobj", full)
            with pytest.raises(PrerequisiteError, match="No space left on device"):
                weights.fetch(["tiny"])
        assert not list(cache.glob("*.member"))
        assert not list(cache.glob(".*.member"))
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_half_a_copy_from_a_mirror_is_not_gone_on_with(
        self, one: weights.WeightFile, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["tiny.pth"] = BODY
        server.drop_after = [300_000] + [0] * download.ATTEMPTS
        with pytest.raises(PrerequisiteError):
            weights.fetch(["tiny"])  # leaves the server's word on which version this is the beginning of
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "tiny.pth").write_bytes(bytes(len(BODY)))

        def full(source: str, target: Path) -> None:
            target.write_bytes(bytes(1000))
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(fetching.shutil, "copyfile", full)
            with pytest.raises(PrerequisiteError, match="No space left"):
                weights.fetch(["tiny"], mirror=str(tmp_path / "mirror"))
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_offline_opens_no_socket(self, one: weights.WeightFile, server: Server) -> None:
        with pytest.raises(PrerequisiteError, match="offline"):
            weights.fetch(["tiny"], offline=True)
        assert not server.requests

    def test_several_failures_are_one_line_and_the_others_are_kept(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = catalogue_of(monkeypatch, server)["tiny"]
        table = {
            name: weights.WeightFile(name, f"{name}.pth", (f"{server.address}/{name}",), 1, "MIT", "o", "file", ())
            for name in ("a", "b", "c")
        } | {"tiny": row}
        monkeypatch.setattr(catalogue, "entries", lambda: table)
        monkeypatch.setattr(fetching, "entries", lambda: table)
        server.files = {"tiny.pth": BODY, "b": b"bytes"}
        with pytest.raises(PrerequisiteError, match=r"2 of 4 files could not be fetched: a: .*; c: ") as caught:
            weights.fetch()
        assert "\n" not in str(caught.value)
        assert left_over(cache) == ["b.pth", "lock.json", "tiny.pth"]
        assert set(catalogue.locked()) == {"b", "tiny"}

    def test_one_member_of_an_archive_is_taken_out(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/all.zip#models/tiny.pth",))
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.writestr("models/tiny.pth", BODY)
            archive.writestr("models/other.pth", b"other")
        server.files["all.zip"] = (tmp_path / "all.zip").read_bytes()
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY
        assert catalogue.locked()["tiny"]["sha256"] == SHA

    def test_an_archive_without_the_member_is_refused(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/all.zip#models/tiny.pth",))
        server.files["all.zip"] = b"not an archive"
        with pytest.raises(PrerequisiteError, match=r"not an archive that holds models/tiny\.pth"):
            weights.fetch(["tiny"])
        assert left_over(cache) == []


ANSWERS = {
    "an error as JSON": b'{"error": "rate limited, try again"}',
    "an error as text": b"403 Forbidden\n",
    "a pointer instead of the file": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5000\n",
    "noise": bytes(range(256)) * 20,
}


class TestAFirstFetchIsProven:
    """Nothing is pinned before it has opened as what it should be."""

    def entry_of(self, monkeypatch: pytest.MonkeyPatch, server: Server, **changes: Any) -> weights.WeightFile:
        facts = {"wrapping": "in:state_dict", "bytes": 5000, "holds": {"a.weight": (2, 3)}}
        return catalogue_of(monkeypatch, server, **(facts | changes))["tiny"]

    def saved(self, tmp_path: Path, content: Any) -> bytes:
        torch = pytest.importorskip("torch")
        torch.save(content, tmp_path / "saved")
        return (tmp_path / "saved").read_bytes()

    def good(self, tmp_path: Path) -> bytes:
        torch = pytest.importorskip("torch")
        return self.saved(tmp_path, {"state_dict": {"a.weight": torch.ones(2, 3), "b": torch.ones(900)}})

    @pytest.mark.parametrize("answer", ANSWERS)
    def test_what_does_not_open_is_neither_kept_nor_pinned(
        self, answer: str, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.entry_of(monkeypatch, server)
        server.files["tiny.pth"] = ANSWERS[answer]
        with pytest.raises(PrerequisiteError, match="nothing was kept") as caught:
            weights.fetch(["tiny"])
        assert "\n" not in str(caught.value)
        assert left_over(cache) == []
        server.files["tiny.pth"] = self.good(tmp_path)  # the server is well again
        weights.fetch(["tiny"])
        assert weights.verify(["tiny"])[0].problem == ""
        assert catalogue.locked()["tiny"]["sha256"] == hashlib.sha256(server.files["tiny.pth"]).hexdigest()

    @pytest.mark.parametrize(
        ("state", "problem"),
        [
            ({"a.weight": (3, 3)}, r"'a\.weight' is \(3, 3\), not \(2, 3\)"),
            ({"c": (2, 3)}, r"holds no 'a\.weight'"),
            ({}, "holds no weights"),
            (None, "holds no 'state_dict'"),
        ],
    )
    def test_another_network_s_weights_are_refused(
        self, state: Any, problem: str, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch = pytest.importorskip("torch")
        self.entry_of(monkeypatch, server, bytes=1500)
        content = {} if state is None else {"state_dict": {name: torch.ones(shape) for name, shape in state.items()}}
        server.files["tiny.pth"] = self.saved(tmp_path, content)
        with pytest.raises(PrerequisiteError, match=problem):
            weights.fetch(["tiny"])
        assert left_over(cache) == []

    @pytest.mark.parametrize("sha256", ["", "prefix"])
    def test_a_checksum_s_beginning_is_no_proof(
        self, sha256: str, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = self.saved(tmp_path, {"state_dict": {}})
        self.entry_of(monkeypatch, server, bytes=len(body), sha256=sha256 and hashlib.sha256(body).hexdigest()[:8])
        server.files["tiny.pth"] = body
        with pytest.raises(PrerequisiteError, match="holds no weights"):
            weights.fetch(["tiny"])

    @pytest.mark.parametrize("announce", [True, False])
    @pytest.mark.parametrize("size", [10, 40_000, 3 << 20])
    def test_a_size_far_from_the_expected_is_refused(
        self, size: int, announce: bool, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, bytes=200_000 if size < 1 << 20 else len(BODY))
        server.files["tiny.pth"], server.announce = b"w" * size, announce
        with pytest.raises(PrerequisiteError, match=r"far from the expected|at most .* are expected"):
            weights.fetch(["tiny"])
        assert left_over(cache) == []

    @pytest.mark.parametrize(
        ("file", "body", "problem"),
        [
            ("c.json", b'{"error": "rate limited"}', "holds no 'layers'"),
            ("c.json", b"[1]", "should be an object"),
            ("c.json", b"{", "is not JSON"),
            ("c.yaml", b"error: rate limited\n", "holds no 'layers'"),
            ("c.yaml", b"a: [", "is not YAML"),
            ("c.yaml", b"!!python/object/apply:os.getcwd []", "is not YAML"),
        ],
    )
    def test_a_configuration_must_say_what_is_read_in_it(
        self, file: str, body: bytes, problem: str, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = f"{server.address}/{file}"
        catalogue_of(monkeypatch, server, file=file, urls=(url,), bytes=40, wrapping="file", holds={"layers": ()})
        server.files[file] = body
        with pytest.raises(PrerequisiteError, match=problem):
            weights.fetch(["tiny"])
        server.files[file] = b'{"layers": 3}'
        assert weights.fetch(["tiny"]) == [cache / file]

    def test_a_member_larger_than_expected_is_not_unpacked(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/all.zip#tiny.pth",), bytes=10_000)
        with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("tiny.pth", bytes(50 << 20))
        server.files["all.zip"] = (tmp_path / "all.zip").read_bytes()
        with pytest.raises(PrerequisiteError, match=r"not an archive that holds tiny\.pth"):
            weights.fetch(["tiny"])
        assert left_over(cache) == []

    def test_the_remedy_for_a_pin_of_the_first_fetch_names_the_lock(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        (cache / "tiny.pth").write_bytes(BODY[::-1])
        server.files["tiny.pth"] = BODY[::-1]
        remedy = f"remove 'tiny' from {cache / 'lock.json'}"
        assert remedy in weights.verify(["tiny"])[0].problem
        with pytest.raises(PrerequisiteError, match=re.escape(remedy)):
            weights.fetch(["tiny"])
        (cache / "lock.json").write_text("{}")
        weights.fetch(["tiny"])
        assert weights.verify(["tiny"])[0].problem == ""

    @pytest.mark.parametrize("damage", ["{torn", "[]", '{"tiny": 3}', '{"tiny": {"sha256": "00", "bytes": 3}}'])
    def test_a_damaged_lock_does_not_let_any_bytes_pass(
        self, damage: str, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        (cache / "lock.json").write_text(damage)
        (cache / "tiny.pth").write_bytes(BODY[::-1])
        with pytest.raises(PrerequisiteError, match=r"lock\.json.*; restore it, or remove it"):
            weights.verify(["tiny"])
        assert (cache / "lock.json").read_text() == damage

    def test_a_process_that_holds_the_lock_and_does_nothing_is_named(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from filelock import FileLock

        monkeypatch.setattr(fetching, "_PATIENCE_SECONDS", 0.05)
        server.files["tiny.pth"] = BODY
        cache.mkdir()
        with FileLock(cache / ".tiny.pth.lock"), pytest.raises(PrerequisiteError, match=r"holds .*\.tiny\.pth\.lock"):
            weights.fetch(["tiny"])
        assert weights.fetch(["tiny"]) == [cache / "tiny.pth"]  # the lock's file stays and is free


def rot(path: Path, *, show: bool) -> None:
    """One bit, as a disk loses it: size and times stay (``show``: but for the entry's, which a program cannot set)."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    if not show:
        note = path.with_name(f".{path.name}.sha256.json")
        row = json.loads(note.read_text())
        note.write_text(json.dumps(row | {"changed": path.stat().st_ctime_ns}))


class TestALostBitIsSeen:
    @pytest.fixture
    def path(self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        torch = pytest.importorskip("torch")
        torch.save({"a": torch.arange(2000.0)}, tmp_path / "saved")
        body = (tmp_path / "saved").read_bytes()
        catalogue_of(monkeypatch, server, wrapping="plain", bytes=len(body))
        server.files["tiny.pth"] = body
        [path] = weights.fetch(["tiny"])
        assert weights.load_state_dict(path)["a"][5] == 5
        return path

    def test_by_the_digest_that_names_scores_and_by_fetch(self, path: Path, server: Server) -> None:
        before = weights.digest(path)
        rot(path, show=True)
        assert weights.digest(path) != before
        with pytest.raises(PrerequisiteError, match="offline"):
            weights.fetch(["tiny"], offline=True)
        weights.fetch(["tiny"])
        assert weights.digest(path) == before

    def test_by_whoever_loads_the_weights(self, path: Path) -> None:
        rot(path, show=False)
        catalogue._digest.cache_clear()
        with pytest.raises(PrerequisiteError, match=r"its bytes have changed .*size and time are unchanged"):
            weights.load_state_dict(path)
        assert "is not the pinned" in weights.verify(["tiny"])[0].problem

    def test_by_the_pin_where_nothing_else_is_remembered(self, path: Path) -> None:
        rot(path, show=True)
        with pytest.raises(PrerequisiteError, match="is not the pinned"):
            weights.load_state_dict(path)

    def test_in_a_folder_of_the_user_s_too(self, path: Path, tmp_path: Path) -> None:
        own = shutil.copy(path, tmp_path / "own.pth")
        weights.load_state_dict(own)
        rot(own, show=False)
        with pytest.raises(PrerequisiteError, match="its bytes have changed"):
            weights.load_state_dict(own)

    def test_a_file_is_read_once_a_process(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        first = weights.load_state_dict(path)
        monkeypatch.setattr(catalogue, "file_digest", lambda path: pytest.fail("read again"))
        assert weights.load_state_dict(path).keys() == first.keys() != set()


class TestOtherSources:
    def test_a_mirrors_address_is_tried_first(self, one: weights.WeightFile, server: Server, cache: Path) -> None:
        server.files["mirror/tiny.pth"] = BODY
        weights.fetch(["tiny"], mirror=f"{server.address}/mirror/")
        assert [path for path, _ in server.requests] == ["/mirror/tiny.pth"]

    def test_what_a_mirror_lacks_comes_from_its_publisher(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.files["tiny.pth"] = BODY
        monkeypatch.setenv("NOVA_EVAL_WEIGHTS_URL", f"{server.address}/mirror")
        weights.fetch(["tiny"])
        assert [path for path, _ in server.requests] == ["/mirror/tiny.pth", "/tiny.pth"]

    def test_a_mirror_may_be_a_folder(
        self, one: weights.WeightFile, server: Server, cache: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "tiny.pth").write_bytes(BODY)
        weights.fetch(["tiny"], mirror=str(tmp_path / "mirror"))
        assert (cache / "tiny.pth").read_bytes() == BODY
        assert not server.requests

    def test_a_file_of_the_hub_is_fetched_at_a_commit_and_from_there_ever_after(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its branch may move on: then what was fetched first is what is fetched again."""
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/x/resolve/main/tiny.pth",))
        commits = ["a" * 40, "b" * 40]
        monkeypatch.setattr(fetching, "header", lambda url, name: commits[0])
        for commit in commits:
            server.files[f"x/resolve/{commit}/tiny.pth"] = BODY
        weights.fetch(["tiny"])
        pinned = f"{server.address}/x/resolve/{'a' * 40}/tiny.pth"
        assert json.loads((cache / "lock.json").read_text())["tiny"]["url"] == pinned
        (cache / "tiny.pth").unlink()
        commits.pop(0)
        weights.fetch(["tiny"])
        assert [path for path, _ in server.requests] == [f"/x/resolve/{'a' * 40}/tiny.pth"] * 2

    def test_a_hub_that_tells_no_commit_is_fetched_from_all_the_same(
        self, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, urls=(f"{server.address}/x/resolve/main/tiny.pth",))
        server.files["x/resolve/main/tiny.pth"] = BODY
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY

    @pytest.mark.parametrize("status", [200, 302, 404])
    def test_the_commit_is_asked_of_the_hub_and_not_of_where_it_leads(self, status: int) -> None:
        def answer(request: BaseHTTPRequestHandler) -> None:
            request.send_response(status)
            request.send_header("X-Repo-Commit", "c" * 40 if request.path == "/file" else "d" * 40)
            request.send_header("Location", "/elsewhere")
            request.send_header("Content-Length", "0")
            request.end_headers()

        with serving(answer) as address:
            assert download.header(f"{address}/file", "X-Repo-Commit") == "c" * 40
            assert download.header(f"{address}/file", "X-Other") == ""
        assert download.header(f"{address}/file", "X-Repo-Commit") == ""  # nobody is there any more

    def test_the_hub_may_have_another_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.example/")
        assert fetching.sources(weights.entry("amt_s"))[0].startswith("https://hub.example/lalala125/AMT")


class TestFilesAreChecked:
    def test_a_changed_file_is_reported_and_left(self, one: weights.WeightFile, server: Server, cache: Path) -> None:
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        assert [check.problem for check in weights.verify(["tiny"])] == [""]
        (cache / "tiny.pth").write_bytes(b"damaged")
        assert "is not the pinned" in weights.verify(["tiny"])[0].problem
        assert (cache / "tiny.pth").read_bytes() == b"damaged"

    def test_a_damaged_file_of_the_cache_is_fetched_again(
        self, one: weights.WeightFile, server: Server, cache: Path
    ) -> None:
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        (cache / "tiny.pth").write_bytes(b"damaged")
        weights.fetch(["tiny"])
        assert (cache / "tiny.pth").read_bytes() == BODY

    def test_a_damaged_file_of_the_user_is_an_error_and_left(
        self, server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        catalogue_of(monkeypatch, server, sha256=SHA)
        monkeypatch.setenv("NOVA_EVAL_WEIGHTS", str(tmp_path))
        (tmp_path / "tiny.pth").write_bytes(b"damaged")
        with pytest.raises(PrerequisiteError, match="replace the file or unset NOVA_EVAL_WEIGHTS"):
            weights.fetch(["tiny"])
        assert (tmp_path / "tiny.pth").read_bytes() == b"damaged"

    def test_a_missing_file_says_how_to_get_it(self, one: weights.WeightFile) -> None:
        assert weights.verify(["tiny"])[0].problem == "missing; python -m nova_eval weights fetch tiny"

    def test_the_list_reads_no_file(
        self, one: weights.WeightFile, server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        row = weights.listing(["tiny"])[0]
        assert (row.path, row.bytes, row.pinned_by, row.entry.licence) == (None, len(BODY), "", "MIT")
        server.files["tiny.pth"] = BODY
        weights.fetch(["tiny"])
        monkeypatch.setattr(fetching, "file_digest", lambda path: pytest.fail("read"))
        row = weights.listing(["tiny"])[0]
        assert (row.path, row.pinned_by) == (cache / "tiny.pth", "first fetch")


class Trap:
    """Unpickling this with an ordinary reader would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


class TestNothingInAFileIsRun:
    def test_objects_beside_the_weights_are_not_made(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        for modern in (True, False):
            path, sprung = tmp_path / f"{modern}.pth", tmp_path / "sprung"
            content = {"state_dict": {"a": torch.arange(3.0)}, "config": Trap(sprung), "epoch": 3}
            torch.save(content, path, _use_new_zipfile_serialization=modern)
            state = weights.load_state_dict(path, "in:state_dict")
            assert state["a"].tolist() == [0, 1, 2]
            assert not sprung.exists()

    def test_an_object_among_the_weights_is_refused(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        torch.save({"a": torch.ones(1), "b": Trap(tmp_path / "sprung")}, tmp_path / "x.pth")
        with pytest.raises(PrerequisiteError, match="not a mapping of names to tensors"):
            weights.load_state_dict(tmp_path / "x.pth")
        assert not (tmp_path / "sprung").exists()

    def test_a_torchscript_archive_gives_the_tensors_that_torch_gives(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        path = tmp_path / "archive.pt"
        network = torch.nn.Sequential(torch.nn.Linear(3, 4).half(), torch.nn.Sequential(torch.nn.BatchNorm1d(4)))
        network.register_buffer("input_resolution", torch.tensor(224))
        network.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())
        network.forward = lambda x: x
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(network, torch.zeros(1), check_trace=False), path)
            expected = torch.jit.load(path).state_dict()
        found = weights.load_state_dict(path, "torchscript")
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)

    def test_a_torchscript_archive_cannot_call_anything(self, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        path, sprung = tmp_path / "archive.pt", tmp_path / "sprung"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x/data.pkl", pickle.dumps(Trap(sprung)))
            archive.writestr("x/constants.pkl", b"")
        assert weights.load_state_dict(path, "torchscript") == {}
        assert not sprung.exists()

    @pytest.mark.parametrize("wrapping", ["plain", "in:state_dict", "torchscript"])
    @pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 torn"])
    def test_what_is_not_weights_is_one_line(self, wrapping: str, content: bytes, tmp_path: Path) -> None:
        pytest.importorskip("torch")
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(PrerequisiteError, match=r"x\.pth") as caught:
            weights.load_state_dict(tmp_path / "x.pth", wrapping)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    @pytest.mark.parametrize("kind", ["modern", "legacy", "torchscript", "safetensors"])
    def test_the_beginning_of_a_weight_file_is_one_line(self, kind: str, share: float, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        state, path = {"a": torch.arange(4096.0), "b": torch.ones(64, 64)}, tmp_path / "x.pth"
        if kind == "safetensors":
            path = path.with_suffix(".safetensors")
            pytest.importorskip("safetensors.torch").save_file(state, path)
        elif kind == "torchscript":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.jit.save(torch.jit.trace(torch.nn.Linear(64, 64), torch.zeros(1, 64)), path)
        else:
            torch.save(state, path, _use_new_zipfile_serialization=kind == "modern")
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(PrerequisiteError, match=r"x\.(pth|safetensors).*weights fetch") as caught:
            weights.load_state_dict(path, "torchscript" if kind == "torchscript" else "plain")
        assert "\n" not in str(caught.value)

    def test_a_missing_key_is_named(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        torch.save({"model": {"a": torch.ones(1)}}, tmp_path / "x.pth")
        with pytest.raises(PrerequisiteError, match="holds no 'state_dict'"):
            weights.load_state_dict(tmp_path / "x.pth", "in:state_dict")

    def test_the_prefix_of_parallel_training_is_taken_off(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        torch.save({"module.a": torch.ones(1), "module.b.module.c": torch.ones(1)}, tmp_path / "x.pth")
        assert set(weights.load_state_dict(tmp_path / "x.pth")) == {"a", "b.module.c"}

    def test_safetensors_need_no_wrapping(self, tmp_path: Path) -> None:
        torch = pytest.importorskip("torch")
        save_file = pytest.importorskip("safetensors.torch").save_file
        save_file({"a": torch.arange(3)}, tmp_path / "x.safetensors")
        assert weights.load_state_dict(tmp_path / "x.safetensors", "in:state_dict")["a"].tolist() == [0, 1, 2]


class TestWeightsFitByName:
    def test_every_misfit_is_named_in_one_line(self) -> None:
        torch = pytest.importorskip("torch")
        state = {"weight": torch.ones(2, 2), "gain": torch.ones(1)}
        with pytest.raises(PrerequisiteError) as caught:
            weights.apply(torch.nn.Linear(2, 3), state, where="x.pth")
        line = str(caught.value)
        assert "1 missing: bias" in line
        assert "1 unknown: gain" in line
        assert "weight (2, 2) for (3, 2)" in line
        assert "\n" not in line

    def test_names_may_be_changed_dropped_and_ignored(self) -> None:
        torch = pytest.importorskip("torch")
        layer = torch.nn.Linear(2, 3)
        state = {"w": torch.ones(3, 2), "old.bias": torch.ones(3), "steps": torch.tensor(4), "bias": torch.zeros(3)}
        names = {"w": "weight", "bias": "bias", "steps": "steps"}
        weights.apply(layer, state, rename=names.get, ignore=["steps"])
        assert layer.weight.tolist() == [[1.0, 1.0]] * 3
        assert layer.bias.tolist() == [0.0] * 3

    def test_half_precision_is_widened_to_the_module(self) -> None:
        torch = pytest.importorskip("torch")
        layer = torch.nn.Linear(1, 1, bias=False)
        weights.apply(layer, {"weight": torch.full((1, 1), 1 / 3).half()})
        assert layer.weight.dtype == torch.float32
        assert layer.weight.item() == float(torch.tensor(1 / 3).half())
