"""Scores over HTTP are those of the Python API; a server says what it does, and ends in order."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from serving import Echo, Here, asked, head, opened

import nova_eval
from nova_eval import calls, media
from nova_eval.__main__ import _code
from nova_eval.checks.bench.stopped import judges_of
from nova_eval.client import Client
from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.service import body, door
from nova_eval.service.bounds import Bounds
from nova_eval.service.scoring import Offer, Scores
from nova_eval.sprites.judges import SpritesJudge

FRAMES = np.ones((1, 4, 4, 3), np.uint8)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    scores = Scores(Offer(("vbench", "geneval"), "sprites", decoded=1 << 20))
    with opened(Here(scores, tmp_path_factory.mktemp("served"))) as (address, _):
        yield Client(address)


class TestScores:
    def test_they_are_those_of_the_python_api(self, client: Client) -> None:
        [prompt] = [one for one in nova_eval.prompts("vbench", "sprites") if "color" in one.tags][:1]
        [clip] = nova_eval.sampler("oracle", frames=5).sample([prompt], [3])
        answer = client.score(clip, prompt, benchmark="vbench", fps=8)
        here = nova_eval.score(clip, prompt, benchmark="vbench", fps=8, judges="sprites").itertuples()
        theirs = {row.metric: (float(row.value), float(row.weight), json.loads(row.detail)) for row in here}
        assert {row.metric: (row.value, row.weight, row.detail) for row in answer.rows} == theirs
        assert answer.prompt == prompt.id
        assert answer["color"] == 1
        assert answer.scorers["color"].judge == "sprites"
        assert len(answer.scorers["color"].digest) == 8

    def test_a_file_is_judged_as_it_is(self, client: Client, tmp_path: Path) -> None:
        [prompt] = nova_eval.prompts("geneval", "sprites")[:1]
        [image] = nova_eval.sampler("oracle", benchmark="geneval").sample([prompt], [1])
        path = tmp_path / "image.png"
        path.write_bytes(media.encode_image(image[0]))
        answer = client.score(path, prompt, benchmark="geneval")
        [here] = nova_eval.score(path, prompt, benchmark="geneval", judges="sprites").itertuples()
        assert [(row.metric, row.value) for row in answer.rows] == [(here.metric, here.value)]

    def test_metrics_and_objects_are_as_everywhere(self, client: Client) -> None:
        clip = np.zeros((4, 32, 32, 3), np.uint8)
        answer = client.score(clip, "a cat", benchmark="vbench", fps=8, metrics=["temporal_flickering"])
        assert answer.values == {"temporal_flickering": 1.0}
        with pytest.raises(UsageError, match="is not in the answer"):
            answer["color"]
        with pytest.raises(UsageError, match="how many frames a second"):
            client.score(clip, "a cat", benchmark="vbench")
        with pytest.raises(UsageError, match="did you mean 'color'"):
            client.score(clip, "a cat", benchmark="vbench", fps=8, metrics=["colour"])
        with pytest.raises(UsageError, match="did you mean 'vbench'"):
            client.score(clip, "a cat", benchmark="vbnech", fps=8)
        with pytest.raises(UsageError, match="unknown dimension"):
            client.score(clip, nova_eval.Prompt("own/0", "a cat", ("nothing",)), benchmark="vbench", fps=8)

    def test_a_file_with_too_many_frames_or_none_is_refused(self, client: Client, tmp_path: Path) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(media.encode_video(np.zeros((30, 128, 128, 3), np.uint8), 8))
        with pytest.raises(UsageError, match="bytes of frames, at most"):
            client.score(path, "a cat", benchmark="vbench")
        path.write_bytes(b"\0" * 100)
        with pytest.raises(UsageError, match="unreadable") as caught:
            client.score(path, "a cat", benchmark="vbench")
        assert "/tmp" not in str(caught.value)

    def test_it_says_what_can_be_scored(self, client: Client) -> None:
        told = {row["name"]: row for row in client.benchmarks()}
        assert set(told) == {"vbench", "geneval"}
        color = next(row for row in told["vbench"]["dimensions"] if row["name"] == "color")
        assert color == {"name": "color", "judge": "sprites", "needs": ["text", "color"]}
        assert told["vbench"]["unavailable"] == {}

    def test_a_judge_without_weights_leaves_its_reason(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))
        with opened(Here(Scores(Offer(("vbench",))), tmp_path)) as (address, _):
            clip = np.zeros((4, 32, 32, 3), np.uint8)
            answer = Client(address).score(clip, "a cat", benchmark="vbench", fps=8, metrics=["imaging_quality"])
            with pytest.raises(MediaError, match="weights are missing"):
                answer["imaging_quality"]


def test_a_judge_that_changed_is_refused_by_the_process_that_takes_another_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen of judges when the server began goes with its scores to every process."""
    scores = Scores(Offer(("vbench",), "sprites"))
    scores.told()
    there: Scores = pickle.loads(pickle.dumps(scores))
    prompt = {"prompt": "a red circle", "dimension": "color", "auxiliary_info": {"color": "red"}}
    asked = body.Asked(benchmark="vbench", prompt=prompt, metrics=("color",), fps=8.0)
    content = bytearray(body.of_frames(asked, np.zeros((4, 32, 32, 3), np.uint8)))
    assert there(content, body.TENSORS, tmp_path).counts == {"scored": 1}
    again: Scores = pickle.loads(pickle.dumps(scores))
    monkeypatch.setattr(SpritesJudge, "digest", "another")
    with pytest.raises(PrerequisiteError, match="judge 'sprites' changed while the server was at work"):
        again(content, body.TENSORS, tmp_path)


