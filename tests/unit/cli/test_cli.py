"""Interface: start-up, exit codes, one clear line for bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nova_eval.environment import cpu_count

ROOT = Path(__file__).resolve().parents[3]
SAMPLERS = {"oracle", "noise", "folder", "nova", "diffusers"}


def call(*words: object, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nova_eval", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd, env={**os.environ, **env}
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("nova-eval: ")]
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["list", "benchmarks"], ["list", "samplers"], ["report", "--help"], ["--version"]],
)
def test_starts_without_torch(words: list[str]) -> None:
    probe = (
        "import sys\nfrom nova_eval.__main__ import main\n"
        f"sys.argv = ['nova-eval', *{words!r}]\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'transformers', 'diffusers', 'cv2', 'av', 'pandas', 'scipy'} & set(sys.modules)\n"
        "    print('heavy:', sorted(heavy), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stderr


def test_lists_are_json_when_asked() -> None:
    names = {row["name"] for row in json.loads(call("list", "samplers", "--json").stdout)}
    assert names >= SAMPLERS
    rows = json.loads(call("list", "baselines", "--json").stdout)
    assert any(row["name"] == "NOVA" and row["benchmark"] == "vbench" and row["source"] for row in rows)


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["run", "vbnch"], 2, "unknown benchmark 'vbnch'; did you mean 'vbench'?"),
        (["run", "vbench", "--sampler", "orcale"], 2, "did you mean 'oracle'?"),
        (["run", "vbench", "--metrics", "colour"], 2, "did you mean 'color'?"),
        (["run", "vbench", "--sampler", "folder:/nowhere/at/all"], 2, "does not exist"),
        (["run", "vbench", "--config", "/nowhere.toml"], 2, "no such file: /nowhere.toml"),
        (["table", "nothing"], 2, "unknown run 'nothing'"),
        (["table"], 2, "no run was named"),
        (["parity", "/nowhere"], 2, "no such folder: /nowhere"),
        (["prompts", "fetch", "vbench", "--offline"], 4, "is not in"),
    ],
)
def test_bad_input_is_one_line_with_the_right_exit_code(tmp_path: Path, words: list[str], code: int, line: str) -> None:
    done = call(*words, cwd=tmp_path, NOVA_EVAL_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, line in one_line(done)) == (code, True), done.stderr


def test_unknown_options_are_usage_errors(tmp_path: Path) -> None:
    done = call("run", "vbench", "--smapler", "oracle", cwd=tmp_path)
    assert done.returncode == 2
    assert "Did you mean --sampler?" in one_line(done)


def test_a_results_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    done = call("run", "vbench", "--sampler", "oracle", "--limit", 1, cwd=tmp_path)
    assert done.returncode == 4
    assert "cannot write" in one_line(done)


def test_a_corrupted_shard_is_one_line_and_nothing_is_touched(tmp_path: Path) -> None:
    words = ("run", "vbench", "--sampler", "oracle", "--limit", 2, "--samples-per-prompt", 1, "--workers", 1)
    assert call(*words, cwd=tmp_path).returncode == 0
    (shard,) = tmp_path.glob("results/runs/vbench/*/samples/*.jsonl")
    broken = shard.read_bytes().replace(b"frames", b"fr\x00mes", 1)
    shard.write_bytes(broken)
    done = call(*words, cwd=tmp_path)
    assert done.returncode == 4
    assert f"{shard.name}, line 1: not a whole row" in one_line(done)
    assert shard.read_bytes() == broken


def test_the_readmes_sampler_runs(tmp_path: Path) -> None:
    source = (ROOT / "README.md").read_text(encoding="utf-8").partition("```python\n# mine.py\n")[2].partition("```")[0]
    (tmp_path / "mine.py").write_text(source, encoding="utf-8")
    done = call(
        *("run", "vbench", "--variant", "sprites", "--sampler", "mine.py:Mine", "--set", "sampler.frames=9"),
        *("--limit", 2, "--samples-per-prompt", 1, "--metrics", "object_class", "temporal_flickering", "--json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["coverage"]["fraction"] == 1
    assert answer["model"] == "mine"
    assert {metric["name"] for metric in answer["metrics"]} == {"object_class", "temporal_flickering"}


def test_the_embedded_world_uses_every_core_and_no_accelerator() -> None:
    outline = json.loads(call("plan", "vbench", "--limit", 1, "--json").stdout)
    assert outline["workers"] == cpu_count()
    assert outline["unavailable"] == {}


def test_help_takes_a_moment() -> None:
    best = min(_seconds("--help") for _ in range(3))
    assert best < 2  # a guard against importing the world; `--help` takes about 0.2 s on an idle core


def _seconds(*words: str) -> float:
    started = time.perf_counter()
    assert call(*words).returncode == 0
    return time.perf_counter() - started
