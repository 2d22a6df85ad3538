"""Changed files are read or refused by one line; a seed says the changes, and what is foreign is told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random

import pytest

from nova_eval.checks.bench.fuzz import campaign, report
from nova_eval.checks.bench.fuzz.mutations import mutated
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.checks.bench.options import FuzzBench
from nova_eval.errors import UsageError

CASES = 2000
CONTENT = json.dumps({"a": [1, {"b": "c"}], "d": 0.5}).encode()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_EVAL_CACHE", str(tmp_path))


def test_nothing_foreign_comes_of_a_changed_file() -> None:
    quick = tuple(reader.name for reader in report.readers() if reader.share >= 0.1)  # others load large packages
    outcomes = report.measure(FuzzBench(cases=CASES, seed=1, readers=quick))
    assert [kind for outcome in outcomes for kind in outcome.kinds] == []
    assert sum(outcome.cases for outcome in outcomes) >= CASES
    assert all(outcome.read + outcome.refused == outcome.cases for outcome in outcomes)


def test_a_seed_says_the_changes() -> None:
    changed = [[mutated(CONTENT, kind, Random(f"{seed}")) for seed in range(50)] for kind in ("json", "bytes", "text")]
    assert changed == [
        [mutated(CONTENT, kind, Random(f"{seed}")) for seed in range(50)] for kind in ("json", "bytes", "text")
    ]
    assert all(len(set(of_kind)) > 25 for of_kind in changed)


def test_what_is_foreign_says_where_and_in_which_case(tmp_path: Path) -> None:
    def read(path: Path) -> object:
        if path.read_bytes() != CONTENT:
            raise KeyError("a")
        return None

    def refuse(path: Path) -> object:
        if path.read_bytes() != CONTENT:
            raise UsageError("no")
        return None

    uses = {"a": read, "b": refuse}
    readers = [Reader(name, "x.json", "json", lambda folder: [CONTENT], use) for name, use in uses.items()]
    first, second = (campaign.run(reader, 20, 0) for reader in readers)
    assert (first.foreign, first.read, second.refused) == (first.cases - first.read, second.read, first.foreign)
    (kind,) = first.kinds
    assert kind.startswith("KeyError at ")
    number = int(kind.rpartition("case ")[2].rstrip(")"))
    with pytest.raises(KeyError):
        campaign.one(readers[0], number, 0, tmp_path)


def test_the_table_has_a_sum_and_what_is_foreign(tmp_path: Path) -> None:
    outcomes = [
        campaign.Outcome("a", 10, 4, 6, 0, 0, 0.01),
        campaign.Outcome("b", 5, 1, 3, 1, 1, 1.5, ("KeyError at x.py:3 (1, first in case 4)",)),
    ]
    table = report.lines(outcomes)
    assert "| **all 2** | 15 | 5 | 9 | 1 | 1 | 1.500 s |" in table
    assert table.endswith("- b: KeyError at x.py:3 (1, first in case 4)")
    written = report.write(tmp_path, outcomes, FuzzBench(cases=15))
    assert [path.name for path in written] == ["fuzz.csv", "fuzz.md"]
    assert (tmp_path / "fuzz.csv").read_text().splitlines()[1] == "a,10,4,6,0,0,0.010,"
    with pytest.raises(UsageError, match="unknown reader"):
        report.readers(["nothing"])


def test_a_case_without_an_end_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "HANGS", 0.02)
    again = iter([0, 0])

    def read(path: Path) -> object:
        while next(again, None) is None:
            time.sleep(0.01)
        return None

    outcome = campaign.run(Reader("waits", "x.json", "json", lambda folder: [CONTENT], read), 3, 0)
    assert (outcome.read, outcome.foreign) == (1, 2)
    (kind,) = outcome.kinds
    assert kind.startswith("no end at ")
    assert kind.endswith("(2, first in case 1)")
