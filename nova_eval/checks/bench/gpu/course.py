"""Parts of a measurement one after the other, each within its time, written down whenever something is found."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nova_eval import environment, files
from nova_eval.checks.bench.gpu.figures import Figure, Outcome, facts, lines
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.parity import recordings
from nova_eval.errors import UsageError, brief, unknown


@dataclass(frozen=True, slots=True)
class Part:
    """A part gets of the time that is left what its ``share`` is of those of all that are left.

    It is not begun with fewer than ``least`` seconds.
    """

    name: str
    share: float
    least: float


PARTS = (
    Part("machine", 30, 10),
    Part("parity", 60, 15),
    Part("generator", 100, 20),
    Part("judges", 100, 20),
    Part("memory", 40, 15),
    Part("overlap", 30, 15),
)
"""In the order of their worth: with less time, the last ones are left out."""

Run = Callable[[Part, GpuBench, float], Iterator[Figure]]
"""Measures a part within so many seconds. Raises Stopped when they are over, another error when it failed."""


class Stopped(Exception):
    """The time of a part is over."""


class Failed(Exception):
    """A part's process ended early, in its own words."""


def measure(asked: GpuBench, say: Callable[[str], None], run: Run | None = None) -> dict[str, Any]:
    """Every part that the time allows, and what it found; ``asked.output`` holds the same after every figure.

    What goes wrong in a part is its reason, and the next one begins.
    """
    wanted = _wanted(asked)
    run = run or in_process
    started = time.monotonic()
    found: dict[str, Any] = {
        "device": device_name(asked.device),
        "tiny": asked.tiny,
        "limit": asked.limit,
        "seconds": 0.0,
        "machine": environment.capture(),
        "parts": [],
    }
    outcomes: list[Outcome] = []

    def note() -> None:
        found.update(seconds=round(time.monotonic() - started, 2), parts=facts(outcomes))
        write(asked.output, found)

    for place, part in enumerate(wanted):
        outcome = Outcome(part.name, "measured")
        outcomes.append(outcome)
        begun, left = time.monotonic(), asked.limit - (time.monotonic() - started)
        if left < part.least:
            outcome.state, outcome.reason = "left out", f"{max(left, 0):.0f} s were left, it needs {part.least:.0f}"
            note()
            continue
        shares = sum(later.share for later in wanted[place:])
        seconds = max(left * part.share / shares, part.least)
        say(f"{part.name}: at most {seconds:.0f} s")
        try:
            for figure in run(part, asked, seconds):
                outcome.figures.append(figure)
                outcome.seconds = round(time.monotonic() - begun, 2)
                note()
        except Stopped:
            outcome.state, outcome.reason = "stopped", f"its {seconds:.0f} s were over"
        except Failed as error:
            outcome.state, outcome.reason = "failed", str(error)
        except Exception as error:
            outcome.state, outcome.reason = "failed", brief(error)
        outcome.seconds = round(time.monotonic() - begun, 2)
        note()
    return found


def write(folder: Path, found: dict[str, Any]) -> None:
    """``gpu.json`` and ``gpu.md``, whole files at every moment."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write(folder / "gpu.json", json.dumps(found, indent=1) + "\n")
    files.write(folder / "gpu.md", lines(found) + "\n")


def in_process(part: Part, asked: GpuBench, seconds: float) -> Iterator[Figure]:
    """The part in a Python of its own, killed when its time is over: an error on a GPU spoils the process it is in."""
    over = threading.Event()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command(part, asked, seconds), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):

        def stop() -> None:
            over.set()
            process.kill()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith("\n"):  # the last one of a process that was killed may be torn
                    yield Figure(**json.loads(line))
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
        if over.is_set():
            raise Stopped
        if code:
            log.seek(0)
            said = log.read().decode(errors="replace").strip().splitlines()
            raise Failed(said[-1] if said else f"ended with code {code}")


def command(part: Part, asked: GpuBench, seconds: float) -> list[str]:
    options = json.dumps(asdict(asked), default=str)
    return [sys.executable, "-m", "nova_eval.checks.bench.gpu.part", part.name, str(seconds), options]


def device_name(device: str) -> str:
    """The device's own name; the processor's for the CPU."""
    if device == "cpu":
        return environment.cpu_name()
    names, (_, _, number) = environment.devices(), device.partition(":")
    return names[int(number or 0)]


def _wanted(asked: GpuBench) -> Sequence[Part]:
    names = [part.name for part in PARTS]
    for name in asked.parts:
        if name not in names:
            raise unknown("part to measure", name, names)
    if asked.limit <= 0:
        raise UsageError(f"--limit {asked.limit:g} leaves no time", remedy="give seconds")
    if asked.recordings is not None:
        recordings.find(asked.recordings)
    return [part for part in PARTS if not asked.parts or part.name in asked.parts]
