"""A recording says itself what it is and how exact it is: a new one needs no code."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from nova_eval.checks.parity.recordings import SHIPPED, Recording, find, one_thread, replay
from nova_eval.errors import UsageError
from nova_eval.records import ParityResult


def position(expected: float) -> dict[str, Any]:
    boxes = {"box_a": [0, 0, 10, 10], "box_b": [40, 0, 50, 10]}
    return {
        "note": "apart",
        "input": {"relationship": "on the left of", **boxes, "iou_threshold": 0.1},
        "expected": {"score": expected},
    }


def describe(folder: Path, text: str, cases: list[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recording.toml").write_text(text)
    (folder / "answers.json").write_text(json.dumps({"position_score": cases}))
    return folder


OWN = 'family = "vbench"\nfile = "answers.json"\n'


def test_a_new_recording_is_replayed_without_code(tmp_path: Path) -> None:
    describe(tmp_path / "mine", OWN, [position(1.0)])
    (result,) = replay(tmp_path)
    assert (result.case, result.passed, result.tolerance) == ("vbench rules/position_score/00 apart", True, 1e-12)
    assert result.group == "mine/answers"


def test_its_tolerance_counts(tmp_path: Path) -> None:
    off = [position(1.0 + 1e-9)]
    assert not next(replay(describe(tmp_path / "strict", OWN, off))).passed
    result = next(replay(describe(tmp_path / "wide", f"{OWN}tolerance = 1e-8", off)))
    assert (result.passed, result.tolerance) == (True, 1e-8)
    rows = replay(
        describe(tmp_path / "one", f'{OWN}[tolerances]\n"* apart" = 1e-8\n', [off[0], {**off[0], "note": ""}])
    )
    assert [row.passed for row in rows] == [True, False]


def test_one_tolerance_for_all_leaves_what_is_exact_exact() -> None:
    wide = Recording("vbench", Path("answers.json"), tolerance=1.0)
    assert wide.named(ParityResult("names", 0.5, 0.0, "exact")).tolerance == 0.0
    assert wide.named(ParityResult("score", 0.5, 1e-6)).passed


def test_the_judge_may_be_called_otherwise_than_the_folder(tmp_path: Path) -> None:
    describe(tmp_path / "of today", 'family = "geneval"\nfile = "answers.json"\njudge = "mask2former"\n', [])
    ((recording,), left) = find(tmp_path)
    assert (recording.judge, recording.file.name, left) == ("mask2former", "answers.json", [])


@pytest.mark.parametrize("text", ["", 'family = "vbench"', f"{OWN}size = 3", f'{OWN}[tolerances]\n"*" = "wide"', "= 1"])
def test_a_description_that_lacks_or_exceeds_is_one_line(text: str, tmp_path: Path) -> None:
    describe(tmp_path, text, [])
    with pytest.raises(UsageError, match=r"recording\.toml.*; family and file, maybe judge") as error:
        find(tmp_path)
    assert "\n" not in str(error.value)


def test_a_family_of_another_version_is_said_not_passed(tmp_path: Path) -> None:
    describe(tmp_path, 'family = "of_tomorrow"\nfile = "answers.json"\n', [])
    assert find(tmp_path) == ([], ["recording.toml"])


def test_packed_files_are_read(tmp_path: Path) -> None:
    data = json.dumps({"position_score": [position(1.0)]}).encode()
    (tmp_path / "rules.json.gz").write_bytes(gzip.compress(data))
    assert [result.passed for result in replay(tmp_path)] == [True]
    (tmp_path / "rules.json.gz").write_bytes(gzip.compress(data)[:-9])
    with pytest.raises(UsageError, match="not packed by gzip"):
        find(tmp_path)


def test_networks_compute_on_one_thread_and_then_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(ValueError, match="stop"), one_thread():
            raise ValueError("stop")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_ships_is_small_and_of_every_benchmark() -> None:
    recordings, left = find(SHIPPED)
    assert left == []
    assert sorted(one.family for one in recordings) == ["nova_sampler", "t2i_rules", "vbench", "vbench_judges"]
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4 * 2**20
