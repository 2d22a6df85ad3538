"""What people mistype: one line on standard error that says what, where and the remedy, the exit code, and no trace."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from nova_eval import environment
from nova_eval.__main__ import _code
from nova_eval.media import encode_image
from nova_eval.nova.embedded import EXAMPLE
from nova_eval.weights import catalogue

USAGE, MISSING = 2, 4

FILES = {
    "mine.py": """
import numpy as np
from nova_eval.protocols import SamplerInfo


class Mine:
    def __init__(self, frames: int = 4, fps: float = 8.0) -> None:
        self.frames = frames
        self.info = SamplerInfo(name="mine", modality="video", fps=fps, settings={"frames": frames})

    def sample(self, prompts, seeds):
        return [np.zeros((self.frames, 32, 32, 3), np.uint8) for _ in seeds]


class Bare:
    def sample(self, prompts, seeds):
        return []


class Still(Mine):
    def __init__(self) -> None:
        super().__init__(fps=0.0)
""",
    "broken.py": "import nothing_that_exists\n",
    "typing_error.py": "class Mine\n",
    "bad.toml": "seed = \n",
    "keys.toml": "sede = 3\n",
    "types.toml": "limit = 'many'\n",
    "inner.toml": "[sampler]\nheigth = 64\n",
    "prompts.json": "[{]",
    "empty.txt": "\n",
    "notes.docx": "text",
    "odd/notes.txt": "text",
    "model/weights.bin": "nothing",
    "training.toml": "stepz = 3\n",
}

MISTAKES: list[tuple[str, int, str]] = [
    # names
    ("run vbnch", USAGE, "unknown benchmark 'vbnch'; did you mean 'vbench'?"),
    ("rnu vbench", USAGE, "run"),
    ("run", USAGE, "BENCHMARK"),
    ("run mine.py", USAGE, "run BENCHMARK --sampler mine.py:Mine"),
    ("run vbench --sampler mine.py", USAGE, "mine.py:Mine"),
    ("run vbench --smapler oracle", USAGE, "--sampler"),
    ("run vbench --sampler orcale", USAGE, "did you mean 'oracle'?"),
    ("run vbench --sampler oracle:fast", USAGE, "takes no argument"),
    ("run vbench --sampler nowhere.py:Mine", USAGE, "'nowhere.py' does not exist"),
    ("run vbench --sampler mine.py:mine", USAGE, "did you mean 'Mine'?"),
    ("run vbench --variant offical", USAGE, "did you mean 'official'?"),
    ("run geneval --variant spirtes", USAGE, "did you mean 'sprites'?"),
    ("run vbench --profile maxi", USAGE, "did you mean 'mini'?"),
    ("run vbench --metrics colour", USAGE, "did you mean 'color'?"),
    ("run geneval --metrics color", USAGE, "did you mean 'colors'?"),
    ("run vbench --judges offical", USAGE, "did you mean 'official'?"),
    ("run vbench --scoring both", USAGE, "official"),
    ("run vbench --set sede=3", USAGE, "did you mean 'seed'?"),
    ("run vbench --set sampler.heigth=64", USAGE, "did you mean 'height'?"),
    ("run vbench --set codec=h265", USAGE, "did you mean 'h264'?"),
    ("run vbench --set seed", USAGE, "key=value"),
    ("list benchmark", USAGE, "benchmarks"),
    ("list samplers orcale", USAGE, "did you mean 'oracle'?"),
    ("table nothing", USAGE, "unknown run 'nothing'"),
    ("table", USAGE, "no run was named"),
    ("table odd", USAGE, "unknown run 'odd'"),
    ("score vbench/none", USAGE, "vbench"),
    ("verify nothing", USAGE, "unknown run 'nothing'"),
    ("weights fetch viclp --offline", USAGE, "viclip"),
    ("prompts fetch vbnch --offline", USAGE, "did you mean 'vbench'?"),
    # types
    ("run vbench --limit many", USAGE, "limit"),
    ("run vbench --limit 0", USAGE, "limit"),
    ("run vbench --limit 1.5", USAGE, "whole number"),
    ("run vbench --seed -1", USAGE, "seed"),
    ("run vbench --seed seven", USAGE, "seed"),
    ("run vbench --samples-per-prompt all", USAGE, "samples-per-prompt"),
    ("run vbench --samples-per-prompt 0", USAGE, "must be 1 to 100000"),
    ("run vbench --shard 5/4", USAGE, "--shard 1/4"),
    ("run vbench --order random", USAGE, "shuffled:<seed>"),
    ("run vbench --batch 0", USAGE, "batch"),
    ("run vbench --workers -1", USAGE, "workers"),
    ("run vbench --unit-timeout soon", USAGE, "unit-timeout"),
    ("run vbench --set sampler.ar_steps=1.5", USAGE, "1.5 is not a whole number (default 64)"),
    ("run vbench --set sampler.ar_steps=0", USAGE, "ar_steps"),
    ("run vbench --set sampler.guidance_scale=high", USAGE, "'high' is not a number"),
    ("run vbench --set sampler.height=abc", USAGE, "'abc' is not a whole number"),
    ("run vbench --set sampler.height=50", USAGE, "nearest size"),
    ("run vbench --set sampler.height=-64", USAGE, "nearest size"),
    ("run vbench --set sampler.temperature=-1", USAGE, "temperature"),
    ("run vbench --set sampler.dtype=fp16", USAGE, "float16"),
    ("run vbench --set sampler.fps=0", USAGE, "frames a second"),
    ("run vbench --sampler oracle --set sampler.strength=2", USAGE, "0 … 1"),
    ("run vbench --sampler oracle --set sampler.corruption=blurr", USAGE, "did you mean 'blur'?"),
    ("run vbench --sampler mine.py:Mine --variant sprites --set sampler.frames=few", USAGE, "'few' is not a whole"),
    # devices
    ("run vbench --device cuda", USAGE, "here are auto, cpu"),
    ("run vbench --device cuda:7", USAGE, "here are auto, cpu"),
    ("run vbench --device gpu", USAGE, "here are auto, cpu"),
    ("run vbench --device CPU", USAGE, "here are auto, cpu"),
    ("run vbench --set sampler.device=gpu", USAGE, "here are auto, cpu"),
    ("bench sampler --device gpu", USAGE, "here are auto, cpu"),
    ("bench vqa --dtype fp16", USAGE, "float16"),
    ("train device.toml", USAGE, "here are auto, cpu"),
    ("plan vbench --device h20", USAGE, "h200"),
    ("score vbench --device gpu", USAGE, "here are auto, cpu"),
    # paths and files
    ("run vbench --config none.toml", USAGE, "no such file: none.toml"),
    ("run vbench --config bad.toml", USAGE, "bad.toml"),
    ("run vbench --config keys.toml", USAGE, "did you mean 'seed'?"),
    ("run vbench --config types.toml", USAGE, "limit"),
    ("run vbench --config inner.toml", USAGE, "did you mean 'height'?"),
    ("run vbench --prompts none.txt", USAGE, "none.txt"),
    ("run vbench --prompts prompts.json", USAGE, "prompts.json"),
    ("run vbench --prompts empty.txt", USAGE, "empty.txt"),
    ("run vbench --prompts notes.docx", USAGE, "notes.docx"),
    ("run vbench --sampler folder", USAGE, "folder:<folder>"),
    ("run vbench --sampler folder:nowhere", USAGE, "does not exist"),
    ("run vbench --sampler folder:mine.py", USAGE, "is a file"),
    ("run vbench --sampler nova:nowhere", MISSING, "no checkpoint folder 'nowhere'"),
    ("run vbench --sampler nova:model", MISSING, "not a NOVA checkpoint"),
    ("run vbench --sampler diffusers:model", USAGE, "model_index.json"),
    ("run vbench --sampler broken.py:Mine", USAGE, "nothing_that_exists"),
    ("run vbench --sampler typing_error.py:Mine", USAGE, "SyntaxError"),
    ("run vbench --sampler mine.py:Bare --variant sprites", USAGE, "SamplerInfo"),
    ("run vbench --sampler mine.py:Still --variant sprites", USAGE, "frames a second"),
    ("train none.toml", USAGE, "none.toml"),
    ("train training.toml", USAGE, "stepz"),
    ("train", USAGE, "train --example"),
    ("parity nowhere", USAGE, "no such folder: nowhere"),
    # what is not here
    ("run vbench --sampler mine.py:Mine --offline", MISSING, "prompts fetch vbench"),
    ("run vbench --variant official --offline", MISSING, "prompts fetch vbench"),
    ("run vbench --sampler folder:videos --offline", MISSING, "--variant custom"),
    ("run vbench --profile paper --offline", MISSING, "local hub cache"),
    ("run geneval --sampler diffusers:owner/model --variant sprites --offline", MISSING, "local hub cache"),
    ("prompts fetch vbench --offline", MISSING, "prompts fetch vbench"),
    ("weights fetch dino_vitb16 --offline", MISSING, "offline"),
    ("run vbench --prompts empty.txt --variant official", USAGE, "empty.txt"),
    # what does not go together
    ("run geneval --sampler mine.py:Mine --variant sprites", USAGE, "makes videos, geneval judges images"),
    ("run vbench --sampler noise --set sampler.frames=1", USAGE, "makes images, vbench judges videos"),
    ("run vbench --variant custom", USAGE, "--prompts FILE"),
    ("run vbench --sampler folder:videos --variant sprites", USAGE, "videos"),
    ("run geneval --sampler folder:videos --variant sprites", USAGE, "videos"),
    ("import vbench videos", USAGE, "--model"),
    ("import vbench nowhere --model mine --variant sprites", USAGE, "does not exist"),
    ("import vbench videos --model mine --variant sprites", USAGE, "videos"),
    ("import vbench videos --model ''", USAGE, "--model is empty"),
    ("export nothing out", USAGE, "unknown run 'nothing'"),
    ("crosscheck geneval run", USAGE, "vbench"),
    ("crosscheck vbench nothing", USAGE, "unknown run 'nothing'"),
    ("bench store --samples 1.5", USAGE, "1.5 is not a whole number"),
    ("plan vbench --device gpu", USAGE, "unknown device 'gpu'"),
    ("bench sweep vbench", USAGE, "--over"),
]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what people have lying about, on a machine without accelerator, weights or official prompts."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "holiday.png").write_bytes(encode_image(_black()))
    (tmp_path / "cache").mkdir()
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(environment.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(catalogue.FOLDER_VARIABLE, str(tmp_path / "weights"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(environment, "devices", list)
    (tmp_path / "device.toml").write_text(EXAMPLE.read_text().replace("\n", '\ndevice = "gpu"\n', 1))
    return tmp_path


def _black() -> Any:
    import numpy as np

    return np.zeros((16, 16, 3), np.uint8)


def _all(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.mark.parametrize(("command", "code", "line"), MISTAKES, ids=[command for command, *_ in MISTAKES])
def test_a_mistake_is_one_line_and_leaves_nothing(
    command: str, code: int, line: str, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _all(desk)
    found = _code(shlex.split(command))
    said = capsys.readouterr()
    assert (found, said.out) == (code, ""), said.err
    [told] = said.err.splitlines()
    assert told.startswith("nova-eval: ")
    assert line in told
    assert len(told) < 600
    assert _all(desk) == before


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("diffusers", "run geneval --sampler diffusers:pipeline --variant sprites"),
        ("huggingface_hub", "run geneval --sampler diffusers:owner/model --variant sprites --offline"),
        ("huggingface_hub", "run geneval --sampler nova:owner/model"),
    ],
)
def test_a_missing_package_is_one_line_with_the_extra_that_brings_it(
    package: str, command: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (desk / "pipeline").mkdir()
    (desk / "pipeline" / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    before = _all(desk)
    assert _code(shlex.split(command)) == MISSING
    [told] = capsys.readouterr().err.splitlines()
    assert "pip install 'nova_eval[nova]'" in told
    assert _all(desk) == before
