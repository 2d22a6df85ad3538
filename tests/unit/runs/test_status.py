"""How far a run is, from its folder: rows on disk, and what those who are at work note."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nova_eval.__main__ import _code
from nova_eval.cli.status import lines
from nova_eval.engines.units import Event, UnitReport
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import begin, driving, run
from nova_eval.runs.run import Run
from nova_eval.runs.stage import NOTES, stage
from nova_eval.runs.status import status


@pytest.fixture
def opened(tmp_path: Path) -> Run:
    asked = {"sampler": "oracle", "workers": 1, "limit": 4, "samples_per_prompt": "1", "results": tmp_path}
    return open_run(*resolve("geneval", asked))


def test_a_run_at_work_says_who_does_what_and_how_long_it_takes(opened: Run) -> None:
    begin(opened)
    with driving(opened), stage(opened, "sampling", 4, "samples") as shown:
        shown.tell(Event("worker-1", "started on cpu, process 7"))
        shown.tell(Event("worker-2", "started on cpu, process 8"))
        shown.tell(Event("worker-2", "failed: it died", "gone"))
        shown.report(UnitReport(2, 1, "too bright"))
        shown._began -= 10.0
        shown._note(now=True)
        [share] = status(opened.store.folder).shares
    assert (share.at_work, share.stage, share.done, share.total, share.failed) == (True, "sampling", 2, 4, 1)
    assert share.rate == pytest.approx(0.2, rel=0.2)
    assert share.seconds_left == pytest.approx(10.0, rel=0.2)
    assert set(share.workers) == {"worker-1"}
    assert share.workers["worker-1"]["at"] == "started on cpu, process 7"


def test_that_memory_was_short_is_said_once_when_all_is_done_and_names_no_worker(opened: Run) -> None:
    said: list[str] = []
    begin(opened)
    with stage(replace(opened, say=said.append), "scoring", 4, "samples") as shown:
        for share in (2, 4):
            shown.tell(Event("worker-1", "failed: it died", "gone"))
            shown.tell(
                Event("worker-1", f"memory was short: goes on with judges at 1/{share} of their batch", "halved")
            )
        assert shown._workers == {}
    [text] = said
    assert text.startswith(
        "memory was short: goes on with judges at 1/4 of their batch, which may change the last bits"
    )
    assert (opened.store.folder / "logs" / "run.log").read_text().count("memory was short") == 2


def test_what_is_there_is_counted_whoever_noted_what(opened: Run) -> None:
    run(replace(opened, options=replace(opened.options, shard="1/2")))
    found = status(opened.store.folder)
    assert 0 < found.samples < found.wanted == 4
    assert 0 < found.decided < found.scores
    assert not found.at_work
    assert found.shares[0].shard == "1/2"
    run(opened)
    found = status(opened.store.folder)
    assert (found.samples, found.decided) == (4, found.scores)
    assert next(iter(lines(found))) == f"{opened.name}  nobody is at work"


@pytest.mark.parametrize("note", ["{", "[]", '{"done": "many"}', '{"workers": {"a": 1}}', None])
def test_a_note_that_says_nothing_harms_nobody(opened: Run, note: str | None) -> None:
    begin(opened)
    path = opened.store.folder / NOTES.format(0, 1)
    path.parent.mkdir(exist_ok=True)
    if note is None:
        path.mkdir()
    else:
        path.write_text(note)
    with driving(opened):
        assert [share.stage for share in status(opened.store.folder).shares] == [""]
    if note is None:
        with stage(opened, "sampling", 4, "samples") as shown:
            shown.report(UnitReport(1))
    assert status(opened.store.folder).samples == 0


def test_the_verb_answers_people_and_programs(opened: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(opened)
    words = ["status", opened.name, "--results", str(opened.options.results)]
    assert _code(words) == 0
    assert "samples  4 of 4" in capsys.readouterr().out
    assert _code([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 4
    assert _code(["status", "nobody/knows", "--results", str(opened.options.results)]) == 2
