"""A watch beside a training: killed and started again, every checkpoint is tested once; what appears slowly waits."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import nova_eval
from safetensors.torch import load_file

from nova_eval.nova.embedded import EXAMPLE, MINI, PACKAGED

QUICK = ("--limit", 2, "--samples-per-prompt", 1, "--set", "sampler.ar_steps=2", "--set", "sampler.diffusion_steps=2")
HERE = ("--workers", 1)  # no processes are started
MANY = 1200.0  # seconds that nothing here takes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched") / "results"
    done = nova_eval("run", "geneval", "--name", "last", "--results", folder, *QUICK, *HERE)
    assert done.returncode == 0, done.stderr
    return folder


def watch(training: Path, results: Path, *words: object) -> list[str]:
    told = ("watch", training, "--against", "last", "--results", results, "--settle", 1, "--poll", 0.2, *HERE, *words)
    return [sys.executable, "-m", "nova_eval", *map(str, told)]


def points(results: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in results.glob("watch/*/*/trend.jsonl")
        for line in path.read_text().split("\n")
        if line
    ]


def until(results: Path, number: int) -> None:
    """Waits for so many points."""
    end = time.monotonic() + MANY
    while len(points(results)) < number:
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_training_of_a_dozen_checkpoints_with_a_watch_that_is_killed(
    results: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out"
    text = EXAMPLE.read_text(encoding="utf-8").replace("runs/example", str(out)).replace("items = 64", "items = 8")
    text = text.replace("steps = 20", "steps = 12").replace("batch = 8", "batch = 2")
    (tmp_path / "train.toml").write_text(
        text.replace("save_every", "checkpoint_every = 1\nsave_every"), encoding="utf-8"
    )
    own = tmp_path / "results"
    shutil.copytree(results, own)
    out.mkdir()
    processes.append(subprocess.Popen(watch(out, own)))
    training = nova_eval("train", tmp_path / "train.toml")
    assert training.returncode == 0, training.stderr
    for number in (2, 5):
        until(own, number)
        processes[-1].kill()
        processes[-1].wait()
        processes.append(subprocess.Popen(watch(out, own)))
    until(own, 8)
    processes[-1].kill()
    processes[-1].wait()
    done = subprocess.run(watch(out, own, "--once", "--json"), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    names = [f"checkpoints/t2i-{step:06d}" for step in range(1, 12)] + ["checkpoints/t2i"]
    assert [one["name"] for one in told["checkpoints"]] == names
    assert sorted(point["look"] for point in points(own)) == list(range(1, 13))
    assert all(point["complete"] and not point["problem"] for point in points(own))
    runs = sorted(path.name for path in own.glob("runs/geneval/*") if path.name != "last")
    assert len(runs) == 12
    [trend] = own.glob("watch/geneval/*")
    shutil.move(trend, tmp_path / "before")
    again = subprocess.run(watch(out, own, "--once"), capture_output=True, text=True, check=False)
    assert again.returncode == done.returncode
    [trend] = own.glob("watch/geneval/*")
    if [point["name"] for point in points(own)] == [
        json.loads(line)["name"] for line in (tmp_path / "before" / "trend.jsonl").read_text().splitlines()
    ]:
        assert (trend / "trend.jsonl").read_bytes() == (tmp_path / "before" / "trend.jsonl").read_bytes()
    assert sorted(path.name for path in own.glob("runs/geneval/*") if path.name != "last") == runs


def test_what_nova_s_trainer_leaves_while_its_files_appear_slowly(
    results: Path, tmp_path: Path, processes: list[subprocess.Popen[str]]
) -> None:
    out = tmp_path / "run7"
    weights = load_file(PACKAGED / "transformer" / "diffusion_pytorch_model.safetensors")
    torch.save(weights, tmp_path / "whole.bin")
    data = (tmp_path / "whole.bin").read_bytes()
    out.mkdir()
    (out / "config.yaml").write_text(
        f"root: {PACKAGED}\nmodel: {{name: transformer}}\npipeline:\n  paths:\n    pretrained_path: ${{root}}\n"
        + "    module_dict:\n"
        + "".join(
            f"      {part}: ${{pipeline.paths.pretrained_path}}/{part}\n"
            for part in ("vae", "text_encoder", "tokenizer", "scheduler")
        ),
        encoding="utf-8",
    )
    own = tmp_path / "results"
    shutil.copytree(results, own)
    processes.append(subprocess.Popen(watch(out, own), stderr=subprocess.PIPE, text=True))
    for step in (500, 1000):
        for series in ("checkpoints", "ema_checkpoints"):
            part = out / series / f"checkpoint-{step}" / "transformer"
            part.mkdir(parents=True)
            shutil.copy(PACKAGED / "transformer" / "config.json", part)
            with (part / "diffusion_pytorch_model.bin").open("wb") as stream:
                for start in range(0, len(data), len(data) // 8):
                    stream.write(data[start : start + len(data) // 8])
                    stream.flush()
                    time.sleep(0.5)
    torn = out / "checkpoints" / "checkpoint-1500" / "transformer"
    torn.mkdir(parents=True)
    shutil.copy(PACKAGED / "transformer" / "config.json", torn)
    (torn / "diffusion_pytorch_model.bin").write_bytes(data[: len(data) // 2])
    until(own, 5)
    processes[-1].terminate()
    said = processes[-1].communicate()[1]
    assert processes[-1].returncode == 130
    assert "checkpoints/checkpoint-500 is still being written" in said
    found = {point["name"]: point for point in points(own)}
    assert found.pop("checkpoints/checkpoint-1500")["problem"]
    assert {name: (one["kind"], one["step"]) for name, one in found.items()} == {
        "checkpoints/checkpoint-500": ("raw", 500),
        "ema_checkpoints/checkpoint-500": ("averaged", 500),
        "checkpoints/checkpoint-1000": ("raw", 1000),
        "ema_checkpoints/checkpoint-1000": ("averaged", 1000),
    }
    assert all(one["complete"] for one in found.values())
    assert {claim["verdict"] for one in found.values() for claim in one["against"].values()} <= {
        "no worse than the gate",
        "cannot tell",
    }
    assert not list(own.glob("runs/geneval/*1500*"))
    (torn / "diffusion_pytorch_model.bin").write_bytes(data)
    done = subprocess.run(watch(out, own, "--once", "--base", MINI), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {point["name"]: point for point in points(own)}
    assert len(found) == 5
    assert not any(point["problem"] for point in found.values())
