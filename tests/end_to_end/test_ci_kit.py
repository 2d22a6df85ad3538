"""The composite action is the shell lines that it consists of: run here in order, on the embedded world."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as xml

import pytest
from runs import nova_eval

from nova_eval.cli import app

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / "docs" / "ci" / "action.yml"
REFERENCE = re.compile(r"\$\{\{\s*(\w+)\.([\w.]+)\s*\}\}")


def action() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    return found


def filled(text: str, known: Mapping[str, str]) -> str:
    return REFERENCE.sub(lambda found: known[f"{found[1]}.{found[2]}"], text)


def performed(inputs: dict[str, str], where: Path) -> tuple[int, list[str]]:
    """Runs the shell lines as a runner does; the exit code of the first that fails, and the names of the steps done."""
    told = action()
    known = {f"inputs.{name}": str(given.get("default", "")) for name, given in told["inputs"].items()}
    known |= {f"inputs.{name}": given for name, given in inputs.items()}
    done = []
    for step in told["runs"]["steps"]:
        if "run" not in step:
            continue

        paths = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_OUTPUT": "output"}
        paths = {name: str(where / file) for name, file in paths.items()}
        given = {name: filled(text, known) for name, text in step.get("env", {}).items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        python_path = os.environ.get("PYTHONPATH", str(ROOT))
        ended = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=where,
            env={**os.environ, **given, **paths, "PATH": path, "PYTHONPATH": python_path},
            check=False,
        )
        done.append(step["name"])
        if ended.returncode:
            return ended.returncode, done
        if (where / "output").exists():
            lines = (where / "output").read_text(encoding="utf-8").split()
            pairs = [line.split("=") for line in lines]
            known |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in pairs}
    return 0, done


def test_every_input_is_used_and_nothing_else_is_put_into_shell_lines() -> None:
    told = action()
    steps = told["runs"]["steps"]
    used = {found[2] for step in steps for text in step.get("env", {}).values() for found in REFERENCE.finditer(text)}
    assert {name for name in used if not name.startswith("compare.")} == set(told["inputs"])
    assert not any("${{" in step.get("run", "") for step in steps)  # what a stranger's branch is called is no command
    commands = [line for step in steps for line in step.get("run", "").split("\n") if "nova_eval " in line]
    assert len(commands) == 3
    for line in commands:
        words = re.sub(r"\$\{SAMPLER:\+.*?\"\}", "--sampler noise", line.strip())
        words = words.replace("$BENCHMARK", "geneval").replace("$OPTIONS", "").split(" >")[0].split(" ||")[0]
        app.parse_args(shlex.split(words)[3:], exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_the_action_passes_an_unchanged_generator_and_fails_a_worse_one(tmp_path: Path) -> None:
    asked = ("--limit", 12, "--samples-per-prompt", 2, "--variant", "sprites", "--workers", 1)
    made = nova_eval("run", "geneval", "--sampler", "oracle", "--name", "good", "--results", tmp_path / "first", *asked)
    assert made.returncode == 0, made.stderr
    reference = tmp_path / "reference.parquet"
    saved = nova_eval("reference", "save", tmp_path / "first" / "runs" / "geneval" / "good", reference)
    assert saved.returncode == 0, saved.stderr
    usual = {"benchmark": "geneval", "reference": str(reference), "run": " ".join(map(str, asked))}
    for name, sampler, code in (("same", "oracle", 0), ("worse", "noise", 1)):
        (where := tmp_path / name).mkdir()
        further = {"sampler": sampler, "run": f"{usual['run']} --seed 1"}
        assert performed({**usual, **further}, where) == (
            code,
            ["Sample and score", "Compare with the reference", "Verdict"],
        )
        suites = xml.parse(where / "nova_eval.xml").getroot()
        failures = sum(int(suite.get("failures", "0")) for suite in suites)
        assert bool(failures) == bool(code)
        summary = (where / "summary.md").read_text(encoding="utf-8")
        assert "| Overall |" in summary
        assert ("**worse**" in summary) == bool(code)
