"""``verify`` finds every damage between commands, mends what can be mended, and says both."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nova_eval.cli import app
from nova_eval.media import encode_image
from nova_eval.runs.opening import open_run, reopen
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.runs.verifying import Fault, verify


def opened(results: Path) -> Run:
    asked = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 4, "samples_per_prompt": "1"}
    return open_run(*resolve("geneval", {**asked, "results": results}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = opened(tmp_path_factory.mktemp("finished"))
    run(asked)
    return asked.store.folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    target = tmp_path / "runs" / "geneval" / finished.name
    shutil.copytree(finished, target)
    return target


def first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def cut_a_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))


def without_a_row(path: Path) -> None:
    pd.read_parquet(path)[1:].to_parquet(path)


def of_other_bytes(path: Path) -> None:
    """A row that is whole, and speaks of bytes that nobody made."""
    body = path.read_bytes().splitlines()[0].rpartition(b',"crc":"')[0]
    row = json.dumps({**json.loads(body + b"}"), "of": "0" * 64, "value": 0.0})[:-1].encode()
    with path.open("ab") as stream:
        stream.write(row + b',"crc":"%08x"}\n' % zlib.crc32(row))


# where, what is done, whether `verify --fix` and then `run` mend it
DAMAGE: dict[str, tuple[str, Callable[[Path], object], bool]] = {
    "a bit of a medium": ("media/**/*.png", flip, True),
    "a medium cut": ("media/**/*.png", cut, True),
    "a medium gone": ("media/**/*.png", Path.unlink, True),
    "a bit of a sample row": ("samples/*.jsonl", flip, True),
    "a bit of a score row": ("scores/*/*.jsonl", flip, True),
    "a suite cut": ("prompts.jsonl", cut_a_line, True),
    "a table changed": ("tables/table.csv", flip, True),
    "a table gone": ("tables/comparison.md", Path.unlink, True),
    "a bit of the scores one by one": ("tables/scores.parquet", flip, True),
    "the scores one by one of others": ("tables/scores.parquet", without_a_row, True),
    "scores of other bytes": ("scores/*/*.jsonl", of_other_bytes, True),
    "a manifest cut": ("manifest.json", cut, False),
    "a bit of the manifest": ("manifest.json", flip, False),
}


def test_a_run_as_it_was_made_is_whole(folder: Path) -> None:
    assert list(verify(folder)) == []
    assert list(verify(folder, fix=True)) == []


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_mended_where_that_can_be(folder: Path, finished: Path, damage: str) -> None:
    where, do, mends = DAMAGE[damage]
    do(first(folder, where))
    state = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    found = list(verify(folder))
    assert found
    assert not any(one.mended for one in found)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == state
    fixed = list(verify(folder, fix=True))
    assert any(one.mended for one in fixed) == mends
    if mends:
        again = opened(folder.parents[2])
        assert again.store.folder == folder
        run(again)
        assert list(verify(folder)) == []
        assert summarise(reopen(folder)).summary.metrics == summarise(reopen(finished)).summary.metrics


def test_a_file_that_no_row_names_is_told_and_left(folder: Path) -> None:
    (folder / "media" / "extra.png").write_bytes(b"whose?")
    (found,) = verify(folder, fix=True)
    assert found == Fault("1 files are in no row, such as media/extra.png", remedy="nothing reads them; remove them")
    assert (folder / "media" / "extra.png").exists()


def test_the_verb_says_each_and_its_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["verify", str(folder)], result_action="return_value") == 0
    assert capsys.readouterr().out == "whole\n"
    flip(first(folder, "media/**/*.png"))
    assert app(["verify", str(folder), "--json"], result_action="return_value") == 4
    (found, *_) = json.loads(capsys.readouterr().out)
    assert "not the bytes that were sampled" in found["what"]
    app(["verify", str(folder), "--fix"], result_action="return_value")
    assert "mended: moved to 0.png.damaged" in capsys.readouterr().out


def test_the_scores_of_own_samples_are_looked_at_and_another_writer_of_parquet_is_none(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a red circle\n")
    asked = {"sampler": "oracle", "prompts": tmp_path / "mine.txt", "workers": 1, "results": tmp_path}
    made = open_run(*resolve("geneval", {**asked, "samples_per_prompt": "1"}))
    run(made)
    folder = made.store.folder
    table = folder / "tables" / "scores.parquet"
    pd.read_parquet(table).to_parquet(table, compression="none", index=False)
    assert list(verify(folder)) == []
    flip(folder / "tables" / "samples.csv")
    assert [found.what for found in verify(folder)] == ["samples.csv: not what the rows say"]


def test_a_file_that_became_another_leaves_rows_of_both_and_no_fault(tmp_path: Path) -> None:
    pictures, sizes = tmp_path / "pictures", (32, 48)
    pictures.mkdir()
    for size in sizes:
        (pictures / "mine.png").write_bytes(encode_image(np.zeros((size, size, 3), np.uint8)))
        asked = {"sampler": f"folder:{pictures}", "variant": "custom", "judges": "sprites", "results": tmp_path}
        again = open_run(*resolve("geneval", {**asked, "workers": 1}))
        run(again)
    assert [found.what for found in verify(again.store.folder)] == []
