"""Invariance: killed, cut into shards, spread or shuffled, a run holds the same in the end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from runs import nova_eval, only_run

from nova_eval.checks.bench.faults.holding import facts

ORACLE = ("run", "vbench", "--sampler", "oracle")
SMALL = (*ORACLE, "--limit", "8", "--samples-per-prompt", "2")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return whole_run(SMALL, tmp_path_factory.mktemp("undisturbed"))


def whole_run(words: tuple[str, ...], results: Path) -> dict[str, Any]:
    done = nova_eval(*words, "--results", results, "--workers", 1)
    assert done.returncode == 0, done.stderr
    return facts(only_run(results))


def kill_and_finish(
    words: tuple[str, ...], results: Path, *, workers: int, kills: int, most_rows: int, seed: int
) -> tuple[int, dict[str, Any]]:
    """Starts the run again and again, ends it with SIGKILL once it has written 0 to ``most_rows`` more rows, and a
    random moment later; then lets it finish. Returns how many kills struck a live run, and what the run holds.
    """
    pick = random.Random(seed)
    command = [sys.executable, "-m", "nova_eval", *words, "--results", str(results), "--workers", str(workers)]
    command += ["--set", "batch=1"]
    struck = 0
    for _ in range(kills):
        target = rows(results) + pick.randint(0, most_rows)
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while rows(results) < target and process.poll() is None:
            time.sleep(0.005)
        time.sleep(pick.uniform(0, 0.05))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            struck += 1
        process.wait()
    return struck, whole_run(words, results)


def rows(results: Path) -> int:
    """How many lines all shards of all runs hold by now."""
    return sum(path.read_bytes().count(b"\n") for path in results.glob("runs/*/*/s[ac]*/**/*.jsonl"))


def test_a_run_killed_at_random_moments_ends_like_an_undisturbed_one(
    undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    struck, held = kill_and_finish(SMALL, tmp_path, workers=1, kills=6, most_rows=5, seed=1)
    assert struck == 6
    assert held == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_killed_thirty_times_ends_like_an_undisturbed_one(tmp_path: Path, workers: int) -> None:
    words = (*ORACLE, "--limit", "100", "--samples-per-prompt", "4")
    struck, held = kill_and_finish(words, tmp_path / "killed", workers=workers, kills=30, most_rows=25, seed=2)
    assert struck == 30
    assert held == whole_run(words, tmp_path / "undisturbed")


def test_shards_add_up_to_the_whole(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    for shard in ("1/3", "2/3", "3/3"):
        done = nova_eval(*SMALL, "--results", tmp_path, "--shard", shard, "--workers", 1)
        assert done.returncode == 0, done.stderr
    done = nova_eval(*SMALL, "--results", tmp_path, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert facts(only_run(tmp_path)) == undisturbed


def test_a_shard_makes_and_scores_its_own_part_alone(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    made: list[set[Path]] = []
    for shard in ("1/3", "2/3", "3/3"):
        done = nova_eval("sample", *SMALL[1:], "--results", tmp_path / shard[0], "--shard", shard, "--workers", 1)
        assert done.returncode in (0, 3), done.stderr
        run = only_run(tmp_path / shard[0])
        made.append({path.relative_to(run) for path in run.glob("media/**/*.mp4")})
    assert all(made)
    assert sum(map(len, made)) == len(set().union(*made)) == len(undisturbed["media"])


def test_two_processes_and_a_shuffled_order_change_nothing(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    done = nova_eval(*SMALL, "--results", tmp_path, "--workers", 2, "--set", "order=shuffled:3", "--set", "batch=3")
    assert done.returncode == 0, done.stderr
    assert facts(only_run(tmp_path)) == undisturbed


def test_a_second_run_makes_nothing_anew(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    nova_eval(*SMALL, "--results", tmp_path, "--workers", 1)
    before = {path: path.stat().st_mtime_ns for path in only_run(tmp_path).glob("media/**/*.mp4")}
    done = nova_eval(*SMALL, "--results", tmp_path, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in only_run(tmp_path).glob("media/**/*.mp4")} == before
    assert "sampling" not in done.stderr
    assert "scoring" not in done.stderr


def test_a_longer_run_goes_on_from_a_shorter_one(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    shorter = nova_eval(*ORACLE, "--limit", 3, "--samples-per-prompt", 1, "--results", tmp_path, "--workers", 1)
    assert shorter.returncode == 0, shorter.stderr
    done = nova_eval(*SMALL, "--results", tmp_path, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "sampling 13/13" in done.stderr
    assert facts(only_run(tmp_path)) == undisturbed
