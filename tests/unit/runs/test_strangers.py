"""A stranger's run: its paths stay inside it, its special files are not opened, and one bad row harms only itself."""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nova_eval.errors import CorruptStoreError, UsageError
from nova_eval.identity import suite_digest
from nova_eval.records import Prompt
from nova_eval.runs.exporting import export_run
from nova_eval.runs.opening import open_run, reopen, reopen_to_score
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.runs.summary import summarise
from nova_eval.store import RunStore

Row = dict[str, Any]
OUTSIDE = ("../secret.png", "/etc/passwd", "/dev/zero", "media/../../secret.png", "media/\0", "", ".", "\udc80\ud800")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for benchmark in ("dpg_bench", "t2i_compbench"):
        flags = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 2, "samples_per_prompt": "1"}
        opened = open_run(*resolve(benchmark, {**flags, "results": tmp_path_factory.mktemp("finished")}))
        run(opened)
        folders[benchmark] = opened.store.folder
    return folders


@pytest.fixture
def folder(finished: dict[str, Path], tmp_path: Path) -> Path:
    return copied(finished["t2i_compbench"], tmp_path)


def copied(folder: Path, where: Path) -> Path:
    target = where / "theirs" / folder.name
    shutil.copytree(folder, target)
    return target


def rows(folder: Path) -> list[Row]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    return [{name: value for name, value in json.loads(line).items() if name != "crc"} for line in lines]


def write_rows(folder: Path, changed: list[Row]) -> None:
    for path in folder.glob("*.jsonl"):
        path.unlink()
    bodies = [json.dumps(row)[:-1] for row in changed]
    lines = [f'{body},"crc":"{zlib.crc32(body.encode()):08x}"}}\n' for body in bodies]
    (folder / "somebody-1.jsonl").write_text("".join(lines))


def change_manifest(folder: Path, change: Callable[[Row], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    del manifest["check"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change_prompts(folder: Path, change: Callable[[Row], Row]) -> None:
    """Changes every prompt, and the manifest so that it fits: whoever made the run can do that."""
    lines = [change(json.loads(line)) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prompts = [Prompt(row["id"], row["text"], tuple(row["tags"]), row["reference"], row["rewritten"]) for row in lines]
    facts = {"file": sha256((folder / "prompts.jsonl").read_bytes()).hexdigest(), "digest": suite_digest(prompts)}
    change_manifest(folder, lambda manifest: manifest["suite"].update(facts))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_row_that_points_outside_is_unscored_and_the_others_stay(folder: Path, tmp_path: Path, name: str) -> None:
    secret = folder.parent / "secret.png"
    before = rows(folder / "samples")
    shutil.copy(folder / before[0]["path"], secret)
    write_rows(folder / "samples", [{**before[0], "path": name}, *before[1:]])
    summary = summarise(reopen(folder)).summary
    assert summary.samples == len(before) - 1
    assert summary.coverage.unscored > 0
    done = export_run(reopen(folder), tmp_path / "out")
    assert done.lines[0].startswith(f"{len(before) - 1} of {len(before)} samples")


@pytest.mark.parametrize("place", ["samples/x.jsonl", "manifest.json", "prompts.jsonl"])
def test_a_pipe_in_place_of_a_file_is_one_line(folder: Path, place: str) -> None:
    (folder / place).unlink(missing_ok=True)
    os.mkfifo(folder / place)
    with pytest.raises(CorruptStoreError, match="not a regular file"):
        summarise(reopen(folder))


def test_a_pipe_in_place_of_media_is_unscored(folder: Path) -> None:
    first, *others = rows(folder / "samples")
    (folder / first["path"]).unlink()
    os.mkfifo(folder / first["path"])
    write_rows(folder / "samples", [{**first, "bytes": 0}, *others])
    shutil.rmtree(folder / "scores")
    scored = run(reopen_to_score(folder, lambda options: options), sampling=False)
    assert scored.summary.samples == len(others)
    assert any("not a regular file" in row.reason for row in scored.rows)


@pytest.mark.parametrize("place", ["media", "tables", "logs", "samples", "scores"])
def test_nothing_is_read_or_written_through_a_link(folder: Path, tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (folder / place).exists():
        shutil.copytree(folder / place, elsewhere)
        shutil.rmtree(folder / place)
    else:
        elsewhere.mkdir()
    (folder / place).symlink_to(elsewhere)
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    if place == "media":
        assert run(reopen_to_score(folder, lambda options: options), sampling=False).summary.samples == 0
    else:
        with pytest.raises(CorruptStoreError, match="is a link"):
            run(reopen_to_score(folder, lambda options: options), sampling=False)
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before


def test_scores_named_outside_of_the_run_are_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["scorers"].update({"color": "../../../elsewhere"}))
    with pytest.raises(CorruptStoreError, match="leaves its folder"):
        summarise(reopen(folder))


@pytest.mark.parametrize("tag", ["../elsewhere", "/tmp/elsewhere", "a/../../b"])
def test_a_category_cannot_lead_an_export_away(folder: Path, tmp_path: Path, tag: str) -> None:
    change_prompts(folder, lambda prompt: {**prompt, "tags": [tag, *prompt["tags"]]})
    with pytest.raises(UsageError, match="leaves its folder"):
        export_run(reopen(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("item", ["../../home/", "/etc/x", "../x"])
def test_an_item_cannot_lead_an_export_away(finished: dict[str, Path], tmp_path: Path, item: str) -> None:
    folder = copied(finished["dpg_bench"], tmp_path)
    change_prompts(folder, lambda prompt: {**prompt, "reference": {**prompt["reference"], "item": item + prompt["id"]}})
    with pytest.raises(UsageError, match="leaves its folder"):
        export_run(reopen(folder), tmp_path / "out", names="separate")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "row", [b'{"key":' + b"[" * 100_000, b"[" + b"1," * 10, b"7", b'"text"', b"{" + b" " * (1 << 24)]
)
def test_rows_that_are_none_are_one_line(tmp_path: Path, row: bytes) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "x-1.jsonl").write_bytes(row + b',"crc":"%08x"}\n' % zlib.crc32(row))
    with pytest.raises(CorruptStoreError, match="line 1: not a whole row"):
        RunStore(tmp_path).samples()


def test_media_whose_bytes_are_in_no_row_are_left_out_of_an_export(folder: Path, tmp_path: Path) -> None:
    path = folder / rows(folder / "samples")[0]["path"]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    done = export_run(reopen(folder), tmp_path / "out")
    assert done.damaged == 1
    assert any("not the bytes that were sampled" in line for line in done.lines)
    assert bytes(data) not in {found.read_bytes() for found in (tmp_path / "out").rglob("*.png")}


def test_of_two_rows_of_one_size_the_one_of_the_bytes_counts(folder: Path) -> None:
    before = rows(folder / "samples")
    digest = before[0]["digest"]
    write_rows(folder / "samples", [{**before[0], "digest": "0" * 64}, *before])
    key = RunStore(folder).sample_rows()[0]
    found, _ = RunStore(folder).samples()
    assert [found[name].digest for name in key if found[name].path == before[0]["path"]] == [digest]
