"""Nothing asks the network where ``--offline`` was asked for, and of verbs without that option nothing ever does."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import nova_eval
from nova_eval import environment
from nova_eval.__main__ import _code
from nova_eval.cli import app
from nova_eval.weights import catalogue

PART = "--limit 1 --samples-per-prompt 1 --workers 1 --metrics temporal_flickering"
MINE = """
import numpy as np
from nova_eval.protocols import SamplerInfo


class Mine:
    def __init__(self, offline: bool = False) -> None:
        self.info = SamplerInfo(name="mine" if offline else "asks the network", modality="video", fps=8.0)

    def sample(self, prompts, seeds):
        return [np.zeros((4, 32, 32, 3), np.uint8) for _ in seeds]
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What was asked of the network, on a machine with empty caches; each is refused."""
    found: list[Any] = []

    class Refused(socket.socket):
        def connect(self, address: Any) -> None:
            found.append(address)
            raise ConnectionRefusedError("no network in this test")

    def refuse(*words: Any, **named: Any) -> Any:
        found.append(words)
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "socket", Refused)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(environment.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "empty").mkdir()
    return found


RUN = f"run vbench --sampler noise {PART} --offline"

COMMANDS = [
    (0, RUN),
    (4, "run vbench --profile paper --offline"),
    (4, "run geneval --sampler diffusers:owner/model --variant sprites --offline"),
    (4, "run vbench --sampler mine.py:Mine --offline"),
    (4, "run geneval --sampler nova:owner/model --offline"),
    (0, f"sample vbench --sampler noise {PART} --offline"),
    (3, f"score vbench --sampler noise {PART} --offline"),
    (0, f"plan vbench --sampler noise {PART} --offline"),
    (4, "plan vbench --profile paper --offline"),
    (0, "plan geneval --sampler diffusers:owner/model --variant sprites --offline"),
    (0, f"plan vbench --sampler mine.py:Mine --variant sprites {PART} --offline"),
    (0, "plan geneval --sampler http:http://127.0.0.1:9 --set sampler.model=m --variant sprites --offline"),
    (2, "serve vbench --judges sprites --host 0.0.0.0"),  # it listens, and calls nobody
    (2, "import vbench empty --model mine --variant sprites --offline"),
    (4, "import vbench empty --model mine --offline"),
    (0, "table RUN"),
    (0, "report RUN"),
    (0, "status RUN"),
    (3, "watch empty --against RUN --once --offline"),
    (0, "export RUN out"),
    (0, "verify RUN"),
    (0, "runs list"),
    (0, "runs show RUN"),
    (0, "runs path RUN"),
    (0, "runs rename RUN another"),
    (0, "runs rm RUN --yes"),
    (2, "compare RUN RUN --gate"),
    (0, "reference save RUN reference.parquet"),
    (2, "reference update RUN reference.parquet"),
    (2, "gates calibrate RUN RUN"),
    (2, "gates power RUN"),
    (4, "crosscheck vbench RUN --offline"),
    *((0, f"list {what}") for what in ("benchmarks", "samplers", "judges", "profiles", "baselines", "dimensions")),
    (0, "list samplers nova"),
    (4, "list samplers diffusers:owner/model"),
    (0, "doctor"),
    (2, "parity empty"),
    (0, "train --example"),
    (4, "prompts fetch vbench --offline"),
    (4, "prompts verify vbench"),
    (4, "weights fetch --offline"),
    (4, "weights verify"),
    (0, "weights list"),
    (4, "bench judges --offline"),
    (2, "bench serve --clients 0"),  # which calls its own server
    (2, "bench gpu --device cuda:99"),
    (0, "bench schedule --run RUN --workers 2 --seconds 1"),
    (0, "bench intervals --distributions 'binary, samples independent' --prompts 10 --samples 1 --repetitions 2"),
    (0, "bench compare --prompts 5 --repetitions 2"),
    (0, f"bench sweep vbench --sampler noise {PART} --over sampler.height=32,48 --offline"),
]


MEASURES = [
    "bench store --samples 2 --large 20",
    "bench folder --clips 2",
    "bench engine --engines local --workers 1 --units 4",
    "bench faults --faults 1 --kinds 'manifest cut'",
    "bench fuzz --readers SOURCE.toml --cases 4",
    "bench sampler --diffusion-steps 1 --repeats 1",
    "bench geneval --images 1 --batch 1 --height 64 --width 64",
    "bench vqa --questions 1 --repeats 1",
]
"""Those that start processes of their own, or take long."""
FORBID = """
import os, socket

def refuse(*words, **named):
    with open(os.environ["ASKED_OF_THE_NETWORK"], "a") as stream:
        print(words[1:], file=stream)
    raise ConnectionRefusedError("no network in this test")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with the run that COMMANDS are about."""
    results = tmp_path_factory.mktemp("made") / "results"
    assert _code([*shlex.split(RUN), "--results", str(results)]) == 0
    return results


@pytest.mark.parametrize(("code", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_no_socket_is_opened(
    code: int, command: str, made: Path, asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = shlex.split(command)
    if "RUN" in words:
        shutil.copytree(made, "results")
        [folder] = Path("results/runs/vbench").iterdir()
        words = [str(folder) if word == "RUN" else word for word in words]
    found = _code(words)
    said = capsys.readouterr().err
    assert asked == []
    assert found == code, said


@pytest.mark.slow
@pytest.mark.parametrize("command", MEASURES)
def test_no_process_of_a_measurement_opens_a_socket(command: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FORBID)
    folders = [str(tmp_path), str(Path(nova_eval.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    found, caches = tmp_path / "asked", (environment.CACHE_VARIABLE, catalogue.FOLDER_VARIABLE, "HF_HOME")
    told = {**dict.fromkeys(caches, str(tmp_path / "empty")), "ASKED_OF_THE_NETWORK": str(found)}
    done = subprocess.run(
        [sys.executable, "-m", "nova_eval", *shlex.split(command)],
        env={**os.environ, **told, "PYTHONPATH": os.pathsep.join(folders)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not found.exists(), found.read_text()


def test_what_forbids_sockets_in_a_process_does_so(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(FORBID)
    ask = "import socket; socket.create_connection(('localhost', 9))"
    told = {**os.environ, "PYTHONPATH": str(tmp_path), "ASKED_OF_THE_NETWORK": str(tmp_path / "asked")}
    done = subprocess.run([sys.executable, "-c", ask], env=told, capture_output=True, text=True, check=False)
    assert "no network in this test" in done.stderr
    assert (tmp_path / "asked").exists()


def test_every_verb_is_tried() -> None:
    tried = {" ".join(command.split()[:2]) for command in [*(command for _, command in COMMANDS), *MEASURES]}
    for verb in app:
        if verb.startswith("-"):
            continue
        inner = [name for name in app[verb] if not name.startswith("-")]
        for name in [f"{verb} {one}" for one in inner] or [verb]:
            assert any(command.startswith(name) for command in tried), name


def test_a_sampler_of_ones_own_is_told(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _code(shlex.split(f"plan vbench --sampler mine.py:Mine --variant sprites {PART} --offline --json")) == 0
    assert json.loads(capsys.readouterr().out)["run"].startswith("vbench/mine-")
