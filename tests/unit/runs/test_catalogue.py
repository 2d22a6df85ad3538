"""Runs are found, looked at, renamed and removed; a renamed or copied one goes on under its new name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nova_eval import cli, errors, locks
from nova_eval.cli import listing
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.options import RunOptions
from nova_eval.runs import catalogue, pipeline, verifying
from nova_eval.runs.holding import at_work
from nova_eval.runs.opening import open_run, reopen
from nova_eval.runs.options import changed, resolve
from nova_eval.runs.run import Run
from nova_eval.runs.view import look
from nova_eval.store import RunStore

ASKED = {"sampler": "oracle", "variant": "sprites", "workers": 1}
PART = {"limit": 2, "samples_per_prompt": 2, "metrics": ("colors",)}


def opened(results: Path, **flags: Any) -> Run:
    return open_run(*resolve("geneval", {**ASKED, **PART, "results": results, **flags}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("made")
    pipeline.run(opened(results, label="Ours"))
    return results


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results"


@pytest.fixture
def folder(results: Path) -> Path:
    (manifest,) = results.glob("runs/*/*/manifest.json")
    return manifest.parent


def command(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    code = cli.app([str(word) for word in words], result_action="return_value", exit_on_error=False, print_error=False)
    assert code == errors.OK
    return capsys.readouterr().out


class TestLooking:
    def test_a_line_says_what_a_run_is_of_and_what_came_out(
        self, results: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        heading, line = command(capsys, "runs", "list", "--results", results).splitlines()
        assert heading.split() == ["name", "model", "seed", "variant", "samples", "progress", "score"]
        told = f"geneval/{folder.name} Ours 0 sprites 2 × 2 complete Colors 1.0000"
        assert " ".join(line.split()) == told
        assert command(capsys, "list", "runs", "--results", results).splitlines() == [heading, line]

    def test_one_run_in_lines_and_as_json(
        self, results: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = command(capsys, "runs", "show", folder.name, "--results", results)
        facts = dict(line.split(maxsplit=1) for line in shown.splitlines())
        assert (facts["model"], facts["label"], facts["suite"]) == ("oracle", "Ours", "120 prompts")
        assert facts["size"].endswith(("kB", "MB"))
        found = json.loads(command(capsys, "runs", "show", folder.name, "--results", results, "--json"))
        assert (found["score"], found["headline"], found["wanted"], found["done"]) == (1.0, "colors", 4, 4)
        assert found["bytes"] > 1000
        assert command(capsys, "runs", "path", folder.name, "--results", results).strip() == str(folder.resolve())

    def test_settings_that_are_not_the_defaults(self, tmp_path: Path) -> None:
        asked = opened(tmp_path, **{"sampler.height": 96})
        assert catalogue.settings(asked) == {"height": 96}
        assert catalogue.settings(opened(tmp_path)) == {}

    def test_how_far_one_is_that_is_not_done(self, tmp_path: Path) -> None:
        run = opened(tmp_path)
        pipeline.begin(run)
        entry = catalogue.entry(run.store.folder)
        assert (entry.status, entry.done, entry.wanted, entry.at_work) == ("started", 0, 4, False)
        with pipeline.driving(run):
            working = catalogue.entry(run.store.folder)
            assert working.at_work
            assert listing.progress_of(working) == "at work: 0 of 4 samples, 0.0 % scored"
            assert at_work(run.store)
        assert not at_work(run.store)

    def test_a_run_that_cannot_be_read_is_listed_with_the_reason(self, results: Path, folder: Path) -> None:
        (folder / "manifest.json").write_text("{")
        (entry,) = catalogue.entries(results)
        assert "manifest.json is not JSON" in entry.problem


class TestRenaming:
    def test_the_same_options_go_on_with_a_renamed_run(self, results: Path, folder: Path) -> None:
        target = catalogue.rename(folder, "mine")
        assert not folder.exists()
        again = opened(results)
        assert again.store.folder == target
        assert again.name == "geneval/mine"
        assert len(again.samples()[0]) == 4
        assert look(target).run == "geneval/mine"
        assert list(verifying.verify(target)) == []
        assert pipeline.run(again).summary.label == "Ours"
        assert list(verifying.verify(target)) == []

    def test_a_copy_is_a_run_of_its_own(self, results: Path, folder: Path) -> None:
        copy = folder.with_name("copy")
        shutil.copytree(folder, copy)
        assert opened(results).store.folder == folder
        assert opened(results, name="copy").store.folder == copy
        assert list(verifying.verify(copy)) == []
        shutil.copytree(copy, folder.with_name("second"))
        catalogue.remove(folder)
        with pytest.raises(UsageError, match=r"2 runs are of these settings: copy, second; say which with --name"):
            opened(results)

    def test_a_name_is_of_one_run(self, results: Path, folder: Path) -> None:
        catalogue.rename(folder, "mine")
        with pytest.raises(UsageError, match="geneval/mine is another run: of other settings, prompts, seed"):
            opened(results, name="mine", seed=1)
        pipeline.begin(opened(results, name="other", seed=1))
        with pytest.raises(UsageError, match="geneval/mine is there already"):
            catalogue.rename(folder.with_name("other"), "mine")

    @pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "a b", "x" * 151, "-x"])
    def test_names_that_no_folder_should_have(self, folder: Path, name: str) -> None:
        with pytest.raises(UsageError, match="cannot name a run"):
            catalogue.rename(folder, name)
        if name:
            with pytest.raises(UsageError, match="cannot name a run"):
                RunOptions(name=name)

    def test_the_name_is_part_of_what_a_run_is_and_the_label_is_not(self) -> None:
        with pytest.raises(UsageError, match="name is part of what the run is"):
            changed(RunOptions(), {"name": "other"})
        assert changed(RunOptions(), {"label": "other"}).label == "other"
        with pytest.raises(UsageError, match="not one line of text"):
            RunOptions(label="a\nb")

    def test_runs_of_earlier_versions_are_known_by_their_names(self, results: Path, folder: Path) -> None:
        store = RunStore(folder)
        manifest = store.manifest() or {}
        identity = manifest.pop("identity")
        store.write_manifest(manifest)
        assert folder.name.endswith(identity)
        assert reopen(folder).identity == identity
        assert opened(results).store.folder == folder


class TestRemoving:
    def test_all_of_it_is_gone_and_nothing_else(self, results: Path, folder: Path) -> None:
        shutil.copytree(folder, folder.with_name("copy"))
        catalogue.remove(folder)
        assert [path.name for path in folder.parent.iterdir()] == ["copy"]

    def test_a_run_that_is_at_work_stays(self, folder: Path) -> None:
        shard = reopen(folder).store.shard_lock(1, 2)
        for change in (lambda: catalogue.remove(folder), lambda: catalogue.rename(folder, "new")):
            with locks.claimed(shard, "a shard"), pytest.raises(PrerequisiteError, match="is being worked on by"):
                change()
        assert (folder / "manifest.json").exists()

    def test_what_is_no_run_stays(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.json").write_text("{}")
        with pytest.raises(UsageError, match="is no run"):
            catalogue.remove(tmp_path)
        assert (tmp_path / "manifest.json").exists()

    def test_nobody_is_asked_where_nobody_is(
        self, results: Path, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(NovaEvalError, match="would be removed, and nobody can be asked; say --yes"):
            command(capsys, "runs", "rm", folder.name, "--results", results)
        assert folder.exists()
        assert command(capsys, "runs", "rm", folder.name, "--yes", "--results", results).startswith("removed geneval/")
        assert not folder.exists()
