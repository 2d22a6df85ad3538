"""A run is found by its path, by benchmark/run, by run, or by the spec that it was made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.errors import UsageError
from nova_eval.runs.finding import earlier, find, folders, name_of, seek

SPEC = RunSpec(benchmark="vbench", variant="sprites", sampler=SamplerSpec(name="oracle"))


def manifest(results: Path, name: str, started: str, spec: RunSpec = SPEC, suite: str = "suite") -> Path:
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    facts = {
        "spec": spec.model_dump(mode="json"),
        "suite": {"digest": suite},
        "started": started,
        "scorers": {"color": f"color@1-{started}"},
    }
    (folder / "manifest.json").write_text(json.dumps(facts))
    return folder


def test_every_name_of_a_run_finds_it(tmp_path: Path) -> None:
    folder = manifest(tmp_path, "vbench/oracle-1", "2026")
    for name in (str(folder), "vbench/oracle-1", "oracle-1"):
        assert find(name, tmp_path) == folder
    assert name_of(folder) == "vbench/oracle-1"
    assert seek("oracle-2", tmp_path) is None
    with pytest.raises(UsageError, match=r"did you mean 'vbench/oracle-1'\?"):
        find("vbench/orcale-1", tmp_path)


def test_folders_are_those_of_a_benchmark_or_all(tmp_path: Path) -> None:
    second, first = manifest(tmp_path, "vbench/b", "1"), manifest(tmp_path, "geneval/a", "1")
    (tmp_path / "runs" / "vbench" / "empty").mkdir()
    assert list(folders(tmp_path)) == [first, second]
    assert list(folders(tmp_path, "vbench")) == [second]


def test_the_latest_run_of_a_spec_and_suite_is_the_earlier_one(tmp_path: Path) -> None:
    manifest(tmp_path, "vbench/old", "1")
    latest = manifest(tmp_path, "vbench/new", "2")
    manifest(tmp_path, "vbench/other-suite", "3", suite="another")
    manifest(tmp_path, "vbench/other-seed", "4", SPEC.model_copy(update={"seed": 1}))
    torn = tmp_path / "runs" / "vbench" / "torn"
    torn.mkdir()
    (torn / "manifest.json").write_text("{")
    assert earlier(SPEC, "suite", tmp_path) == (latest, {"color": "color@1-2"})
    assert earlier(SPEC, "none", tmp_path) == (None, {})
