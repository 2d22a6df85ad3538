"""The record of a run: what its folder says of itself is what was run, or the run is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_eval.errors import CorruptStoreError
from nova_eval.runs.exporting import export_run
from nova_eval.runs.opening import open_run, reopen, reopen_to_score
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise

Lines = list[dict[str, Any]]


def opened(results: Path, **flags: Any) -> Run:
    asked = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 4, "samples_per_prompt": "1"}
    return open_run(*resolve("geneval", {**asked, "results": results, **flags}))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    asked = opened(tmp_path_factory.mktemp("finished"))
    run(asked)
    return asked.store.folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished run that a test may damage."""
    target = tmp_path / "runs" / "geneval" / finished.name
    shutil.copytree(finished, target)
    return target


def as_before(folder: Path) -> None:
    """Takes from the manifest what manifests of earlier versions do not have."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["check"], manifest["suite"]["file"]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def changed_tags(lines: Lines) -> Lines:
    return [{**lines[0], "tags": ["position"]}, *lines[1:]]


def other_text(lines: Lines) -> Lines:
    return [*lines[:-1], {**lines[-1], "text": "a photo of nothing"}]


DAMAGE: dict[str, Callable[[Lines], Lines]] = {
    "cut at a line": lambda lines: lines[: len(lines) // 2],
    "empty": lambda lines: [],
    "a line twice": lambda lines: [*lines, lines[0]],
    "tags of one prompt changed": changed_tags,
    "a text changed": other_text,
}


def rewritten(folder: Path, lines: Lines) -> None:
    (folder / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def suite_of(folder: Path) -> Lines:
    return [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("old", [False, True], ids=["now", "before"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_suite_is_refused_by_whoever_reads_it(folder: Path, tmp_path: Path, damage: str, old: bool) -> None:
    if old:
        as_before(folder)
    rewritten(folder, DAMAGE[damage](suite_of(folder)))
    readers: list[Callable[[], object]] = [
        lambda: summarise(reopen(folder)),
        lambda: reopen_to_score(folder, lambda options: options),
        lambda: export_run(reopen(folder), tmp_path / "out"),
    ]
    for read in readers:
        with pytest.raises(CorruptStoreError, match=r"prompts\.jsonl is not the suite of this run.*restore it"):
            read()
    assert not (tmp_path / "out").exists()


def test_a_suite_in_another_order_is_refused(folder: Path) -> None:
    rewritten(folder, suite_of(folder)[::-1])
    with pytest.raises(CorruptStoreError, match="not the suite"):
        reopen(folder)


@pytest.mark.parametrize("torn", [b"", b"{", b"\xff\xfe", b'{"id": 1}\n', b"[" * 100_000 + b"\n", b"null\n"])
def test_a_suite_of_other_bytes_is_one_line(folder: Path, torn: bytes) -> None:
    as_before(folder)
    (folder / "prompts.jsonl").write_bytes(torn)
    with pytest.raises(CorruptStoreError, match="not the suite"):
        reopen(folder)


def test_the_same_run_writes_its_suite_anew(folder: Path) -> None:
    whole = (folder / "prompts.jsonl").read_bytes()
    rewritten(folder, suite_of(folder)[:3])
    said: list[str] = []
    flags = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 4, "samples_per_prompt": "1"}
    again = open_run(*resolve("geneval", {**flags, "results": folder.parents[2]}), said.append)
    run(again)
    assert again.store.folder == folder
    assert (folder / "prompts.jsonl").read_bytes() == whole
    assert any("written anew" in line for line in said)


def test_a_run_of_an_earlier_version_opens(folder: Path) -> None:
    before = summarise(reopen(folder)).summary
    as_before(folder)
    assert summarise(reopen(folder)).summary == before


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["scorers"].clear(),
        lambda manifest: manifest["spec"].update(variant="official"),
        lambda manifest: manifest["options"].update(samples_per_prompt=9),
        lambda manifest: manifest.update(status="complete", coverage={"fraction": 1}),
    ],
)
def test_a_manifest_that_somebody_changed_is_refused(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptStoreError, match=r"manifest\.json: changed since it was written"):
        reopen(folder)
