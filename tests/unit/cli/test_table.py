"""table as a user calls it, on two runs of the embedded world."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from nova_eval.cli import app
from nova_eval.errors import UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    results = tmp_path_factory.mktemp("results")
    words = ["--limit", "12", "--samples-per-prompt", "2", "--workers", "1", "--results", str(results)]
    for sampler in ("noise", "oracle"):
        assert called("run", "geneval", "--sampler", sampler, *words, "--label", f"The {sampler}") == 0
    return [str(path.parent) for path in sorted(results.glob("runs/geneval/*/manifest.json"))]


def called(*words: str) -> int:
    found: int = app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
    return found


@pytest.fixture
def printed(runs: list[str], capsys: pytest.CaptureFixture[str]) -> Printed:
    return Printed(runs, capsys)


class Printed:
    """What ``table`` prints of both runs, or of the second alone."""

    def __init__(self, runs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        self.runs, self.capsys = runs, capsys

    def both(self, *words: str) -> str:
        self.capsys.readouterr()
        assert called("table", *self.runs, *words) == 0
        return self.capsys.readouterr().out

    def one(self, *words: str) -> str:
        self.capsys.readouterr()
        assert called("table", self.runs[1], *words) == 0
        return self.capsys.readouterr().out


def test_two_runs_have_intervals_and_the_better_one_is_marked(printed: Printed) -> None:
    text = printed.both()
    assert "geneval, sprites prompts, 12 of 120 prompts × 2 samples" in text
    assert "1.0000 [0.8597, 1.0000]*" in text
    assert "*: best of the unmarked rows, by more than chance" in text
    assert "No interval, fewer than 5 prompts: single object, two objects" in text


def test_labels_of_runs_and_of_the_table(printed: Printed) -> None:
    assert "| The noise | 0.0000 |" in printed.both("--format", "md", "--columns", "colors", "--intervals", "none")
    assert "| A |" in printed.both("--format", "md", "--label", "A", "B")
    with pytest.raises(UsageError, match="1 labels for 2 runs; give each run one"):
        printed.both("--label", "A")


def test_a_view_of_both(printed: Printed) -> None:
    told = json.loads(printed.both("--limit", "6", "--samples-per-prompt", "1", "--json"))
    found = [(run["prompts"], run["samples"], run["label"]) for run in told]
    assert found == [(6, 6, "The noise"), (6, 6, "The oracle")]


def test_one_number_is_a_small_table(printed: Printed) -> None:
    title, _, *lines = printed.one("--columns", "overall", "--format", "md").splitlines()
    assert title.startswith("### The oracle on geneval")
    assert lines[:3] == [
        "| Dimension | Value | 95% interval | Prompts | Samples |",
        "| --- | ---: | ---: | ---: | ---: |",
        r"| Overall | 1.0000 | \[0.8597, 1.0000\] |  |  |",
    ]


def test_each_sample_is_a_line(printed: Printed) -> None:
    rows = list(csv.DictReader(io.StringIO(printed.one("--samples", "--metrics", "colors"))))
    assert len(rows) == 4
    assert {row["colors"] for row in rows} == {"1.0"}
    assert all((Path(printed.runs[1]) / row["file"]).is_file() for row in rows)
    assert len(json.loads(printed.one("--samples", "--json"))) == 24
    with pytest.raises(UsageError, match="no paper's table; leave --preset out"):
        printed.one("--samples", "--preset", "paper-t2i")
    for asked in (["--latency"], ["--baselines", "all"]):
        with pytest.raises(UsageError, match=f"{asked[0]} says nothing of a paper's table"):
            printed.one(*asked, "--preset", "paper-t2i")
    with pytest.raises(UsageError, match="--samples lists those of one run, not of 2"):
        printed.both("--samples")


def test_for_a_paper(printed: Printed) -> None:
    text = printed.both("--format", "tex", "--caption", "Ours", "--key", "tab:ours", "--digits", "1", "--transpose")
    assert "\\caption{Ours}\n\\label{tab:ours}\n" in text
    assert "Colors & 0.0 & 1.0 \\\\" in text
    joined = printed.both("--preset", "paper-t2i", "--format", "csv")
    assert "geneval.overall.low" in joined
