"""``run … --against REFERENCE --until-decided`` as a user calls it, killed between looks too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nova_eval.cli import app
from nova_eval.errors import UsageError
from nova_eval.runs import pipeline

SMALL = ("--samples-per-prompt", 1, "--workers", 1)
AGAINST = ("--against", "geneval/ref", "--until-decided")


def called(*words: object) -> int:
    found: int = app([str(word) for word in words], exit_on_error=False, result_action="return_value")
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    assert (
        called(
            "run", "geneval", "--sampler", "oracle", "--metrics", "colors", *SMALL, "--name", "ref", "--results", folder
        )
        == 0
    )
    return folder


@pytest.fixture
def run(results: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Calls ``run`` on noise, and gives its exit code and what it printed."""

    def call(name: str, *words: object, metrics: str = "colors") -> tuple[int, str, str]:
        capsys.readouterr()
        asked = ("--sampler", "noise", "--metrics", metrics, "--results", results, "--name", name)
        code = called("run", "geneval", *SMALL, *asked, *words)
        return code, *capsys.readouterr()

    return call


def test_what_was_decided_and_saved_is_said(run: Any) -> None:
    code, out, said = run("said", *AGAINST)
    assert code == 1
    assert "2 of 5" in out
    assert "12 of 20 samples saved" in out
    assert "gate failed: worse: Colors" in said


@pytest.mark.slow
def test_killed_between_looks_it_goes_on_and_decides_the_same(
    run: Any, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = pipeline.score
    looks = iter([True, False])  # the second look is sampled and not scored

    def stopping(*of: Any) -> None:
        if not next(looks):
            raise KeyboardInterrupt
        scored(*of)

    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "score", stopping)
        with pytest.raises(KeyboardInterrupt):
            run("killed", *AGAINST)
    code, out, _ = run("killed", *AGAINST, "--json")
    killed = json.loads(out)
    [colors], samples = killed["metrics"], killed["samples"]
    assert (code, colors["verdict"], colors["look"]) == (1, "worse", killed["looks"])
    assert samples["made"] == colors["prompts"] == killed["looks_planned"][killed["looks"] - 1] < 20
    assert samples["made"] + samples["saved"] == samples["planned"] == 20
    assert samples["seconds_saved"] > 0

    assert called("reference", "save", "geneval/ref", tmp_path / "ref.parquet", "--results", results) == 0
    again = ("--against", tmp_path / "ref.parquet", "--until-decided", "--json")
    assert json.loads(run("at-once", *again)[1])["metrics"] == killed["metrics"]

    assert run("killed")[0] == 0  # the rest is an ordinary run, and changes nothing of what was decided
    code, out, _ = run("killed", *AGAINST, "--json")
    assert (code, json.loads(out)["metrics"]) == (1, killed["metrics"])
    assert json.loads(out)["samples"]["saved"] == 0


@pytest.fixture
def untouched(results: Path) -> Iterator[None]:
    before = sorted(results.rglob("*"))
    yield
    assert sorted(results.rglob("*")) == before


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--until-decided"], "--until-decided needs a reference"),
        (["--gate", "colors=0.1"], "--gate needs a reference"),
        (["--against", "geneval/ref"], "--against needs --until-decided"),
        (["--against", "geneval/ref", "--anytime"], "--against needs --until-decided"),
        (["--against", "geneval/nothing", "--until-decided"], "nothing"),
        ([*AGAINST, "--limit", "4"], "--limit and --until-decided both say"),
        ([*AGAINST, "--shard", "0/2"], "--shard and --until-decided both say"),
        ([*AGAINST, "--gate", "overall=0.1"], "unknown dimension of geneval"),
        ([*AGAINST, "--scoring", "official"], "differ in scoring"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(run: Any, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("wrong", *words)


@pytest.mark.usefixtures("untouched")
def test_a_reference_without_scores_of_what_is_asked_for_is_refused(run: Any) -> None:
    with pytest.raises(UsageError, match="has scores of 0 of this run's"):
        run("wrong", *AGAINST, metrics="counting")


@pytest.mark.usefixtures("untouched")
def test_a_reference_of_another_benchmark_is_refused(results: Path) -> None:
    words = ("--variant", "sprites", "--sampler", "oracle", "--results", results, *AGAINST)
    with pytest.raises(UsageError, match="is of geneval"):
        called("run", "dpg_bench", *words)
