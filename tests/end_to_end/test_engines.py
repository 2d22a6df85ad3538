"""The same rows, bytes and tables whoever works: processes, split ones, actors, nodes that come and go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_eval.checks.bench.faults import holding
from nova_eval.checks.bench.faults.case import only_run

ROOT = Path(__file__).resolve().parents[2]
SLOWLY = """
import time
import numpy as np
from nova_eval.protocols import SamplerInfo


class Slowly:
    light = True
    info = SamplerInfo("slowly", "image")

    def sample(self, prompts, seeds):
        time.sleep(0.25 * len(seeds))
        return [np.random.default_rng(seed).integers(0, 256, (1, 48, 48, 3), np.uint8) for seed in seeds]
"""
ENVIRON = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
pytestmark = pytest.mark.slow


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    file = tmp_path / "slowly.py"
    file.write_text(SLOWLY)
    asked = ["--variant", "sprites", "--limit", "12", "--samples-per-prompt", "4", "--batch", "2", "--json"]
    return [sys.executable, "-m", "nova_eval", "run", "geneval", "--sampler", f"{file}:Slowly", *asked]


def finished(words: list[str], results: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(
        [*words, "--results", str(results), *more],
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    return facts(results)


def facts(results: Path) -> dict[str, Any]:
    run = only_run(results)
    assert holding.doubled(run) == 0
    assert holding.temporary(results) == []
    return holding.facts(run)


def test_split_processes_and_actors_make_the_same_run(words: list[str], tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    one = finished(words, tmp_path / "one", "--workers", "1")
    assert len(one["samples"]) == 48
    assert finished(words, tmp_path / "split", "--devices", "sample=2,score=1") == one
    for workers in ("1", "2", "4"):
        assert finished(words, tmp_path / f"ray {workers}", "--engine", "ray", "--workers", workers) == one
    assert finished(words, tmp_path / "ray split", "--engine", "ray", "--devices", "sample=1,score=1") == one
    assert finished(words, tmp_path / "ray 2", "--engine", "ray", "--workers", "2") == one  # nothing is left to do


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        ray.shutdown()
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def test_nodes_that_are_killed_and_added_while_a_run_is_at_work_change_nothing(
    words: list[str], tmp_path: Path, cluster: Any
) -> None:
    one = finished(words, tmp_path / "one", "--workers", "2")
    first, second = cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)
    results = tmp_path / "ray"
    run = subprocess.Popen(
        [*words, "--results", str(results), "--engine", "ray", "--address", cluster.address],
        env=ENVIRON,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(results, 6)
    cluster.remove_node(first, allow_graceful=False)
    wait_for(results, 14)
    cluster.add_node(num_cpus=1)
    wait_for(results, 24)
    cluster.remove_node(second, allow_graceful=False)
    _, error = run.communicate(timeout=300)
    assert run.returncode == 0, error
    assert facts(results) == one
    log = (only_run(results) / "logs" / "run.log").read_text()
    assert len({line.rpartition(" of node ")[2] for line in log.splitlines() if "started on cpu of node" in line}) == 3
    assert log.count("node or actor is gone") >= 2


def test_a_cluster_whose_head_is_gone_ends_the_run_in_one_line_and_keeps_what_is_done(
    words: list[str], tmp_path: Path, cluster: Any
) -> None:
    """For a while it goes on without; then it would be ended by Ray, with another code."""
    cluster.add_node(num_cpus=1)
    results = tmp_path / "ray"
    words[words.index("--samples-per-prompt") + 1] = "25"
    more = ["--results", str(results), "--engine", "ray", "--address", cluster.address]
    run = subprocess.Popen([*words, *more], env=ENVIRON, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(results, 6)
    cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
    _, error = run.communicate(timeout=300)
    assert run.returncode == 4, error
    [line] = [text for text in error.splitlines() if text.startswith("nova-eval: ")]
    assert "the head of the Ray cluster" in line
    assert len(facts(results)["samples"]) >= 6


def wait_for(results: Path, samples: int) -> None:
    deadline = time.monotonic() + 400
    while len(list(results.glob("runs/*/*/media/*/*/*.png"))) < samples:
        assert time.monotonic() < deadline, "nothing goes on"
        time.sleep(0.1)
