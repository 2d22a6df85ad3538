"""A server under load: many clients at a time, each of which checks its own answers, beside some that misbehave, and
judges that hang or die.
"""

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
from itertools import zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from nova_eval import environment, files
from nova_eval.adapters import load_benchmark
from nova_eval.calls import Call, answer
from nova_eval.checks.bench.options import ServeBench
from nova_eval.checks.bench.stopped import stopping
from nova_eval.client import Answer, Client
from nova_eval.errors import NovaEvalError, PrerequisiteError, brief
from nova_eval.judges import JUDGES
from nova_eval.protocols import Frames
from nova_eval.records import Prompt
from nova_eval.runs.in_memory import scored
from nova_eval.samplers import SAMPLERS

IMAGES, CLIPS, JUDGES_SET = "geneval", "vbench", "sprites"
_METRIC, _FPS = "temporal_flickering", 8.0  # of clips
_ATTEMPTS = 200
_GIVEN_UP = ("(HTTP 500)", "(HTTP 504)")
_ALONE = 20  # requests of one client, before the others come
_START_SECONDS = 120.0

Rows = Mapping[str, tuple[float | None, float, str]]


class Sample(NamedTuple):
    """What is sent, and what has to be said of it."""

    benchmark: str
    prompt: Prompt
    frames: Frames
    rows: Rows
    asked: Mapping[str, Any] = MappingProxyType({})


@dataclass
class Tally:
    """What clients met; ``seconds`` of each request from the first attempt to the answer.

    ``given_up`` counts attempts at whose sample the judges hung or died: the client hears so, and asks again.
    """

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    lost: int = 0
    given_up: int = 0
    problem: str = ""


def measure(asked: ServeBench, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Starts a server, asks it, and ends it; raises PrerequisiteError where it does not start."""
    samples, busy = _samples(asked.clients), os.getloadavg()[0]
    crowd, total = Tally(), asked.clients * asked.requests
    with _server(asked) as (process, address):
        alone = _asked(address, [samples[:1]], _ALONE, Tally())
        say(f"one client: {1000 * float(np.median(alone.seconds)):.1f} ms; {asked.clients} clients")
        with (
            _misbehaving(address, asked.hostile),
            stopping(process.pid, asked.faults, lambda: len(crowd.seconds) / total) as stopped,
        ):
            started = time.perf_counter()
            _asked(address, [samples[place:] + samples[:place] for place in range(len(samples))], asked.requests, crowd)
            seconds = time.perf_counter() - started
        refused, replaced = (_counted(address, name) for name in (_REFUSED, _REPLACED))
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    times = 1000 * np.array(crowd.seconds or [0.0])
    figures: dict[str, Any] = {"clients": asked.clients, "hostile": asked.hostile, "queue": asked.queue}
    figures |= {"requests": total, "answered": len(crowd.seconds)}
    figures |= {"wrong": alone.wrong + crowd.wrong, "lost": alone.lost + crowd.lost, "problem": crowd.problem}
    figures |= {"judges_that_hung": stopped.count(signal.SIGSTOP), "judges_that_died": stopped.count(signal.SIGKILL)}
    figures |= {"judges_replaced": replaced, "given_up_and_asked_again": crowd.given_up}
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
    """Whether every request got its own answer, lost judges were replaced, and the server ended in order."""
    whole = figures["answered"] == figures["requests"] and figures["exit_code"] == 0
    whole = whole and figures["judges_replaced"] == figures["judges_that_hung"] + figures["judges_that_died"]
    return whole and not figures["wrong"] and not figures["lost"]


def lines(figures: Mapping[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items() if value != "")


def write(folder: Path, figures: Mapping[str, Any]) -> list[Path]:
    """A page with what was measured."""
    rows = "\n".join(f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items() if value != "")
    text = (
        "# A server under load\n\n"
        f"Images ({IMAGES}) and clips ({CLIPS}, {_METRIC}) of the embedded world, each sent by a client of its own "
        "that knows its scores, beside clients that say nothing, break off or send what is no request, and while the "
        "process of the judges is stopped or killed. Measured on one machine by "
        f"`python -m nova_eval bench serve --output results`.\n\n| | |\n| --- | --- |\n{rows}\n"
    )
    files.write(folder / "serve.md", text)
    return [folder / "serve.md"]


def _samples(number: int) -> list[Sample]:
    """Different images and clips, by turns, with the scores that they have here."""
    judges: dict[str, Any] = {}

    def hold(name: str, light: bool) -> Any:
        judges[name] = judges.get(name) or JUDGES.make(name)
        return judges[name]

    def samples(benchmark: str, count: int, frames: int, asked: Mapping[str, Any]) -> list[Sample]:
        suite = load_benchmark(benchmark).suite(JUDGES_SET).prompts
        fit = [one for one in suite if set(asked.get("metrics", ())) <= set(one.tags)]
        chosen = [fit[place % len(fit)] for place in range(count)]
        made = SAMPLERS.make("oracle", {"frames": frames}).sample(chosen, list(range(count)))
        found = []
        for prompt, clip in zip(chosen, made, strict=True):
            given = clip if frames > 1 else clip[0]
            rows = scored([prompt], [given], hold, benchmark=benchmark, judges=JUDGES_SET, **asked).rows
            found.append(Sample(benchmark, prompt, clip, {row.metric: _said(row) for row in rows}, asked))
        return found

    images = samples(IMAGES, (number + 1) // 2, 1, {})
    clips = samples(CLIPS, number // 2, 5, {"metrics": (_METRIC,), "fps": _FPS})
    return [one for pair in zip_longest(images, clips) for one in pair if one is not None]


def _said(row: Any) -> tuple[float | None, float, str]:
    return row.value, row.weight, row.reason


@contextmanager
def _server(asked: ServeBench) -> Iterator[tuple[subprocess.Popen[str], str]]:
    words = ["serve", IMAGES, CLIPS, "--judges", JUDGES_SET, "--port", "0", "--queue", str(asked.queue)]
    words += ["--seconds", str(asked.seconds)]
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


def _asked(address: str, shares: Sequence[Sequence[Sample]], requests: int, tally: Tally) -> Tally:
    """Every share by a client of its own, one request after the other, all clients at a time; what they met."""
    lock = threading.Lock()

    def answered(client: Client, sample: Sample) -> Answer:
        for _ in range(_ATTEMPTS):
            try:
                return client.score(sample.frames, sample.prompt, benchmark=sample.benchmark, **sample.asked)
            except PrerequisiteError as error:
                if not str(error).endswith(_GIVEN_UP):
                    raise
                with lock:
                    tally.given_up += 1
        raise PrerequisiteError(f"no answer after {_ATTEMPTS} attempts")

    def ask(share: Sequence[Sample]) -> None:
        client = Client(address, attempts=_ATTEMPTS)
        for number in range(requests):
            sample, started = share[number % len(share)], time.perf_counter()
            try:
                said = answered(client, sample)
            except NovaEvalError as error:
                with lock:
                    tally.lost, tally.problem = tally.lost + 1, brief(error)
                continue
            rows = {row.metric: _said(row) for row in said.rows}
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


_REFUSED = r'requests_total\{path="/v1/score",status="429"\}'
_REPLACED = "\nnova_eval_judges_replaced"


def _counted(address: str, name: str) -> int:
    """A figure of the server: 0 where it has not counted yet."""
    found = re.search(rf"{name} (\d+)", answer(Call(f"{address}/metrics")).content.decode())
    return int(found[1]) if found else 0