HELLO = {"nova_eval": "0", "bounds": {"body_bytes": 1 << 20}, "benchmarks": []}
ROW = {"metric": "sum", "value": 1.0, "weight": 1.0, "reason": "", "detail": {}}
ANSWER = {"nova_eval": "0", "benchmark": "echo", "scoring": "official", "prompt": "x", "rows": [ROW], "scorers": {}}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (ANSWER, ""),
        ({**ANSWER, "benchmark": "another"}, "is of another benchmark"),
        ({**ANSWER, "rows": [{**ROW, "value": None}]}, "lacks a value and a reason"),
        ({**ANSWER, "rows": [{**ROW, "value": "high"}]}, "value"),
        ({**ANSWER, "rows": [{"metric": "sum", "value": 1.0}]}, "weight is missing"),
        ({**ANSWER, "rows": None}, "rows should be"),
        ([], "should be an object"),
    ],
    ids=range(7),
)
def test_an_answer_of_another_server_is_refused_in_one_line(
    answer: Any, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replied(asked: calls.Call, *how: Any) -> calls.Reply:
        return calls.Reply(200, {}, json.dumps(answer if asked.url.endswith("/score") else HELLO).encode())

    monkeypatch.setattr("nova_eval.client.answer", replied)
    client = Client("http://127.0.0.1:1")
    if not problem:
        assert client.score(FRAMES, "x", benchmark="echo")["sum"] == 1.0
        return
    with pytest.raises(PrerequisiteError) as caught:
        client.score(FRAMES, "x", benchmark="echo")
    assert problem in str(caught.value)


class TestServer:
    def test_figures_and_health(self) -> None:
        with opened(Echo()) as (address, _):
            client = Client(address)
            for _ in range(3):
                client.score(FRAMES, "me", benchmark="echo")
            assert json.loads(urlopen(f"{address}/healthz").read()) == {"status": "ok"}
            figures = urlopen(f"{address}/metrics").read().decode()
        assert 'nova_eval_requests_total{path="/v1/score",status="200"} 3' in figures
        assert 'nova_eval_requests_total{path="/v1/benchmarks",status="200"} 1' in figures
        assert 'nova_eval_rows_total{state="scored"} 3' in figures
        assert "nova_eval_score_seconds_count 3" in figures
        assert "nova_eval_queue 0" in figures

    def test_many_at_once_hear_their_own_answers(self) -> None:
        echo, wrong = Echo(), []

        def ask(number: int) -> None:
            frames = np.full((1, 4, 4, 3), number, np.uint8)
            answer = Client(address).score(frames, f"prompt {number}", benchmark="echo")
            if (answer.prompt, answer["sum"]) != (f"prompt {number}", 48.0 * number):
                wrong.append(number)

        with opened(echo) as (address, _):
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert wrong == []
        assert sorted(echo.asked) == sorted(f"prompt {number}" for number in range(16))

    def test_ending_finishes_what_is_at_work_and_refuses_what_waits(self) -> None:
        echo = Echo()
        heard: dict[str, Any] = {}

        def ask(prompt: str) -> None:
            try:
                heard[prompt] = Client(address, attempts=1).score(FRAMES, prompt, benchmark="echo").prompt
            except PrerequisiteError as error:
                heard[prompt] = str(error)

        with opened(echo) as (address, app):
            threads = [threading.Thread(target=ask, args=(prompt,)) for prompt in ("wait", "late")]
            threads[0].start()
            assert echo.begun.wait(5)
            threads[1].start()
            while app.line.length < 2:
                time.sleep(0.01)
            app.line.close()  # what SIGTERM does first
            threads[1].join()
            assert "the server is ending" in heard["late"]
            assert asked(address, head(address, "/healthz", "GET"))[0] == 503
            echo.gate.set()
            threads[0].join()
            assert heard["wait"] == "wait"
        assert echo.asked == ["wait"]

    def test_who_gets_no_turn_is_told_and_who_has_it_is_waited_for(self) -> None:
        echo = Echo()
        heard: list[str] = []

        def ask() -> None:
            heard.append(Client(address, attempts=1).score(FRAMES, "wait", benchmark="echo").prompt)

        with opened(echo, seconds=0.2) as (address, _):
            thread = threading.Thread(target=ask)
            thread.start()
            assert echo.begun.wait(5)
            with pytest.raises(PrerequisiteError, match=r"no turn came within 0\.2 s .*\(HTTP 503\)"):
                Client(address, attempts=1).score(FRAMES, "late", benchmark="echo")
            echo.gate.set()
            thread.join()
        assert heard == ["wait"]
        assert "late" not in echo.asked


class TestDoor:
    @pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "192.168.1.7", "example.org", "127.0.0.1.example.org"])
    def test_others_need_a_token(self, host: str) -> None:
        with pytest.raises(UsageError, match="give --token FILE"):
            door.check_host(host, "")
        door.check_host(host, "0123456789abcdef")

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
    def test_this_machine_needs_none(self, host: str) -> None:
        door.check_host(host, "")

    def test_tokens_come_from_a_file_or_the_environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "token"
        file.write_text(" 0123456789abcdef\n")
        monkeypatch.delenv(door.TOKEN_VARIABLE, raising=False)
        assert door.token_of(None) == ""
        assert door.token_of(file) == "0123456789abcdef"
        monkeypatch.setenv(door.TOKEN_VARIABLE, "fedcba9876543210")
        assert door.token_of(None) == "fedcba9876543210"
        for text in ("", "short", "0123456789 abcdef", "0123456789abcdefé"):
            file.write_text(text)
            with pytest.raises(UsageError, match="the token in"):
                door.token_of(file)
        with pytest.raises(UsageError, match="no such file"):
            door.token_of(tmp_path / "absent")


