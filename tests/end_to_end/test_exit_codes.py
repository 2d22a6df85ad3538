"""Exit code 0 means done: what ends a command before that, or keeps its answer from the reader, is said in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import pytest
from runs import nova_eval

from nova_eval import __main__ as command
from nova_eval.weights import catalogue

MINE = """
import os, sys, time
import numpy as np
from nova_eval.protocols import SamplerInfo

class Mine:
    light = True

    def __init__(self, mode=""):
        print("made")
        os.write(1, b"made\\n")
        if mode == "leaves":
            sys.exit(0)
        if mode == "fails":
            raise RuntimeError("no GPU\\x1b[31m")
        self.mode = mode
        fps = {"still": 0.0, "unknown": float("nan")}.get(mode, 8.0)
        self.info = SamplerInfo(name="mine", modality="video", fps=fps)

    def sample(self, prompts, seeds):
        print("sampled")
        os.write(1, b"sampled\\n")
        if self.mode == "slow":
            time.sleep(0.3)
        if self.mode == "hangs":
            time.sleep(1000)
        return [np.random.default_rng(seed).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8) for seed in seeds]
"""
PART = ("--metrics", "temporal_flickering", "--limit", 2, "--json")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def words(mine: Path, mode: str = "") -> tuple[Any, ...]:
    return (
        *(
            "run",
            "vbench",
            "--variant",
            "sprites",
            "--sampler",
            f"{mine}:Mine",
            *PART,
            "--results",
            mine.parent / "results",
        ),
        *(("--set", f"sampler.mode={mode}") if mode else ()),
    )


def start(*command: object, output: int | IO[Any] = subprocess.PIPE, **how: Any) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "nova_eval", *map(str, command)]
    return subprocess.Popen(line, stdout=output, stderr=subprocess.PIPE, text=True, **how)


def gone(group: int) -> bool:
    """Whether nobody of a group of processes is left, or soon will be."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("mode", "code", "said"),
    [
        ("leaves", 4, "cannot be made: SystemExit: 0"),
        ("fails", 4, "cannot be made: RuntimeError: no GPU?[31m"),
        ("still", 2, "0.0 frames a second"),
        ("unknown", 2, "nothing that JSON can hold"),
    ],
)
def test_a_sampler_that_cannot_be_made_is_one_line(mine: Path, mode: str, code: int, said: str) -> None:
    done = nova_eval(*words(mine, mode))
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("nova-eval: ")
    assert said in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_answer_that_cannot_be_written_is_a_failure() -> None:
    with Path("/dev/full").open("w") as full:
        process = start("list", "benchmarks", output=full)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 4
    assert error.startswith("nova-eval: cannot write standard output: No space left on device")


def test_an_answer_that_nobody_reads_is_a_failure() -> None:
    process = start("list", "dimensions", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read().startswith("nova-eval: cannot write standard output: Broken pipe")
    assert process.wait(60) == 4


def test_a_closed_output_is_a_failure() -> None:
    done = subprocess.run(
        f"exec {sys.executable} -m nova_eval list benchmarks >&-",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("nova-eval: standard output is closed")


def test_a_table_of_nothing_is_no_table() -> None:
    done = nova_eval("table")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_run_says_so_and_goes_on(mine: Path, number: signal.Signals, workers: int) -> None:
    """As a terminal sends it: to the whole group, workers among them."""
    command = (*words(mine, "slow"), "--workers", workers, "--set", "samples_per_prompt=40", "--set", "batch=1")
    process = start(*command, start_new_session=True)
    while not list(mine.parent.glob("results/runs/*/*/samples/*.jsonl")):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, number)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert "nova-eval: interrupted; what is finished is kept" in error
    assert "Traceback" not in error
    assert gone(process.pid)
    assert not list(mine.parent.glob("results/**/.*.tmp"))


def test_a_command_that_is_interrupted_while_it_starts_says_so(mine: Path) -> None:
    process = start(*words(mine))
    time.sleep(0.4)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert "interrupted" in error


def test_a_second_interrupt_ends_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)
    command._end_at_once(signal.SIGINT, None)
    assert codes == [130]
    assert capfd.readouterr().err.startswith("nova-eval: interrupted; what is finished is kept")


def test_a_download_that_drips_is_interrupted_at_once(tmp_path: Path) -> None:
    """Nobody waits for a file on its way; what is here of it is kept."""
    name = next(name for name, row in catalogue.entries().items() if "#" not in "".join(row.urls))
    asked = threading.Event()

    class Drip(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            asked.set()
            with suppress(OSError):
                for _ in range(600):
                    self.wfile.write(b"x")
                    time.sleep(0.1)

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Drip)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mirror = {"NOVA_EVAL_CACHE": str(tmp_path), "NOVA_EVAL_WEIGHTS_URL": f"http://127.0.0.1:{server.server_port}"}
    process = start("weights", "fetch", name, env={**os.environ, **mirror})
    assert asked.wait(60)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    server.shutdown()
    assert process.returncode == 130
    assert "interrupted" in error


def test_what_a_plugin_prints_is_no_part_of_the_answer(mine: Path) -> None:
    """It prints in the command's own process and in a worker, by Python and past it."""
    done = nova_eval(*words(mine), "--samples-per-prompt", 1, "--workers", 1)
    assert json.loads(done.stdout)["model"] == "mine"
    assert {"made", "sampled"} <= set(done.stderr.split())
    assert done.returncode == 0
