"""A server under load: many clients at a time, each of which checks its own answers, beside some that misbehave."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nova_eval import environment, files
from nova_eval.adapters import load_benchmark
from nova_eval.calls import Call, answer
from nova_eval.checks.bench.options import ServeBench
from nova_eval.client import Client
from nova_eval.errors import NovaEvalError, PrerequisiteError, brief
from nova_eval.judges import JUDGES
from nova_eval.protocols import Frames
from nova_eval.records import Prompt
from nova_eval.runs.in_memory import scored
from nova_eval.samplers import SAMPLERS

BENCHMARK, JUDGES_SET = "geneval", "sprites"
_ATTEMPTS = 200
_ALONE = 20  # requests of one client, before the others come
_START_SECONDS = 120.0

Rows = Mapping[str, tuple[float | None, float, str]]


class Sample(NamedTuple):
    """What is sent, and what has to be said of it."""

    prompt: Prompt
    frames: Frames
    rows: Rows


@dataclass
class Tally:
    """What clients met; ``seconds`` of each request from the first attempt to the answer."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    lost: int = 0
    problem: str = ""


def measure(asked: ServeBench, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Starts a server, asks it, and ends it; raises PrerequisiteError where it does not start."""
    samples, busy = _samples(asked.clients), os.getloadavg()[0]
    with _server(asked.queue) as (process, address):
        alone = _asked(address, [samples[:1]], _ALONE)
        say(f"one client: {1000 * float(np.median(alone.seconds)):.1f} ms; {asked.clients} clients")
        with _misbehaving(address, asked.hostile):
            started = time.perf_counter()
            crowd = _asked(
                address, [samples[place:] + samples[:place] for place in range(len(samples))], asked.requests
            )
            seconds = time.perf_counter() - started
        refused = _refused(address)
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    times = 1000 * np.array(crowd.seconds or [0.0])
    figures: dict[str, Any] = {"clients": asked.clients, "hostile": asked.hostile, "queue": asked.queue}
    figures |= {"requests": asked.clients * asked.requests, "answered": len(crowd.seconds)}
    figures |= {"wrong": alone.wrong + crowd.wrong, "lost": alone.lost + crowd.lost, "problem": crowd.problem}
    figures |= {"refused_and_asked_again": refused, "exit_code": code, "seconds": round(seconds, 2)}
    figures |= {"requests_a_second": round(len(crowd.seconds) / seconds, 1)}
    figures |= {"alone_p50_ms": round(float(np.median(alone.seconds)) * 1000, 1)}
    figures |= {f"p{share}_ms": round(float(np.percentile(times, share)), 1) for share in (50, 90, 99)}
    return figures | {
        "longest_ms": round(float(times.max()), 1),
        "cpu": environment.cpu_name(),
        "cores": environment.cpu_count(),
        "load_before": round(busy, 1),
    }


def passed(figures: Mapping[str, Any]) -> bool:
    """Whether every request got its own answer, and the server ended in order."""
    whole = figures["answered"] == figures["requests"] and figures["exit_code"] == 0
    return whole and not figures["wrong"] and not figures["lost"]


def lines(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items() if value != "")


def write(folder: Path, figures: Mapping[str, Any]) -> list[Path]:
    """A page with what was measured."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items() if value != "")
    text = (
        "# A server under load\n\n"
        f"Images of the embedded world, each sent by a client of its own that knows its scores ({BENCHMARK}), beside "
        "clients that say nothing, break off or send what is no request. Measured on one machine by "
        f"`python -m nova_eval bench serve --output results`.\n\n| | |\n| --- | --- |\n{rows}\n"
    )
    files.write(folder / "serve.md", text)
    return [folder / "serve.md"]


def _samples(number: int) -> list[Sample]:
    """Different images with the scores that they have here."""
    prompts = load_benchmark(BENCHMARK).suite(JUDGES_SET).prompts
    chosen = [prompts[place % len(prompts)] for place in range(number)]
    images = SAMPLERS.make("oracle", {"frames": 1}).sample(chosen, list(range(number)))
    judges: dict[str, Any] = {}

    def hold(name: str, light: bool) -> Any:
        judges[name] = judges.get(name) or JUDGES.make(name)
        return judges[name]

    found = []
    for prompt, image in zip(chosen, images, strict=True):
        rows = scored([prompt], [image[0]], hold, benchmark=BENCHMARK, judges=JUDGES_SET).rows
        found.append(Sample(prompt, image, {row.metric: (row.value, row.weight, row.reason) for row in rows}))
    return found


@contextmanager
def _server(queue: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = ["serve", BENCHMARK, "--judges", JUDGES_SET, "--port", "0", "--queue", str(queue)]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "nova_eval", *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=environ,
    )
    assert process.stderr is not None
    late = threading.Timer(_START_SECONDS, process.kill)
    late.start()
    try:
        said = []
        for line in process.stderr:
            said.append(line.strip())
            if found := re.search(r"listening at (\S+)", line):
                late.cancel()
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield process, found[1]
                return
        raise PrerequisiteError(f"the server did not start ({' '.join(said)[-300:]})")
    finally:
        late.cancel()
        process.kill()
        process.wait()


def _asked(address: str, shares: Sequence[Sequence[Sample]], requests: int) -> Tally:
    """Every share by a client of its own, one request after the other, all clients at a time."""
    tally, lock = Tally(), threading.Lock()

    def ask(share: Sequence[Sample]) -> None:
        client = Client(address, attempts=_ATTEMPTS)
        for number in range(requests):
            sample, started = share[number % len(share)], time.perf_counter()
            try:
                said = client.score(sample.frames, sample.prompt, benchmark=BENCHMARK)
            except NovaEvalError as error:
                with lock:
                    tally.lost, tally.problem = tally.lost + 1, brief(error)
                continue
            rows = {row.metric: (row.value, row.weight, row.reason) for row in said.rows}
            with lock:
                tally.seconds.append(time.perf_counter() - started)
                tally.wrong += (said.prompt, rows) != (sample.prompt.id, sample.rows)

    threads = [threading.Thread(target=ask, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


@contextmanager
def _misbehaving(address: str, number: int) -> Iterator[None]:
    """Clients that say nothing, drip, lie about lengths, or leave, over and over, until the block ends."""
    host, port = address.removeprefix("http://").split(":")
    begin = f"POST /v1/score HTTP/1.1\r\nHost: {host}\r\n".encode()
    tricks = (
        b"",
        b"\x16\x03\x01\x00\xff\r\n\r\n",
        begin + b"Content-Length: 99999999999999\r\n\r\n",
        begin + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{",
        begin + b"Content-Type: application/x-safetensors\r\nContent-Length: 8\r\n\r\n" + b"\xff" * 8,
    )
    ended = threading.Event()

    def misbehave(place: int) -> None:
        while not ended.is_set():
            with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as connection:
                connection.sendall(tricks[place % len(tricks)])
                ended.wait(0.2)
            place += 1

    threads = [threading.Thread(target=misbehave, args=(place,), daemon=True) for place in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _refused(address: str) -> int:
    """How often the line was full."""
    text = answer(Call(f"{address}/metrics")).content.decode()
    found = re.search(r'requests_total\{path="/v1/score",status="429"\} (\d+)', text)
    return int(found[1]) if found else 0
