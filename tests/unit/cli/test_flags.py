"""One list of options: the command line's, the functions' and the record's, and which of them were given."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nova_eval.cli import app
from nova_eval.cli.flags import UNSET, RunFlags
from nova_eval.errors import UsageError
from nova_eval.options import RunOptions, of_slurm
from nova_eval.runs.opening import open_run, reopen, reopen_to_score
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import begin


def parsed(*words: str) -> RunFlags:
    _, bound, _ = app.parse_args(["run", "vbench", *words], exit_on_error=False, print_error=False)
    flags = bound.arguments.get("flags", UNSET)
    assert isinstance(flags, RunFlags)
    return flags


def test_what_equals_its_default_is_given_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('device = "cuda:1"\nresults = "elsewhere"\nworkers = 3\n')
    flags = parsed("--device", "auto", "--results", "results", "--config", str(file))
    _, options, _ = resolve("vbench", *flags.asked())
    assert (options.device, options.results, options.workers) == ("auto", Path("results"), 3)


def test_nothing_given_is_all_of_the_profile() -> None:
    assert parsed().asked() == UNSET.asked() == ({}, (), None)


def test_further_flags_leave_the_others_as_they_were_given() -> None:
    flags = parsed("--limit", "3", "--set", "seed=1", "--set", "codec=png").but(set=("seed=2",))
    assert flags.asked() == ({"limit": 3}, ("seed=2",), None)
    assert flags.limit == 3


def test_every_option_can_be_given_on_the_command_line() -> None:
    words: dict[str, tuple[str, Any]] = {
        "profile": ("paper", "paper"),
        "scoring": ("corrected", "corrected"),
        "samples_per_prompt": ("official", "official"),
        "limit": ("7", 7),
        "prompts": ("mine.txt", Path("mine.txt")),
        "judges": ("sprites", "sprites"),
        "metrics": ("color", ("color",)),
        "shard": ("1/4", "1/4"),
        "order": ("shuffled:3", "shuffled:3"),
        "results": ("there", Path("there")),
        "name": ("mine", "mine"),
        "label": ("Ours", "Ours"),
        "workers": ("2", 2),
        "device": ("cpu", "cpu"),
        "devices": ("sample=1,score=1", "sample=1,score=1"),
        "engine": ("ray", "ray"),
        "address": ("auto", "auto"),
        "batch": ("4", 4),
        "unit_timeout": ("60", 60.0),
        "offline": ("", True),
        "mirror": ("copies", Path("copies")),
    }
    assert set(words) == {option.name for option in fields(RunOptions)}
    line = [word for name, (text, _) in words.items() for word in (f"--{name.replace('_', '-')}", text) if word]
    given, _, _ = parsed(*line).asked()
    assert given == {name: value for name, (_, value) in words.items()}


def test_the_manifest_gives_the_options_back(tmp_path: Path) -> None:
    flags = {"sampler": "oracle", "shard": "5/5", "metrics": ("color",), "results": tmp_path, "mirror": tmp_path}
    opened = open_run(*resolve("vbench", flags))
    begin(opened)
    manifest = opened.store.manifest()
    assert manifest is not None
    assert manifest["options"]["shard"] == [0, 5]
    again = reopen(opened.store.folder).options
    assert again.part == opened.options.part == (0, 5)
    assert again.record() == opened.options.record()


def test_a_run_that_was_made_on_a_cluster_is_scored_here_unless_it_is_said(tmp_path: Path) -> None:
    flags = {"sampler": "oracle", "shard": "1/2", "results": tmp_path, "engine": "ray", "address": "auto"}
    opened = open_run(*resolve("geneval", {**flags, "devices": "sample=2,score=1"}))
    begin(opened)
    there = reopen_to_score(opened.store.folder, lambda old: old).options
    assert (there.shard, there.engine, there.address, there.devices) == (None, "local", "", "")
    assert reopen(opened.store.folder).options.engine == "ray"
    assert (opened.store.manifest() or {})["device"] == "a Ray cluster"


@pytest.mark.parametrize(("shard", "part"), [(None, (0, 1)), ("1/4", (1, 4)), ("4/4", (0, 4)), ("0/4", (0, 4))])
def test_a_shard_is_a_part_of_parts(shard: str | None, part: tuple[int, int]) -> None:
    assert RunOptions(shard=shard).part == part


def slurm(task: object, count: object = "", first: object = "", last: object = "") -> dict[str, str]:
    told = {"ID": task, "COUNT": count, "MIN": first, "MAX": last}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in told.items()}


@pytest.mark.parametrize(
    ("shard", "environ", "part"),
    [
        ("slurm", slurm(5, 8, 0, 7), "5/8"),
        ("slurm", slurm(8, 8, 1, 8), "8/8"),
        ("slurm/8", slurm(5, 2, 3, 5), "5/8"),
        ("slurm/8", slurm(8), "8/8"),
    ],
)
def test_a_task_of_a_slurm_array_is_a_part(shard: str, environ: dict[str, str], part: str) -> None:
    assert of_slurm(shard, environ) == part


@pytest.mark.parametrize(
    ("shard", "environ", "said"),
    [
        ("slurm", {}, "SLURM_ARRAY_TASK_ID is not set"),
        ("slurm", slurm("x"), "SLURM_ARRAY_TASK_ID is not a number"),
        ("slurm", slurm(5, 2, 3, 5), "the 2 tasks from 3 to 5 are not all of an array; .* --shard slurm/n"),
        ("slurm", slurm(5, 4, 3, 6), "not all of an array"),
        ("slurm/4", slurm(5), "task 5 is no part of 4"),
        ("slurm/x", slurm(5), "not of the form"),
    ],
)
def test_a_slurm_array_that_names_no_parts_is_refused(shard: str, environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        of_slurm(shard, environ)


def test_the_shard_of_the_environment_is_a_plain_one_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slurm(2, 4, 1, 4).items():
        monkeypatch.setenv(name, value)
    assert RunOptions(shard="slurm").shard == "2/4"
    assert RunOptions(shard="1/3").shard == "1/3"


@pytest.mark.parametrize(
    "values",
    [
        {"batch": 0},
        {"workers": -1},
        {"shard": "1/0"},
        {"order": "shuffled"},
        {"devices": "sample=2"},
        {"devices": "sample=0,score=1"},
        {"devices": "sample=2,score=1", "workers": 2},
        {"address": "auto"},
        {"engine": "dask"} | {"address": "auto"},
    ],
)
def test_values_that_cannot_be_are_refused_wherever_they_come_from(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        RunOptions(**values)


def test_import_takes_no_sampler(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--model"):
        app(["import", "vbench", str(tmp_path), "--model", "mine", "--sampler", "oracle"], exit_on_error=False)
