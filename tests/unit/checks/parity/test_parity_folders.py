"""Recordings are found by their content; what cannot be replayed is said and never counted."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from nova_eval.checks.parity.recordings import SHIPPED, find, replay
from nova_eval.errors import UsageError

SAMPLING = {"input": {"num_frames": 8, "vlen": 16, "sample": "middle"}, "expected": {"indices": list(range(0, 16, 2))}}


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("place", ["", "vbench", "recordings/vbench"])
def test_a_recording_is_found_in_the_folder_and_below(place: str, tmp_path: Path) -> None:
    write(tmp_path / place / "rules.json", {"frame_sampling": [SAMPLING]})
    (result,) = replay(tmp_path)
    assert result.passed
    assert result.case == "vbench rules/frame_sampling/00"


def test_what_has_no_runner_is_said_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "vbench" / "rules.json", {"frame_sampling": [SAMPLING], "brand_new": [SAMPLING]})
    write(tmp_path / "vbench" / "expected.json", {})
    write(tmp_path / "t2i" / "rules.json", {"elsewhere": {}})
    with caplog.at_level(logging.WARNING):
        assert len(list(replay(tmp_path))) == 1
    (record,) = caplog.records
    assert record.getMessage() == (
        "not covered by this install: t2i/rules.json, vbench/expected.json, vbench/rules.json 'brand_new'"
    )


def test_networks_without_their_packages_are_said_with_what_brings_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from nova_eval.checks.parity import recordings

    monkeypatch.setattr(recordings, "find_spec", lambda package: None if package == "timm" else object())
    found, not_covered = find(SHIPPED)
    assert {recording.family for recording in found} == {"vbench", "t2i_rules", "nova_sampler"}
    assert not_covered
    assert all(line.endswith("(needs timm: pip install 'nova_eval[judges]')") for line in not_covered)


def test_where_it_is_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {**SAMPLING, "expected": {"indices": [1]}}
    write(tmp_path / "rules.json", {"frame_sampling": [SAMPLING, wrong]})
    said: list[str] = []
    assert len(list(replay(tmp_path, said.append))) == 2
    assert [line.split(maxsplit=2)[2] for line in said] == [
        f"1: vbench in {tmp_path}",
        "FAIL  vbench rules/frame_sampling/01",  # what passes at once is not said
        "in all",
    ]
    said.clear()
    monkeypatch.setattr("nova_eval.checks.parity.recordings._WORTH_A_LINE", 0.0)
    list(replay(tmp_path, said.append))
    assert said[1].endswith("s  pass  vbench rules/frame_sampling/00")


def test_nothing_to_replay_is_an_error_not_a_pass(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        replay(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no recorded reference outputs"):
        replay(tmp_path)
    write(tmp_path / "rules.json", {"elsewhere": {}})
    with pytest.raises(UsageError, match=r"nothing in .* can be replayed; not covered by this install: rules.json"):
        replay(tmp_path)


@pytest.mark.parametrize("text", ["{", "", "\x00", "[1, 2"])
def test_a_torn_recording_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text(text)
    with pytest.raises(UsageError, match=r"rules\.json is not JSON") as error:
        find(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [[], {}, 3, "text", None])
def test_json_of_another_kind_is_not_a_recording(content: object, tmp_path: Path) -> None:
    write(tmp_path / "rules.json", content)
    assert find(tmp_path) == ([], ["rules.json"])


@pytest.mark.parametrize("case", [3, {"input": {}}, []])
def test_a_case_without_input_and_expectation_is_a_usage_error(case: object, tmp_path: Path) -> None:
    write(tmp_path / "rules.json", {"frame_sampling": [case]})
    with pytest.raises(UsageError, match="case 0 of 'frame_sampling'"):
        list(replay(tmp_path))


@pytest.mark.parametrize("given", [{}, {"num_frames": 8}, {"num_frames": 8, "vlen": 16, "sample": "rand"}])
def test_a_case_that_cannot_be_run_fails(given: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "rules.json", {"frame_sampling": [{**SAMPLING, "input": given}]})
    (result,) = replay(tmp_path)
    assert not result.passed
    assert result.note


@pytest.mark.parametrize(
    ("judge", "family"),
    [("blip_vqa", "t2i_vqa"), ("mplug_large", "t2i_vqa"), ("clip_vit_b32", "t2i_vqa")],
)
def test_a_recording_of_a_judge_is_known_by_its_folder(judge: str, family: str, tmp_path: Path) -> None:
    write(tmp_path / judge / "golden.json", {"weights_seed": 0, "cases": []})
    write(tmp_path / "unheard_of" / "golden.json", {"weights_seed": 0, "cases": []})
    recordings, not_covered = find(tmp_path)
    assert [(one.family, one.judge) for one in recordings] == [(family, judge)]
    assert not_covered == ["unheard_of/golden.json"]