def test_bounds_are_above_nothing() -> None:
    with pytest.raises(UsageError, match="queue is 0"):
        Bounds(queue=0)


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        ("--host 0.0.0.0", 2, "anybody who reaches this machine could connect"),
        ("vbnech", 2, "did you mean 'vbench'"),
        ("vbench --judges sprite", 2, "did you mean 'sprites'"),
        ("--token absent", 2, "no such file"),
        ("--queue 0", 2, "queue is 0"),
        ("vbench --judges sprites --host 203.0.113.1 --token token", 4, "cannot listen at 203.0.113.1"),
    ],
)
def test_a_server_that_cannot_be_is_one_line(
    words: str,
    code: int,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(door.TOKEN_VARIABLE, raising=False)
    Path("token").write_text("0123456789abcdef")
    assert _code(["serve", *words.split()]) == code
    assert problem in capsys.readouterr().err
    assert os.listdir() == ["token"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_in_order(number: int, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "nova_eval", "serve", "geneval", "--judges", "sprites", "--port", "0"]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stderr is not None
            address = next(line.split()[-1] for line in process.stderr if "listening at" in line)
            assert json.loads(urlopen(f"{address}/healthz").read()) == {"status": "ok"}
            port = address.rpartition(":")[2]
            taken = subprocess.run([*words[:-1], port], capture_output=True, text=True, check=False, timeout=60)
            assert (taken.returncode, "cannot listen" in taken.stderr, "Traceback" in taken.stderr) == (4, True, False)
            process.send_signal(number)
            assert process.wait(30) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.slow
def test_a_server_whose_judges_hang_ends_in_time_and_says_so(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "nova_eval", "serve", "vbench", "--judges", "sprites", "--port", "0"]
    heard: list[str] = []

    def ask() -> None:
        with pytest.raises(PrerequisiteError) as caught:
            Client(address, attempts=1).score(
                np.zeros((4, 32, 32, 3), np.uint8), "a cat", benchmark="vbench", fps=8, metrics=["temporal_flickering"]
            )
        heard.append(str(caught.value))

    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([*words, "--drain-seconds", "1"], stderr=subprocess.PIPE, text=True, env=environ) as process:
        try:
            assert process.stderr is not None
            address = next(line.split()[-1] for line in process.stderr if "listening at" in line)
            judges = judges_of(process.pid)
            assert judges is not None
            os.kill(judges, signal.SIGSTOP)
            thread = threading.Thread(target=ask)
            thread.start()
            while "nova_eval_queue 1\n" not in urlopen(f"{address}/metrics").read().decode():
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 130
            thread.join()
            assert "Traceback" not in process.stderr.read()
        finally:
            process.kill()
    assert heard == [f"{address}: the server ended before this was answered (HTTP 503)"]
    assert judges_of(process.pid) is None
    assert list(tmp_path.glob("*/*")) == []


@pytest.mark.slow
def test_scores_are_the_rows_of_a_run_for_the_same_frames(client: Client, tmp_path: Path) -> None:
    run = nova_eval.run(
        "vbench", sampler="oracle", codec="h264-lossless", limit=16, samples_per_prompt=1, results=tmp_path, workers=1
    )
    prompts = {one.id: one for one in nova_eval.prompts("vbench", "sprites")}
    rows = run.scores()
    said = {}
    for (name, path), _ in rows.groupby(["prompt_id", "path"]):
        for answer in (
            client.score(media.read(run.where / path).frames, prompts[name], benchmark="vbench", fps=8),
            client.score(run.where / path, prompts[name], benchmark="vbench"),
        ):
            said |= {(name, row.metric): (row.value, row.weight, row.detail) for row in answer.rows}
            told = {
                (row.prompt_id, row.metric): (float(row.value), float(row.weight), json.loads(row.detail))
                for row in rows[rows.prompt_id == name].dropna(subset=["value"]).itertuples()
            }
            assert {pair: row for pair, row in said.items() if pair in told} == told
    assert len(said) > 16


@pytest.mark.slow
def test_under_load_nobody_hears_another_s_answer() -> None:
    from nova_eval.checks.bench import serve
    from nova_eval.checks.bench.options import ServeBench

    figures = serve.measure(ServeBench(requests=3))
    assert serve.passed(figures), serve.lines(figures)
    assert figures["answered"] == 192
