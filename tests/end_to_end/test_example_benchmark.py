"""A benchmark of another package, installed beside nova_eval, does all that the package's own do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "example_benchmark"
SIZE = ("--limit", "3", "--samples-per-prompt", "2", "--workers", "1")


def install(target: Path) -> None:
    """What an installer leaves of the package: its modules, and its entry points beside its name and version."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shutil.copytree(PACKAGE / project["name"], target / project["name"])
    facts = target / f"{project['name']}-{project['version']}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    text = "".join(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups)
    (facts / "entry_points.txt").write_text(text)


class Shell:
    """A terminal with the package installed, in a folder of its own."""

    def __init__(self, folder: Path, installed: Path) -> None:
        self.folder = folder
        self._environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}

    def __call__(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nova_eval", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, env=self._environment, timeout=300
        )
        assert code in (None, done.returncode), done.stderr
        return done


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    installed = tmp_path_factory.mktemp("installed")
    install(installed)
    return Shell(tmp_path_factory.mktemp("work"), installed)


@pytest.fixture(scope="module")
def drawn(shell: Shell) -> dict[str, object]:
    """A run of the embedded world: the oracle draws every prompt."""
    said: dict[str, object] = json.loads(shell("run", "example", *SIZE, "--json").stdout)
    return said


def values(said: dict[str, object]) -> dict[str, float]:
    return {metric["name"]: metric["value"] for metric in said["metrics"]}


def test_it_is_listed_with_its_variants_and_published_rows(shell: Shell) -> None:
    listed = {row["name"]: row for row in json.loads(shell("list", "benchmarks", "--json").stdout)}
    assert listed["example"]["variants"] == "official, sprites, custom"
    assert {"vbench", "geneval", "t2i_compbench", "dpg_bench"} <= set(listed)
    assert listed["example"]["dimensions"] == 2
    rows = [row for row in json.loads(shell("list", "baselines", "--json").stdout) if row["benchmark"] == "example"]
    assert [row["name"] for row in rows] == ["a published model"]


def test_it_is_planned_without_being_done(shell: Shell) -> None:
    planned = json.loads(shell("plan", "example", "--limit", "2", "--results", "elsewhere", "--json").stdout)
    assert (planned["prompts"], planned["samples_to_make"], planned["scorers"]) == (2, 4, ["light", "shapes"])
    assert not (shell.folder / "elsewhere").exists()


def test_a_run_scores_all_of_it_and_tells_content_from_noise(shell: Shell, drawn: dict[str, object]) -> None:
    found = values(drawn)
    assert found["shapes"] == 1.0
    assert found["overall"] == pytest.approx((found["light"] + found["shapes"]) / 2)
    noise = json.loads(shell("run", "example", "--sampler", "noise", *SIZE, "--json").stdout)
    assert values(noise)["shapes"] < 1.0
    assert noise["coverage"]["scored"] == drawn["coverage"]["scored"] == 12


def test_runs_stand_beside_each_other_in_a_table(shell: Shell, drawn: dict[str, object]) -> None:
    said = shell("table", str(drawn["folder"]), "--format", "md", "--baselines", "all").stdout
    assert all(text in said for text in ("Light", "oracle", "a published model", "100.00"))


def test_an_export_has_its_names_and_its_result_files_and_comes_back(shell: Shell, drawn: dict[str, object]) -> None:
    shell("export", str(drawn["folder"]), "out")
    images = sorted(path.name for path in (shell.folder / "out" / "images").iterdir())
    assert images == ["0_0.png", "0_1.png", "1_0.png", "1_1.png", "2_0.png", "2_1.png"]
    lines = (shell.folder / "out" / "scores.txt").read_text().splitlines()
    assert len(lines) == 12
    assert "images/2_1.png shapes 1.0" in lines

    again = ("example", "out", "--model", "again", "--variant", "sprites", "--samples-per-prompt", "2")
    said = json.loads(shell("import", *again, "--json").stdout)
    assert (said["samples"], said["wanted"]) == (6, 6)
    assert values(json.loads(shell("score", said["folder"], "--json").stdout)) == values(drawn)
    seen = shell("run", "example", "--sampler", "folder:out", "--variant", "sprites", *SIZE, "--json")
    assert values(json.loads(seen.stdout)) == values(drawn)


def test_its_own_prompts_its_files_and_its_weights_are_found(shell: Shell) -> None:
    planned = json.loads(shell("plan", "example", "--variant", "official", "--json").stdout)
    assert (planned["prompts"], planned["scorers"]) == (2, ["light"])
    shell("prompts", "fetch", "example", "--offline")
    assert "to fetch in all: 0 bytes" in shell("weights", "fetch", "example").stderr
    assert "example sprites judges" in shell("doctor", code=None).stdout  # whose answer depends on the machine
    assert "did you mean 'example'" in shell("run", "exampel", code=2).stderr
