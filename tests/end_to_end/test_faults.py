"""Faults: a sampler that fails, a worker that dies, media that is lost. Nothing finished is lost, nothing is hidden."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from runs import metrics, nova_eval, only_run

SAMPLER = """
import os
from pathlib import Path
import numpy as np
from nova_eval.protocols import SamplerInfo

HERE = Path(__file__).parent

class Fragile:
    light = True

    def __init__(self):
        self.info = SamplerInfo(name="fragile", modality="video", fps=8.0)

    def sample(self, prompts, seeds):
        return [self.one(prompt, seed) for prompt, seed in zip(prompts, seeds)]

    def one(self, prompt, seed):
        number = int(prompt.id.rpartition("/")[2])
        if (HERE / "broken").exists() and number % 2:
            raise RuntimeError("no such thought")
        deadly = HERE / "deadly"
        if deadly.exists() and number % 3 == 0:
            deadly.unlink(missing_ok=True)
            os._exit(9)
        return np.random.default_rng(seed).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
"""
PART = ("--metrics", "temporal_flickering", "object_class", "--limit", 6, "--samples-per-prompt", 2)


@pytest.fixture
def fragile(tmp_path: Path) -> Path:
    path = tmp_path / "fragile.py"
    path.write_text(SAMPLER)
    return path


def run(fragile: Path, *words: object) -> object:
    results = fragile.parent / "results"
    return nova_eval(
        "run",
        "vbench",
        "--variant",
        "sprites",
        "--sampler",
        f"{fragile}:Fragile",
        *PART,
        "--results",
        results,
        "--json",
        *words,
    )


def test_a_failing_prompt_becomes_a_row_and_is_tried_again(fragile: Path) -> None:
    (fragile.parent / "broken").touch()
    done = run(fragile, "--workers", 1)
    assert done.returncode == 3, done.stderr
    coverage = json.loads(done.stdout)["coverage"]
    assert 0 < coverage["scored"] < coverage["wanted"]
    assert {missing["reason"] for missing in coverage["missing"]} == {"sampler failed: RuntimeError: no such thought"}
    (fragile.parent / "broken").unlink()
    done = run(fragile, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["coverage"]["fraction"] == 1


def test_a_worker_that_dies_is_replaced_and_its_unit_done(fragile: Path) -> None:
    (fragile.parent / "deadly").touch()
    done = run(fragile, "--workers", 2, "--set", "batch=1")
    assert done.returncode == 0, done.stderr
    assert not (fragile.parent / "deadly").exists()
    assert json.loads(done.stdout)["coverage"]["fraction"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who is alive")
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nova_eval", "run", "vbench", "--sampler", "oracle"]
    command += ["--workers", "2", "--results", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("runs/*/*/samples/*.jsonl")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.05)
    workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    assert len(workers) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in workers)


def _runs(pid: int) -> bool:
    try:
        return (
            "nova_eval" in Path(f"/proc/{pid}/cmdline").read_text()
            or "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
        )
    except OSError:
        return False


def test_lost_media_is_made_anew_with_the_same_bytes(fragile: Path) -> None:
    run(fragile)
    media = sorted(only_run(fragile.parent / "results").glob("media/**/*.mp4"))
    before = [path.read_bytes() for path in media]
    media[0].unlink()
    media[1].write_bytes(before[1][:100])
    done = run(fragile)
    assert done.returncode == 0, done.stderr
    assert "sampling 2/2" in done.stderr
    assert [path.read_bytes() for path in media] == before


def test_media_that_was_changed_behind_our_back_is_not_scored(fragile: Path) -> None:
    run(fragile)
    folder = only_run(fragile.parent / "results")
    path = sorted(folder.glob("media/**/*.mp4"))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    for scores in folder.glob("scores/*/*.jsonl"):
        scores.unlink()
    done = run(fragile)
    assert done.returncode == 3
    (missing,) = json.loads(done.stdout)["coverage"]["missing"]
    assert "not the bytes that were sampled" in missing["reason"]


def test_the_official_count_filters_still_clips(tmp_path: Path) -> None:
    """25 raw clips a prompt: those that move are left out, at most five still ones count."""
    words = ("--samples-per-prompt", "official", "--metrics", "temporal_flickering", "--limit", 2, "--json")
    still = nova_eval("run", "vbench", "--sampler", "oracle", *words, "--results", tmp_path)
    assert still.returncode == 0, still.stderr
    (metric,) = json.loads(still.stdout)["metrics"]
    assert (metric["samples"], metric["excluded"]) == (10, 40)
    noisy = nova_eval("run", "vbench", "--sampler", "noise", *words, "--results", tmp_path)
    assert metrics(noisy)["temporal_flickering"] is None
