"""A generator behind a server: what is sent, what comes back, and what becomes of a server that fails."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_server import serving

from nova_eval import calls, media
from nova_eval.engines.sampling import frames_of
from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.identity import canonical_json
from nova_eval.records import Prompt
from nova_eval.runs.options import resolve, spec_of, split_name
from nova_eval.samplers import http
from nova_eval.samplers.http import TOKEN_VARIABLE, HttpSampler

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
CLIP = np.repeat(PICTURE[None], 4, 0)
PNG = media.encode_image(PICTURE)
MP4 = media.encode_video(CLIP, 24, "h264-lossless")
CAT = Prompt("vbench/0000", "a cat")
B64 = {"data": [{"b64_json": b64encode(PNG).decode()}]}


class Server:
    """Answers each path by what is set for it: a status, headers and content; keeps what was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self._lock = threading.Lock()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        with self._lock:
            self.asked.append((handler.path, {k.lower(): v for k, v in handler.headers.items()}, content))
            left = self.answers.get(handler.path, [(404, {"error": "no such path"})])
            told = left[0] if len(left) == 1 else left.pop(0)
        status, body, *headers = told if isinstance(told, tuple) else (200, told)
        written = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(written)))
        handler.end_headers()
        handler.wfile.write(written)

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]


@contextmanager
def answering(answers: dict[str, list[Any]]) -> Iterator[tuple[Server, str]]:
    server = Server()
    server.answers = answers
    with serving(server) as address:
        yield server, address


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are counted, not waited for."""
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return waits


class TestImages:
    def test_what_is_sent_and_what_comes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, "secret-of-mine")
        with answering({"/v1/images/generations": [B64]}) as (server, address):
            sampler = HttpSampler(address, model="owner/m", frames=1, size="8x6", guidance_scale=3.5)
            [made] = sampler.sample([CAT], [(1 << 40) + 5])
        assert (made == PICTURE[None]).all()
        [(_, headers, content)] = server.asked
        assert json.loads(content) == {
            "model": "owner/m",
            "size": "8x6",
            "response_format": "b64_json",
            "guidance_scale": 3.5,
            "prompt": "a cat",
            "seed": 5,
            "n": 1,
        }
        assert headers["authorization"] == "Bearer secret-of-mine"
        assert sampler.info.modality == "image"
        told = canonical_json(sampler.info)
        assert "secret" not in told
        assert "127.0.0.1" not in told

    def test_an_address_of_the_same_server_is_followed_and_no_other(self) -> None:
        with answering({"/v1/images/generations": [{"data": [{"url": "/files/1.png"}]}], "/files/1.png": [PNG]}) as (
            server,
            address,
        ):
            sampler = HttpSampler(address, model="m", frames=1, response_format="url")
            assert (sampler.sample([CAT], [1])[0] == PICTURE).all()
            for url in ("http://127.0.0.1:1/x.png", "file:///etc/passwd", "//evil/x", "http://[", f"{address}@evil/x"):
                server.answers["/v1/images/generations"] = [{"data": [{"url": url}]}]
                with pytest.raises(MediaError, match="another host"):
                    sampler.sample([CAT], [1])
        assert server.paths().count("/files/1.png") == 1

    def test_a_redirection_is_not_followed_with_the_token(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(TOKEN_VARIABLE, "secret-of-mine")
        with answering({"/x": [b""]}) as (other, elsewhere):
            moved = (302, b"", {"Location": f"{elsewhere}/x"})
            with answering({"/v1/images/generations": [moved]}) as (_, address), pytest.raises(PrerequisiteError):
                HttpSampler(address, model="m", frames=1).sample([CAT], [1])
            assert other.asked == []

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            ({"data": []}, "does not hold one image"),
            ({"data": [{}, {}]}, "does not hold one image"),
            ({"data": [{"revised_prompt": "x"}]}, "neither b64_json nor url"),
            ({"data": [{"b64_json": "!"}]}, "not base64"),
            ({"data": [{"b64_json": b64encode(b"GIF89a").decode()}]}, "no png, jpg or webp"),
            ({"data": [{"b64_json": b64encode(PNG[:60]).decode()}]}, "sample.png"),
            ({"data": [{"b64_json": b64encode(MP4).decode()}]}, "no png, jpg or webp"),
            (b"[" * 100_000, "nested deeper"),
            (b"<html>", "is not JSON"),
            ((400, {"error": {"message": "your prompt\nwas flagged"}}), "HTTP 400: your prompt was flagged"),
            ((422, {"detail": [{"msg": "bad seed"}]}), "bad seed"),
            ((500, {"error": "boom"}), "HTTP 500: boom"),
        ],
        ids=range(12),
    )
    def test_a_failure_is_a_row_with_its_reason(self, answer: Any, problem: str) -> None:
        with answering({"/v1/images/generations": [answer]}) as (_, address):
            [found] = frames_of(HttpSampler(address, model="m", frames=1, attempts=2), [CAT], [1])
        assert isinstance(found, str)
        assert problem in found

    def test_a_picture_or_an_answer_that_is_huge_is_not_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with answering({"/v1/images/generations": [B64], "/v1/models": [{}]}) as (_, address):
            sampler = HttpSampler(address, model="m", frames=1, attempts=1)
            with monkeypatch.context() as patch:
                patch.setenv("NOVA_EVAL_MAX_PIXELS", str(PICTURE.size // 3 - 1))
                with pytest.raises(MediaError, match="raise NOVA_EVAL_MAX_PIXELS"):
                    sampler.sample([CAT], [1])
            monkeypatch.setattr(http, "_MOST_BYTES", 100)
            with pytest.raises(MediaError, match="answers with more than 100 bytes"):
                sampler.sample([CAT], [1])

    def test_another_size_than_asked_for_is_no_sample(self) -> None:
        with answering({"/v1/images/generations": [B64]}) as (_, address):
            sampler = HttpSampler(address, model="m", frames=1, size="16x16")
            with pytest.raises(MediaError, match=r"made 8×6 pixels, asked for were 16x16; set sampler.size=8x6"):
                sampler.sample([CAT], [1])

    def test_a_busy_server_is_asked_again_after_the_time_it_states(self, at_once: list[float]) -> None:
        busy: list[Any] = [(429, {}, {"Retry-After": "7"}), (503, {}), (500, {}), B64]
        with answering({"/v1/images/generations": busy}) as (server, address):
            HttpSampler(address, model="m", frames=1).sample([CAT], [1])
        assert len(server.asked) == 4
        assert at_once == [7.0, 1.0, 2.0]

    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_what_fails_for_every_sample_ends_the_run(self, status: int) -> None:
        with answering({"/v1/images/generations": [(status, {"error": "no"})]}) as (_, address):
            sampler = HttpSampler(address, model="m", frames=1)
            with pytest.raises(PrerequisiteError, match=f"HTTP {status}: no"):
                frames_of(sampler, [CAT], [1])

    def test_a_server_that_is_gone_ends_the_run(self) -> None:
        with answering({}) as (_, address):
            sampler = HttpSampler(address, model="m", frames=1, attempts=2)
        with pytest.raises(PrerequisiteError, match="does not answer"):
            frames_of(sampler, [CAT], [1])
        with pytest.raises(PrerequisiteError, match="does not answer"):
            sampler.check()

    def test_what_was_made_beside_a_failure_is_not_asked_for_again(self) -> None:
        answers: list[Any] = [B64, (400, {"error": "flagged"}), (400, {"error": "flagged"}), B64]
        with answering({"/v1/images/generations": answers}) as (server, address):
            found = frames_of(HttpSampler(address, model="m", frames=1), [CAT, Prompt("vbench/1", "a dog")], [1, 2])
        assert [isinstance(one, str) for one in found] == [False, True]
        assert len(server.asked) == 3

    def test_several_are_asked_at_a_time_each_with_its_own_answer(self) -> None:
        with answering({"/v1/images/generations": [B64]}) as (server, address):
            sampler = HttpSampler(address, model="m", frames=1, parallel=4)
            made = sampler.sample([Prompt(f"vbench/{n}", f"cat {n}") for n in range(8)], range(8))
        assert len(made) == 8
        sent = {(told["prompt"], told["seed"]) for _, _, content in server.asked if (told := json.loads(content))}
        assert sent == {(f"cat {n}", n) for n in range(8)}


class TestClips:
    def answers(self, *states: dict[str, Any], content: Any = MP4) -> dict[str, list[Any]]:
        return {
            "/v1/videos": [{"id": "video_1", "status": "queued"}],
            "/v1/videos/video_1": list(states) or [{"id": "video_1", "status": "completed"}],
            "/v1/videos/video_1/content": [content],
        }

    def test_asked_for_waited_for_and_fetched(self, at_once: list[float]) -> None:
        working = {"id": "video_1", "status": "in_progress"}
        done = {"id": "video_1", "status": "completed"}
        with answering(self.answers(working, working, done)) as (server, address):
            sampler = HttpSampler(address, model="m", frames=4, seconds=4, poll=3)
            [made] = sampler.sample([CAT], [9])
        assert (made == CLIP).all()
        assert server.paths() == ["/v1/videos", *["/v1/videos/video_1"] * 3, "/v1/videos/video_1/content"]
        assert at_once == [3, 3, 3]
        _, headers, content = server.asked[0]
        assert headers["content-type"].startswith("multipart/form-data; boundary=")
        for name, value in {"model": "m", "num_frames": "4", "seconds": "4", "prompt": "a cat", "seed": "9"}.items():
            assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in content
        assert (sampler.info.modality, sampler.info.fps) == ("video", 24)

    def test_json_where_the_server_wants_it(self) -> None:
        with answering(self.answers()) as (server, address):
            HttpSampler(address, model="m", encoding="json", seed_name=None).sample([CAT], [9])
        assert json.loads(server.asked[0][2]) == {"model": "m", "prompt": "a cat"}

    @pytest.mark.parametrize(
        ("changes", "settings", "problem"),
        [
            ({"/v1/videos": [{"id": "../../x", "status": "queued"}]}, {}, "names no clip"),
            ({"/v1/videos": [{"id": "..", "status": "queued"}]}, {}, "names no clip"),
            ({"/v1/videos/video_1": [{"status": "failed", "error": {"message": "no GPU"}}]}, {}, "no clip: no GPU"),
            ({"/v1/videos/video_1": [{"status": "queued"}]}, {"timeout": 1.0}, "no clip within 1 s: it is 'queued'"),
            ({"/v1/videos": [{"id": "video_1", "status": ["failed"]}]}, {"timeout": 0.4}, "it is \"['failed']\""),
            ({"/v1/videos/video_1/content": [PNG]}, {}, "no mp4 or webm"),
            ({"/v1/videos/video_1/content": [MP4[:-9]]}, {}, "sample.mp4"),
            ({}, {"fps": 8}, "24 frames a second, expected were 8; set sampler.fps=24"),
            ({}, {"frames": 9}, "made 4 frames, asked for were 9"),
        ],
        ids=range(9),
    )
    def test_a_failure_is_a_row_with_its_reason(
        self, changes: dict[str, list[Any]], settings: dict[str, Any], problem: str
    ) -> None:
        with answering(self.answers() | changes) as (_, address):
            [found] = frames_of(HttpSampler(address, model="m", poll=0.5, attempts=1, **settings), [CAT], [1])
        assert isinstance(found, str)
        assert problem in found


class TestSettings:
    def test_the_run_is_named_after_the_model_and_what_is_sent(self) -> None:
        one = HttpSampler("http://one:8000", model="m", steps=4, timeout=5, parallel=2).info
        assert one == HttpSampler("https://other/v1/", model="m", steps=4).info
        assert one != HttpSampler("http://one:8000", model="m", steps=5).info
        assert one != HttpSampler("http://one:8000", model="m", steps=4, revision="step 9000").info
        assert one != HttpSampler("http://one:8000", model="m", steps=4, seed_name=None).info

    def test_as_a_command_names_it(self) -> None:
        spec, _, _ = resolve(
            "geneval", {"sampler": "http:http://127.0.0.1:8000"}, ["sampler.model=m", "sampler.steps=4"]
        )
        assert spec.sampler.settings["frames"] == 1
        assert HttpSampler(**spec.sampler.settings).info.settings["steps"] == 4
        name, argument = split_name("http://127.0.0.1:8000")
        assert HttpSampler(**spec_of(name, argument, {"model": "m"}, {}).settings).info.name == "m"

    @pytest.mark.parametrize(
        ("settings", "problem"),
        [
            ({"address": "ftp://host"}, "not the address of a server"),
            ({"address": "host:80"}, "not the address of a server"),
            ({"address": "http://me:secret@host"}, "more than host, port and path"),
            ({"address": "http://host/v1?key=secret"}, "more than host, port and path"),
            ({"address": "http://host:99999"}, "not the address of a server"),
            ({"model": "a\nb"}, "cannot name a model"),
            ({"size": "large"}, "not width and height"),
            ({"prompt": "x"}, "sent by the sampler itself"),
            ({"parallel": 0}, "parallel is 0"),
            ({"seed_bits": 64}, "seed_bits is 64"),
            ({"extra": ["x"]}, "neither text nor a number"),
        ],
        ids=str,
    )
    def test_what_cannot_be_is_one_line(self, settings: dict[str, Any], problem: str) -> None:
        with pytest.raises(UsageError, match=problem) as caught:
            HttpSampler(**{"address": "http://127.0.0.1", "model": "m", **settings})
        assert "secret" not in str(caught.value)

    def test_offline_nothing_is_asked(self) -> None:
        with answering({}) as (server, address):
            sampler = HttpSampler(address, model="m", offline=True)
            for ask in (sampler.check, lambda: sampler.sample([CAT], [1])):
                with pytest.raises(PrerequisiteError, match="--offline"):
                    ask()
            assert server.asked == []


class TestCalls:
    def test_an_answer_is_whole_and_not_too_large(self) -> None:
        def broken(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "100")
            handler.end_headers()
            handler.wfile.write(b"x" * 10)
            handler.close_connection = True

        with serving(broken) as address, pytest.raises(calls.NoAnswer, match=r"broke off|does not answer"):
            calls.answer(calls.Call(address))
        with (
            answering({"/": [b"x" * 1000]}) as (_, address),
            pytest.raises(calls.NoAnswer, match="more than 999 bytes"),
        ):
            calls.answer(calls.Call(f"{address}/", most=999))

    def test_a_server_that_says_nothing_is_given_up(self) -> None:
        wait = threading.Event()

        def silent(handler: BaseHTTPRequestHandler) -> None:
            wait.wait(5)

        with serving(silent) as address:
            with pytest.raises(calls.NoAnswer, match=r"within 0\.05 s"):
                calls.answer(calls.Call(address, seconds=0.05))
            wait.set()


def test_a_run_has_rows_of_the_server_s_samples(tmp_path: Path) -> None:
    import nova_eval

    with answering({"/v1/images/generations": [B64, (400, {"error": "flagged"}), (400, {"error": "flagged"})]}) as (
        _,
        address,
    ):
        run = nova_eval.run(
            "geneval",
            sampler=f"http:{address}",
            settings={"model": "m"},
            variant="sprites",
            limit=2,
            samples_per_prompt=1,
            results=tmp_path,
            workers=1,
        )
    assert sorted(run.scores().value.isna()) == [False, True]
    reasons = " ".join(run.scores().reason.dropna())
    assert "HTTP 400: flagged" in reasons
