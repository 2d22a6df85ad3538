"""A look at a part of a run: what it shows is what a run of that part alone would say, and it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nova_eval.errors import UsageError
from nova_eval.options import View
from nova_eval.report.tables import run_title
from nova_eval.runs import pipeline
from nova_eval.runs.opening import open_run, reopen
from nova_eval.runs.options import resolve
from nova_eval.runs.run import Run
from nova_eval.runs.view import look


def opened(results: Path, **flags: Any) -> Run:
    asked = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 6, "samples_per_prompt": 2}
    return open_run(*resolve("geneval", {**asked, "results": results, **flags}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = opened(tmp_path_factory.mktemp("run"))
    pipeline.run(run)
    return run.store.folder


@pytest.mark.parametrize(
    "asked", [{"limit": 2}, {"metrics": ("colors",)}, {"samples_per_prompt": 1}, {"limit": 3, "samples_per_prompt": 1}]
)
def test_a_view_says_what_a_run_of_that_part_says(folder: Path, tmp_path: Path, asked: dict[str, Any]) -> None:
    found = look(folder, View(**asked))
    flags = {"limit": 6, "samples_per_prompt": 2, **asked}
    if "metrics" in asked:
        flags["limit"] = 1  # of six prompts over six dimensions one serves it
    alone = opened(tmp_path, **flags)
    pipeline.run(alone)
    same = look(alone.store.folder)
    assert found.metrics == same.metrics
    assert found.coverage == same.coverage
    assert (found.prompts, found.samples, found.per_prompt) == (same.prompts, same.samples, same.per_prompt)
    assert found.selection == same.selection


def test_looking_changes_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for over in ("asked", "have", "suite"):
        look(folder, View(samples_per_prompt=1, over=over))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_title_says_prompts_and_samples(folder: Path) -> None:
    config = reopen(folder).config
    told = {over: run_title(look(folder, View(over=over)), config) for over in ("asked", "suite")}
    assert ", 6 of 120 prompts × 2 samples" in told["asked"]
    assert ", 120 prompts × 2 samples" in told["suite"]


class TestCoverage:
    @pytest.fixture
    def cut(self, tmp_path: Path) -> Path:
        """Six prompts are asked for, and all samples of two of them and one of a third are lost."""
        run = opened(tmp_path)
        pipeline.run(run)
        keys = list(run.wanted)
        for key in keys[:5]:
            (run.store.folder / run.store.media_name(key, ".png")).unlink()
        return run.store.folder

    def test_over_what_was_asked_for_it_is_not_whole(self, cut: Path) -> None:
        found = look(cut)
        assert (found.prompts, found.samples) == (6, 7)
        assert found.coverage.unscored > 0
        assert [metric.value for metric in found.metrics if metric.name == "overall"] == [None]

    def test_over_what_is_there_it_is_whole_and_says_so(self, cut: Path) -> None:
        found = look(cut, View(over="have"))
        assert (found.prompts, found.samples, found.per_prompt) == (4, 7, (1, 2))
        assert found.coverage.unscored == 0
        assert found.notes[0] == ("coverage is over what is there: 7 samples of 4 of the suite's 120 prompts")

    def test_over_the_suite_what_was_not_asked_for_is_missing(self, cut: Path) -> None:
        found = look(cut, View(over="suite"))
        assert (found.prompts, found.samples) == (120, 7)
        assert found.coverage.wanted > 200
        assert found.coverage.fraction < 0.1
        assert found.notes[0] == "coverage is over the whole suite of 120 prompts, of which 7 samples are there"


class TestWrong:
    def test_a_dimension_that_is_none(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="unknown dimension of geneval 'colour'; did you mean 'colors'"):
            look(folder, View(metrics=("colour",)))

    def test_a_part_of_the_whole_suite(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="--over suite is over all of its prompts; leave --limit out"):
            look(folder, View(limit=2, over="suite"))

    @pytest.mark.parametrize("view", [View(limit=0), View(samples_per_prompt=0)])
    def test_less_than_one(self, folder: Path, view: View) -> None:
        with pytest.raises(UsageError, match=r"1|leaves nothing"):
            look(folder, view)

    def test_nothing_of_the_run(self, tmp_path: Path) -> None:
        run = opened(tmp_path, metrics=("colors",), limit=1)
        pipeline.run(run)
        with pytest.raises(UsageError, match="has no sample that serves counting"):
            look(run.store.folder, View(metrics=("counting",)))


def test_dimensions_that_were_asked_for_one_after_the_other_are_all_shown(tmp_path: Path) -> None:
    for name in ("colors", "counting"):
        run = opened(tmp_path, metrics=(name,), limit=1)
        pipeline.run(run)
    assert {metric.name for metric in look(run.store.folder).metrics} == {"colors", "counting"}
