"""The log of a run has a line an event, whoever wrote it and whatever befell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nova_eval.cli import app
from nova_eval.engines.units import Event
from nova_eval.runs import opening, options, pipeline
from nova_eval.runs.log import RunLog
from nova_eval.runs.run import Run

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  \S+:\d+  (driver|worker-\d+)  \S.*")


def opened(results: Path, **flags: object) -> Run:
    flags |= {"sampler": "noise", "limit": 2, "samples_per_prompt": 1, "workers": 1, "results": str(results)}
    return opening.open_run(*options.resolve("geneval", flags))


def lines_of(run: Run) -> list[str]:
    return (run.store.folder / "logs" / "run.log").read_text(encoding="utf-8").splitlines()


def test_a_run_tells_its_beginning_its_units_and_its_end(tmp_path: Path) -> None:
    run = opened(tmp_path)
    pipeline.run(run)
    lines = lines_of(run)
    assert all(LINE.fullmatch(line) for line in lines)
    said = [line.split("  ", 3)[3] for line in lines]
    assert said[0].startswith(f"begins {run.name}: 2 samples wanted")
    assert any(text.startswith("begins sampling 2: ") for text in said)
    assert said[-1] == "decided 2 of 2 scores"
    pipeline.run(run)
    assert lines_of(run)[: len(lines)] == lines


def test_an_interruption_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(tmp_path)
    monkeypatch.setattr(pipeline, "sample", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(run)
    assert lines_of(run)[-1].endswith("  driver  interrupted")


class _Bar:
    def __init__(self) -> None:
        self.noted: list[str] = []

    def advance(self, done: int, failed: int = 0) -> None: ...

    def note(self, text: str) -> None:
        self.noted.append(text)


def test_a_model_is_said_to_load_once_and_the_bar_shows_what_is_done(tmp_path: Path) -> None:
    from dataclasses import replace

    said: list[str] = []
    run = replace(opened(tmp_path), light=False, say=said.append)
    bar = _Bar()
    log = RunLog(run)
    for worker in ("worker-1", "worker-2"):
        log.tell(Event(worker, "loads judge raft_things for cuda:0", "loads"), bar)
        log.tell(Event(worker, "dynamic_degree of 8 samples", "is at"), bar)
    assert said == ["loads judge raft_things for cuda:0"]
    assert set(bar.noted) == {"loads judge raft_things for cuda:0", "dynamic_degree of 8 samples"}


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_log_that_cannot_be_written_ends_no_run(kind: str, tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.store.folder.mkdir(parents=True)
    if kind == "file":
        (run.store.folder / "logs").write_text("in the way")
    else:
        (run.store.folder / "logs").mkdir()
        (run.store.folder / "logs" / "run.log").symlink_to(tmp_path / "elsewhere")
    RunLog(run).write("something")
    assert not (tmp_path / "elsewhere").exists()


def test_control_characters_and_lines_stay_in_their_line(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.store.folder.mkdir(parents=True)
    RunLog(run).write("failed: \x1b[31m red\nnext")
    (line,) = lines_of(run)
    assert LINE.fullmatch(line)
    assert "\x1b" not in line


def test_a_shard_that_did_its_part_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = f"run geneval --sampler noise --limit 4 --samples-per-prompt 1 --shard 0/2 --results {tmp_path}"
    assert app(words, result_action="return_value") == 0
    assert "shard 0/2: its own part is done; 2 of 4 scores (50%) are left to other shards" in capfd.readouterr().err
