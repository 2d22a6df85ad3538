"""bench faults: nothing in the product is harmed by six faults, and what would be harmed is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from nova_eval.checks.bench.faults import campaign, holding
from nova_eval.checks.bench.faults.case import Case, Count
from nova_eval.checks.bench.faults.commands import Done
from nova_eval.checks.bench.options import FaultsBench
from nova_eval.errors import UsageError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and asks /proc who is alive")
KINDS = [
    *("killed while a row is written", "Ctrl-C", "disk full within a write"),
    *("broken inner line", "medium: a bit, time kept", "two drivers"),
]
SEED = 30926  # each strikes once
HARMED = """
import sys
from nova_eval import errors, files
from nova_eval.checks.bench.faults import campaign
from nova_eval.checks.bench.options import FaultsBench
from nova_eval.store import RunStore

def found(kind):
    (count,) = campaign.measure(FaultsBench(faults=1, kinds=(kind,)), lambda text: None)
    print(count, file=sys.stderr)
    return count

errors.INTERRUPTED = 0
assert found("Ctrl-C").unclear
errors.INTERRUPTED = 130
RunStore.whole_media = RunStore.media
assert found("medium: a bit, time kept").unclear
"""


def line(key: list[Any], **values: Any) -> bytes:
    return holding.line({"key": key, **values})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two samples with a score each."""
    run = tmp_path / "run"
    for folder in ("samples", "scores/color@1-x", "media", "tables"):
        (run / folder).mkdir(parents=True)
    (run / "tables/table.csv").write_text("1\n")
    for index in (0, 1):
        medium = run / f"media/{index}.png"
        medium.write_bytes(bytes([index]))
        row = line(["a/0", index], path=f"media/{index}.png", digest=holding.digest(medium), seconds=index)
        score = line(["a/0", index], metric="color", value=0.5, weight=1, of=holding.digest(medium))
        for folder, data in (("samples", row), ("scores/color@1-x", score)):
            with (run / folder / "here-1.jsonl").open("ab") as stream:
                stream.write(data)
    return run


@pytest.fixture
def case(run: Path, tmp_path: Path) -> Case:
    world: Any = SimpleNamespace(table=[{"metrics": [1], "coverage": {"fraction": 1}}], run=run)
    return Case(world, Random(0), tmp_path)


def findings(case: Case) -> dict[str, int]:
    return {
        name: found
        for name in ("lost", "silent", "hangs", "orphans", "unclear")
        if (found := getattr(case.count, name))
    }


def test_six_faults_harm_nothing() -> None:
    command = [sys.executable, "-m", "nova_eval", "bench", "faults", "--json"]
    command += ["--faults", str(len(KINDS)), "--seed", str(SEED), "--kinds", *KINDS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts = [Count(**row) for row in json.loads(done.stdout)]
    assert [count.kind for count in counts] == KINDS
    assert all(count.injected for count in counts)
    assert not any(count.wrong for count in counts)


@pytest.mark.slow
def test_an_interrupt_that_exits_0_and_bytes_that_nobody_compares_are_found() -> None:
    done = subprocess.run([sys.executable, "-c", HARMED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_row_another_medium_and_another_table_are_other_facts(run: Path) -> None:
    before, finished = holding.facts(run), holding.finished(run)
    assert holding.lost(finished, holding.finished(run)) == holding.doubled(run) == 0
    (run / "tables/table.csv").write_text("2\n")
    assert holding.facts(run) != before
    (run / "media/1.png").write_bytes(b"other")
    assert holding.lost(finished, holding.finished(run)) == 1
    scores = run / "scores/color@1-x/here-1.jsonl"
    first, _ = scores.read_bytes().splitlines(keepends=True)
    scores.write_bytes(first)
    assert holding.lost(finished, holding.finished(run)) == 2
    scores.write_bytes(first + first)
    assert holding.doubled(run) == 1


def test_a_row_that_was_never_promised_is_none(run: Path) -> None:
    before = holding.facts(run)
    with (run / "samples/here-1.jsonl").open("ab") as stream:
        stream.write(line(["a/0", 2], path="x", digest="")[:-1])
    assert holding.facts(run) == before


@pytest.mark.parametrize(
    ("done", "what"),
    [
        (Done(("run",), 4, "", "log\nnova-eval: cannot write x; free space\n"), {}),
        (Done(("run",), -9, "", ""), {"unclear": 1}),
        (Done(("run",), 4, "", "Traceback (most recent call last)\nnova-eval: oh\n"), {"unclear": 1}),
        (Done(("run",), 4, "", "oh"), {"unclear": 1}),
        (Done(("run",), 4, "an answer", "nova-eval: oh\n"), {"unclear": 1}),
        (Done(("run",), 4, "", "nova-eval: oh\nnova-eval: and again\n"), {"unclear": 1}),
        (Done(("run",), -9, "", "", hung=True), {"hangs": 1}),
        (Done(("run",), 0, "", "", orphans=2), {"orphans": 2}),
        (Done(("verify",), 4, "a table changed; --fix\n", ""), {}),
    ],
)
def test_how_a_command_ends_is_judged(case: Case, done: Done, what: dict[str, int]) -> None:
    assert case.ended(done, 0, 4) == (not what)
    assert findings(case) == what


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"metrics": [1], "coverage": {"fraction": 1}, "latency": 3}, {}),
        ({"metrics": [None], "coverage": {"fraction": 0.5}}, {}),
        ({"metrics": [2], "coverage": {"fraction": 1}}, {"silent": 1}),
    ],
)
def test_another_answer_without_a_word_is_silent(case: Case, answer: dict[str, Any], what: dict[str, int]) -> None:
    case.told(Done(("table",), 0, json.dumps([answer]), ""))
    assert findings(case) == what


def test_a_temporary_file_is_an_orphan_unless_its_writer_was_killed(case: Case) -> None:
    case.results.mkdir()
    (case.results / ".0.n1.host-1.tmp").touch()
    case.swept(Done(("run",), -9, "", ""))
    assert findings(case) == {}
    case.swept(Done(("run",), 4, "", ""))
    assert findings(case) == {"orphans": 1}


def test_the_table_has_a_row_a_kind_and_the_sum(tmp_path: Path) -> None:
    found = [Count("one", injected=3), Count("other", injected=2, silent=1)]
    assert campaign.lines(found).splitlines()[-1] == "| all | 5 | 0 | 0 | 1 | 0 | 0 | 0 |"
    for ray, name in ((False, "faults"), (True, "many_machines")):
        paths = campaign.write(tmp_path / "new", found, ray=ray)
        assert [path.name for path in paths] == [f"{name}.csv", f"{name}.md"]
        assert [path.read_text().count("\n") for path in paths] == [3, 5]
    assert campaign.total(found).wrong == 1


def test_a_kind_that_is_not_known_is_said() -> None:
    with pytest.raises(UsageError, match="unknown kind of fault 'driver kiled'; did you mean 'driver killed'"):
        campaign.measure(FaultsBench(kinds=("driver kiled",)), print)
