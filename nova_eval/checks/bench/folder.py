"""What looking at a large folder of finished clips costs the first time, and when it is known already."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nova_eval import media
from nova_eval.checks.bench.options import FolderBench
from nova_eval.config import CUSTOM
from nova_eval.environment import CACHE_VARIABLE
from nova_eval.errors import PrerequisiteError

_KINDS = 16  # different clips; every file has an inode of its own
_SETTLING = 3.0  # seconds until a file that was just written is remembered


def measure(asked: FolderBench) -> dict[str, float | int]:
    """Processor seconds, wall seconds and MiB at the peak of `plan` and `sample` as commands of their own."""
    figures: dict[str, float | int] = {"clips": asked.clips}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "clips"
        _fill(folder, asked.clips)
        time.sleep(_SETTLING)
        run = ["vbench", "--sampler", f"folder:{folder}", "--variant", CUSTOM, "--results", f"{name}/results"]
        for turn, verb in (("first", "plan"), ("second", "plan"), ("recording", "sample"), ("again", "sample")):
            cpu, wall, peak = _command([verb, *run], Path(name) / "cache")
            figures |= {
                f"{turn}_{verb}_cpu_seconds": round(cpu, 2),
                f"{turn}_{verb}_wall_seconds": round(wall, 2),
                f"{turn}_{verb}_peak_mib": round(peak, 1),
            }
    return figures


def lines(figures: Mapping[str, float | int]) -> str:
    """The figures for people."""
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items())


def _fill(folder: Path, clips: int) -> None:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (_KINDS, 9, 48, 64, 3), dtype=np.uint8)
    kinds = [media.encode_video(clip, 8.0) for clip in noise]
    for number in range(clips):
        (folder / f"clip {number:05d}.mp4").write_bytes(kinds[number % _KINDS])


def _command(words: Sequence[str], cache: Path) -> tuple[float, float, float]:
    """Processor seconds, wall seconds and MiB of a command with a cache of its own."""
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "nova_eval", *words],
            env={**os.environ, CACHE_VARIABLE: str(cache)},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise PrerequisiteError(f"`{' '.join(words[:2])}` failed: {said.read().decode(errors='replace')[-300:]}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / 1024
