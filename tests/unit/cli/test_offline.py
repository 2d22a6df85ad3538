"""Nothing asks the network where ``--offline`` was asked for, and of verbs without that option nothing ever does."""

from __future__ import annotations

import json
import shlex
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

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
    (2, "import vbench empty --model mine --variant sprites --offline"),
    (4, "import vbench empty --model mine --offline"),
    (0, "table RUN"),
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
    (0, "bench store --samples 2 --resume 2"),
    (4, "bench judges --offline"),
    (0, f"bench sweep vbench --sampler noise {PART} --over sampler.height=32,48 --offline"),
]


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


def test_every_verb_is_tried() -> None:
    tried = {" ".join(command.split()[:2]) for _, command in COMMANDS}
    measures = ("folder", "sampler", "geneval", "vqa", "intervals", "compare", "faults", "fuzz")
    quick = {f"bench {name}" for name in measures}
    for verb in app:
        if verb.startswith("-"):
            continue
        inner = [name for name in app[verb] if not name.startswith("-")]
        for name in [f"{verb} {one}" for one in inner] or [verb]:
            assert name in quick or any(command.startswith(name) for command in tried), name


def test_a_sampler_of_ones_own_is_told(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _code(shlex.split(f"plan vbench --sampler mine.py:Mine --variant sprites {PART} --offline --json")) == 0
    assert json.loads(capsys.readouterr().out)["run"].startswith("vbench/mine-")
