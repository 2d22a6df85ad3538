"""Help says of every verb how it is called, of every option what it is without it; a file can say the same."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from cyclopts import App

from nova_eval.__main__ import _code
from nova_eval.cli import GROUPS, app
from nova_eval.cli.flags import RunFlags
from nova_eval.runs.options import resolve
from nova_eval.samplers.settings import meanings


def verbs(of: App, *before: str) -> Iterator[tuple[str, ...]]:
    for name in of:
        if not name.startswith("-"):
            inner = [*verbs(of[name], *before, name)]
            yield from inner or [(*before, name)]


def test_every_option_and_argument_has_a_meaning() -> None:
    """As the reference shows them; those of cyclopts are its own."""
    from recipes.documents.reference import commands

    shown = re.findall(r"^\* `([^`]+)`:(.*)$", commands(), flags=re.MULTILINE)
    bare = [name for name, told in shown if not re.sub(r"\*?\*\[[^\]]*\]\*?\*?", "", told).strip()]
    assert len(shown) > 200
    assert bare == []


def test_every_verb_has_a_place_in_the_help() -> None:
    placed = [verb for group in GROUPS.values() for verb in group]
    assert sorted(placed) == sorted({verb[0] for verb in verbs(app)})


@pytest.mark.parametrize("verb", [*verbs(app)], ids=" ".join)
def test_every_verb_shows_an_example_that_is_understood(verb: tuple[str, ...]) -> None:
    inner = app
    for name in verb:
        inner = inner[name]
    [example] = re.findall(r"Example: `nova-eval ([^`]+)`", inner.default_command.__doc__ or "")
    assert tuple(shlex.split(example)[: len(verb)]) == verb
    function, bound, _ = app.parse_args(shlex.split(example), exit_on_error=False, print_error=False)
    assert function is inner.default_command
    assert bound is not None


def test_every_option_of_a_run_says_what_it_is_without_it() -> None:
    told = meanings(RunFlags)
    assert [name for name, text in told.items() if "default" not in text] == []
    assert set(told) == {field.name for field in fields(RunFlags)}


@pytest.mark.parametrize(
    ("benchmark", "flags", "sets"),
    [
        ("vbench", {}, []),
        ("geneval", {"sampler": "oracle", "limit": 3, "metrics": ("colors",)}, ["sampler.strength=0.5"]),
        ("vbench", {"profile": "paper", "seed": 7, "shard": "1/4"}, ["sampler.motion_flow=none", "sampler.fps=none"]),
        ("vbench", {"sampler": "diffusers:owner/model"}, ["sampler.steps=30", "sampler.eta=0.5"]),
    ],
)
def test_the_example_for_config_gives_the_same_run(
    benchmark: str, flags: dict[str, object], sets: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--{name}={' '.join(value) if isinstance(value, tuple) else value}" for name, value in flags.items()]
    assert _code(["run", benchmark, "--example", *words, *(w for text in sets for w in ("--set", text))]) == 0
    file = tmp_path / "run.toml"
    file.write_text(capsys.readouterr().out)
    assert tomllib.loads(file.read_text())["sampler"]["name"]
    assert resolve(benchmark, {}, [], file)[:2] == resolve(benchmark, flags, sets)[:2]
    everything = re.sub(r"^# (\w+ = )", r"\1", file.read_text(), flags=re.MULTILINE)
    assert len(tomllib.loads(everything)) > 15  # what stands behind a # is TOML too
