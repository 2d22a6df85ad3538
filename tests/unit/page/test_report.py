"""The report of two runs of the embedded world: its files, what they may load, and what they say."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from calling import called

from nova_eval.cli.reporting import of_whole_world
from nova_eval.errors import UsageError
from nova_eval.options import RunOptions
from nova_eval.page.columns import script
from nova_eval.page.writing import POLICY, write_report


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(runs, tmp_path_factory.mktemp("page") / "out").index.parent


def data(file: Path) -> tuple[str, Any]:
    """What a script of data gives to the page, and under which name."""
    found = re.fullmatch(r"nova_data\[(\"[^\"]+\")\]=JSON\.parse\('(.*)'\);\n", file.read_text(encoding="ascii"))
    assert found, file
    return json.loads(found[1]), json.loads(re.sub(r"\\(['\\])", r"\1", found[2]))


def test_the_folder_holds_all_that_the_page_loads(page: Path) -> None:
    text = (page / "index.html").read_text(encoding="utf-8")
    _, core = data(page / "data.js")
    named = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', text)) | {one["file"] for one in core["dimensions"]}
    named |= {f"media/{name}" for run in core["runs"] for name in (*run["poster"], *run["file"]) if name}
    assert "page.css" in named
    assert {str(path.relative_to(page)) for path in page.rglob("*") if path.is_file()} == named | {"index.html"}


def test_nothing_but_its_own_files_may_be_loaded(page: Path) -> None:
    text = (page / "index.html").read_text(encoding="utf-8")
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY.replace(chr(39), "&#39;")}">' in text
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=|https?://(?!www\.w3\.org/2000/svg)", text)
    for path in page.glob("*.js"):
        assert not re.search(r"innerHTML|eval\(|fetch\(|import |new Function", path.read_text(encoding="utf-8")), path


def test_scores_are_those_of_the_runs_to_the_last_digit(page: Path, runs: list[Path]) -> None:
    _, core = data(page / "data.js")
    names = [
        f"{core['prompts']['id'][p]}/{i}" for p, i in zip(*map(core["samples"].get, ("prompt", "index")), strict=True)
    ]
    shown = {}
    for one in core["dimensions"]:
        name, told = data(page / one["file"])
        assert name == one["name"]
        for place, run in enumerate(told["runs"]):
            shown |= {(place, name, names[at]): value for at, value in zip(told["at"], run["value"], strict=True)}
    rows = {}
    for place, run in enumerate(runs):
        for line in (line for file in run.glob("scores/*/*.jsonl") for line in file.read_text().splitlines()):
            row = json.loads(line)
            rows[place, row["metric"], f"{row['key'][0]}/{row['key'][1]}"] = row["value"]
    assert len(rows) == 24
    assert shown == rows


def test_verdicts_and_figures_are_drawn_beforehand(page: Path) -> None:
    text = (page / "index.html").read_text(encoding="utf-8")
    assert text.count('class="figure forest') == 2
    assert text.count('class="figure radar"') == 1
    assert text.count('class="figure spread"') == 6
    assert 'class="chip worse">worse<' in text
    assert "<strong>1</strong> worse" in text  # overall; two prompts a task are too few


def test_a_second_report_makes_no_picture_anew_and_drops_what_is_gone(page: Path, runs: list[Path]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (page / "media").iterdir()}
    write_report(runs[:1], page)
    kept = {path.name: path.stat().st_mtime_ns for path in (page / "media").iterdir()}
    assert kept.items() < before.items()
    _, core = data(page / "data.js")
    assert {name for run in core["runs"] for name in (*run["poster"], *run["file"])} == kept.keys()
    write_report(runs, page)


def test_a_folder_of_something_else_is_left_alone(runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="holds no report"):
        write_report(runs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_the_verb_says_where_the_page_is(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert called("report", runs[1]) == 0
    assert Path(capsys.readouterr().out.strip()) == runs[1] / "report" / "index.html"
    assert called("verify", runs[1]) == 0


def test_runs_that_cannot_be_compared_stand_beside_each_other(runs: list[Path], tmp_path: Path) -> None:
    words = ("--limit", 3, "--samples-per-prompt", 1, "--workers", 1, "--results", tmp_path / "r")
    assert called("run", "geneval", "--sampler", "noise", "--scoring", "official", *words) == 0
    (other,) = (path.parent for path in tmp_path.glob("r/runs/geneval/*/manifest.json"))
    written = write_report([runs[0], other], tmp_path / "out")
    assert "they differ in scoring" in written.lines[0]
    text = written.index.read_text(encoding="utf-8")
    assert "not held against each other" in text
    assert "chip" not in text


def test_data_is_text_that_no_prompt_can_leave() -> None:
    hostile = "'); alert(1); ('</script>\u2028\\'\n\x00\ud800"
    text = script("core", {"__proto__": {"polluted": hostile}})
    assert text.isascii()
    assert text.count("\n") == 1
    assert json.loads(re.sub(r"\\(['\\])", r"\1", text[text.index("('") + 2 : text.rindex("')")]))["__proto__"] == {
        "polluted": hostile
    }


def test_a_run_ends_with_its_page_where_that_is_asked_for(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--limit", 12, "--samples-per-prompt", 1, "--workers", 1, "--results", runs[0].parents[2])
    again = ("run", "geneval", "--sampler", "noise", *words, "--name", "secret-noise")
    shutil.rmtree(runs[1] / "report", ignore_errors=True)
    assert called(*again) == 0
    assert not (runs[1] / "report").exists()
    assert called(*again, "--report") == 0
    assert f"report: {runs[1] / 'report' / 'index.html'}" in capsys.readouterr().err
    shutil.rmtree(runs[1] / "report")
    (runs[1] / "report").write_text("mine")
    assert called(*again, "--report") == 0
    assert "no report: " in capsys.readouterr().err
    (runs[1] / "report").unlink()


@pytest.mark.parametrize(
    ("asked", "variant", "ends"),
    [
        ({}, "sprites", True),
        ({}, "official", False),
        ({"limit": 3}, "sprites", False),
        ({"shard": "1/2"}, "sprites", False),
        ({"metrics": ("color",)}, "sprites", False),
        ({"prompts": Path("mine.txt")}, "sprites", False),
    ],
)
def test_which_runs_end_with_a_page_by_themselves(asked: dict[str, Any], variant: str, ends: bool) -> None:
    opened: Any = SimpleNamespace(options=RunOptions(**asked), spec=SimpleNamespace(variant=variant))
    assert of_whole_world(opened) is ends


def test_what_is_lost_or_not_scored_says_why(runs: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "runs" / "geneval" / "cut"
    shutil.copytree(runs[0], run)
    lost = sorted((run / "media").rglob("*.png"))[0]
    lost.unlink()
    shutil.rmtree(next(iter((run / "scores").glob("counting*"))))
    written = write_report([run], tmp_path / "page")
    _, core = data(tmp_path / "page" / "data.js")
    (why,) = core["runs"][0]["why"].values()
    assert lost.name in why
    text = written.index.read_text(encoding="utf-8")
    assert "not scored yet" in text
    assert core["runs"][0]["poster"].count("") == 1
