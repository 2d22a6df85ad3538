"""compare, reference and gates as a user calls them, on runs of the embedded world."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nova_eval.cli import app
from nova_eval.errors import UsageError


def called(*words: object) -> int:
    found: int = app([str(word) for word in words], exit_on_error=False, result_action="return_value")
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for sampler, seed in (("oracle", 0), ("noise", 0), ("oracle", 1)):
        words = ["--limit", 12, "--samples-per-prompt", 2, "--workers", 1, "--seed", seed, "--results", folder]
        assert called("run", "geneval", "--sampler", sampler, *words) == 0
    return folder


@pytest.fixture
def runs(results: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(results.glob("runs/geneval/*/manifest.json")):
        spec = json.loads(path.read_text())["spec"]
        found[f"{spec['sampler']['name']}{spec['seed']}"] = path.parent
    return found


def test_noise_is_worse_than_the_oracle_and_fails_the_gate(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert called("compare", runs["oracle0"], runs["noise0"], "--json", "--gate", "overall=0.2") == 1
    told = json.loads(capsys.readouterr().out)
    [overall] = [metric for metric in told["runs"][0]["metrics"] if metric["name"] == "overall"]
    assert (overall["verdict"], overall["gate"]) == ("worse", 0.2)
    assert called("compare", runs["oracle0"], runs["noise0"]) == 0
    assert "Overall" in capsys.readouterr().out


def test_a_reference_file_stands_for_its_run(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "oracle.parquet"
    assert called("reference", "save", runs["oracle0"], file) == 0
    with pytest.raises(UsageError, match="exists already"):
        called("reference", "save", runs["oracle0"], file)
    capsys.readouterr()
    answers = []
    for one in (runs["oracle0"], file):
        assert called("compare", one, runs["noise0"], runs["oracle1"], "--json") == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    assert called("compare", file, runs["oracle0"], "--gate", "--strict") == 0  # the same bytes
    assert called("reference", "update", runs["noise0"], file) == 0
    assert called("compare", file, runs["noise0"], "--gate", "--strict") == 0


def test_gates_are_measured_on_other_seeds(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert called("gates", "calibrate", runs["oracle0"], runs["oracle1"]) == 0
    assert "[gates]" in capsys.readouterr().out
    assert called("gates", "power", runs["oracle0"], "--json") == 0
    assert {row["metric"] for row in json.loads(capsys.readouterr().out)} >= {"overall", "counting"}


@pytest.mark.parametrize("format", ["md", "csv", "tex", "html", "junit"])
def test_every_format_is_drawn(runs: dict[str, Path], format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("compare", runs["oracle0"], runs["noise0"], runs["oracle1"], "--format", format) == 0
    assert "overall" in capsys.readouterr().out.lower()


def test_wrong_use_is_one_line(runs: dict[str, Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("manifest.json", "prompts.jsonl"):
        (bare / name).write_bytes((runs["oracle0"] / name).read_bytes())
    wrong = {
        "no run was named": ("compare", runs["oracle0"]),
        "is named twice": ("compare", runs["oracle0"], runs["oracle0"]),
        "has no scores": ("compare", runs["oracle0"], bare),
        "no such file": ("compare", tmp_path / "none.parquet", runs["oracle0"]),
        "NAME=VALUE": ("compare", runs["oracle0"], runs["noise0"], "--gate", "x"),
        "a reference ends in .parquet": ("reference", "save", runs["oracle0"], tmp_path / "ref.json"),
    }
    for words, command in wrong.items():
        with pytest.raises(UsageError, match=words):
            called(*command)
    assert list(tmp_path.iterdir()) == [bare]


def test_no_network_is_imported(runs: dict[str, Path]) -> None:
    code = (
        "import sys\n"
        "from nova_eval.cli import app\n"
        "app(sys.argv[1:], exit_on_error=False, result_action='return_value')\n"
        "print(sorted({'torch', 'transformers', 'diffusers', 'cv2', 'av'} & set(sys.modules)), file=sys.stderr)"
    )
    words = [sys.executable, "-c", code, "compare", str(runs["oracle0"]), str(runs["noise0"])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
