"""A run is found by its path, by benchmark/run, or by run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nova_eval.errors import UsageError
from nova_eval.runs.finding import find, folders, name_of, scored_in, seek


def manifest(results: Path, name: str, started: str) -> Path:
    folder = results / "runs" / name
    folder.mkdir(parents=True)
    facts = {
        "schema": 1,
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


def test_a_run_says_where_its_scores_are(tmp_path: Path) -> None:
    assert scored_in(manifest(tmp_path, "vbench/new", "2")) == {"color": "color@1-2"}
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / "manifest.json").write_text("{")
    assert scored_in(torn) == scored_in(tmp_path / "none") == {}
