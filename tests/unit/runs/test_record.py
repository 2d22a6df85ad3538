"""The record of a run: what its folder says of itself is what was run, or the run is refused."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nova_eval import files, locks
from nova_eval.errors import CorruptStoreError, PrerequisiteError
from nova_eval.runs import pipeline
from nova_eval.runs.exporting import export_run
from nova_eval.runs.opening import open_run, reopen, reopen_to_score
from nova_eval.runs.options import changed, resolve
from nova_eval.runs.pipeline import begin, run
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome, summarise

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


def table_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return manifest


SCORED = ({"limit": 1}, {"metrics": ("colors",)}, {"limit": 1, "metrics": ("colors",)}, {"samples_per_prompt": 1})


class TestViews:
    @pytest.mark.parametrize("asked", SCORED)
    def test_a_look_at_a_part_leaves_the_record_of_the_whole(self, folder: Path, asked: dict[str, Any]) -> None:
        run(reopen_to_score(folder, lambda options: options), sampling=False)  # under its new address
        before, record = table_of(folder), manifest_of(folder)
        looked = run(reopen_to_score(folder, lambda options: changed(options, asked)), sampling=False)
        assert looked.summary.coverage.unscored == 0
        assert looked.summary.samples <= 4
        assert table_of(folder) == before
        assert manifest_of(folder)["coverage"] == record["coverage"]
        assert manifest_of(folder)["options"] == record["options"]
        assert summarise(reopen(folder)).summary.prompts == 4

    @pytest.mark.parametrize("smaller", [{"limit": 2}, {"limit": 1, "metrics": ("colors",)}])
    def test_a_smaller_run_after_a_larger_one_keeps_the_union(self, tmp_path: Path, smaller: dict[str, Any]) -> None:
        first = opened(tmp_path, limit=6)
        run(first)
        samples = set(first.wanted)
        second = opened(tmp_path, **smaller)
        assert run(second).summary.samples == len(second.wanted)
        whole = reopen(second.store.folder)
        assert set(whole.wanted) == samples | set(second.wanted)
        assert summarise(whole).summary.coverage.fraction == 1
        assert manifest_of(second.store.folder)["status"] == "complete"

    def test_scoring_makes_a_run_no_larger_and_says_so(self, folder: Path) -> None:
        before, said = manifest_of(folder), list[str]()
        asked = {"sampler": "oracle", "variant": "sprites", "workers": 1, "limit": 9, "samples_per_prompt": "2"}
        larger = open_run(*resolve("geneval", {**asked, "results": folder.parents[2]}), said.append, sampling=False)
        assert larger.store.folder == folder
        assert run(larger, sampling=False).summary.coverage.fraction == 1
        assert said[0].startswith("4 of the 18 samples asked for are part of this run; scoring makes no others")
        assert len(reopen(folder).wanted) == 4
        assert manifest_of(folder)["coverage"] == before["coverage"]
        assert manifest_of(folder)["status"] == "complete"

    def test_parts_of_other_dimensions_add_up(self, tmp_path: Path) -> None:
        parts = [opened(tmp_path, limit=2, metrics=(name,)) for name in ("colors", "counting", "position")]
        for part in parts:
            assert run(part).summary.coverage.fraction == 1
        whole = reopen(parts[0].store.folder)
        assert set(whole.wanted) == {key for part in parts for key in part.wanted}
        assert summarise(whole).summary.coverage.fraction == 1
        assert summarise(whole).summary.prompts == 6

    def test_a_larger_run_that_has_only_begun_is_not_complete(self, tmp_path: Path) -> None:
        run(opened(tmp_path, limit=2))
        larger = opened(tmp_path, limit=5)
        begin(larger)
        assert manifest_of(larger.store.folder)["status"] == "started"
        assert len(reopen(larger.store.folder).wanted) == 5


def test_what_was_left_before_the_first_manifest_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer was killed: there is a folder, and no run in it yet."""
    asked, host = opened(tmp_path), files.writer().rpartition("-")[0]
    monkeypatch.setattr(files, "writer", lambda: f"{host}-999999999")
    with files.temporary(asked.store.folder / "prompts.jsonl") as left:
        left.touch()
    left = (asked.store.folder / "prompts.jsonl").rename(left)
    monkeypatch.undo()
    assert left.exists()
    begin(asked)
    assert not left.exists()


def test_the_last_reduce_knows_every_row_whoever_was_slower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first shard reads its rows, and is slow; the other ends in between. Locks or not."""
    slow = opened(tmp_path, shard="1/2", unit_timeout=0)  # in this process, whichever thread it is
    quick = opened(tmp_path, shard="2/2")
    real, ended = pipeline.summarise, threading.Event()
    summarised: list[str] = []

    def summarise_slowly(asked: Run) -> Outcome:
        found = real(asked)
        if asked.options.shard == "1/2" and not summarised:
            summarised.append("1/2")
            ended.wait(60)
        return found

    monkeypatch.setattr(pipeline, "summarise", summarise_slowly)
    monkeypatch.setattr(locks, "_taken", lambda number: None)  # a file system without locks
    thread = threading.Thread(target=run, args=(slow,))
    thread.start()
    while not summarised:
        thread.join(0.01)
    run(quick)
    ended.set()
    thread.join(60)
    assert manifest_of(slow.store.folder)["coverage"]["fraction"] == 1
    before = table_of(slow.store.folder)
    monkeypatch.undo()
    run(opened(tmp_path))
    assert table_of(slow.store.folder) == before


@pytest.mark.parametrize("without", [False, True], ids=["locks", "no locks"])
@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (None, None, False),
        (None, "1/2", False),
        ("1/2", None, False),
        ("1/2", "1/2", False),
        ("2/2", "0/2", False),
        ("1/2", "2/2", True),
        ("1/2", "1/4", False),
        ("1/2", "3/4", False),
        ("1/2", "2/4", True),
        ("1/2", "1/3", False),
    ],
)
def test_no_two_work_on_one_prompt(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str | None,
    second: str | None,
    together: bool,
    without: bool,
) -> None:
    """The whole and its shards, and shards of other divisions, have prompts in common."""
    if without:
        monkeypatch.setattr(locks, "_taken", lambda number: None)
    one, other = opened(tmp_path, shard=first), opened(tmp_path, shard=second)
    held = one.options.part
    told = f"shard {held[0]}/{held[1]} of {one.name}" if first else one.name
    with pipeline.driving(one):
        if together:
            with pipeline.driving(other):
                pass
        else:
            with pytest.raises(PrerequisiteError, match=rf"^{told} is being worked on by process \d+"):
                pipeline.driving(other).__enter__()
    with pipeline.driving(other):  # it is free once the first has ended
        pass


def test_an_edited_plugin_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    code = """
from nova_eval.protocols import SamplerInfo
class Mine:
    info = SamplerInfo("mine", "image")
"""
    names = []
    for edited in (code, code, code + "# a word\n"):
        file.write_text(edited)
        names.append(opened(tmp_path, sampler=f"{file}:Mine").store.folder.name)
        for module in [name for name in sys.modules if name.startswith("nova_eval_plugin_")]:
            monkeypatch.delitem(sys.modules, module)  # as another process would begin
    assert names[0] == names[1] != names[2]
