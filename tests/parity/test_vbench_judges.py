"""VBench's judges and scorers together give the scores of the official code, on weights that anyone can rebuild.

A part of the recordings lies beside this file; the whole set, and its slow cases, need the reference folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

pytest.importorskip("torch")

import torch

from nova_eval.checks.parity.items import frames as footage
from nova_eval.checks.parity.networks import vbench
from nova_eval.checks.parity.networks.vbench import DIMENSIONS
from nova_eval.checks.parity.recordings import SHIPPED, Recording, find, results
from nova_eval.checks.parity.weight_files import fill
from nova_eval.errors import UsageError
from nova_eval.records import ParityResult

KIT = SHIPPED / "vbench_judges"
FILLS = {
    "normal": [-0.033253561705350876, -0.011011173017323017],
    "scale": [0.8897185325622559, 0.9796522855758667],
    "var": [1.0380617380142212, 1.0889863967895508],
}  # recorded


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def cases(folder: Path) -> Iterator[ParityResult]:
    return results(Recording("vbench_judges", folder / "expected.json"))


def quantities(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for result in cases(folder):
        assert result.passed, f"{result.case}: {result.difference:.2e} > {result.tolerance:.0e}; {result.note}"
        dimension = result.case.split("/")[1]
        found.setdefault(dimension, set()).add(result.case.split()[-1])
    return found


def test_a_part_of_every_dimension_agrees_within_its_tolerance() -> None:
    found = quantities(KIT)
    assert found.keys() == DIMENSIONS.keys() - {"aesthetic_quality"}  # whose network takes minutes
    assert {"video_score", "dimension_score"} <= set.intersection(*found.values())
    assert {"feature", "cosine", "tokens"} <= found["appearance_style"]
    assert {"pair_score", "flow", "need"} <= found["dynamic_degree"]
    assert {"frame_diff", "prediction"} <= found["motion_smoothness"]


def test_the_recordings_are_found_by_the_parity_command() -> None:
    recordings, not_covered = find(KIT)
    assert [recording.family for recording in recordings] == ["vbench_judges"]
    assert not_covered == []


def test_judges_on_the_same_files_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    write = vbench.write
    monkeypatch.setattr(vbench, "write", lambda *given: written.append(given[0]) or write(*given))  # type: ignore[func-returns-value]
    bench = vbench.Bench(KIT)
    first, again, other, reseeded = (
        bench.judge("musiq_spaq", {"weights": "musiq_spaq"}, seed, mode=mode)
        for seed, mode in ((0, "longer"), (0, "longer"), (0, "shorter"), (1, "shorter"))
    )
    bench.close()
    assert written == ["musiq_spaq"] * 2
    assert first is again
    assert len({first.digest, other.digest, reseeded.digest}) == 3


@pytest.mark.slow
def test_every_recorded_case_agrees_within_its_tolerance(parity: Path) -> None:
    """Twenty minutes of one core, the slow cases among them."""
    assert quantities(parity / "vbench").keys() == DIMENSIONS.keys()


class TestEveryFormOfARecordingIsRead:
    """Corner cases that the official code raises on, answers NaN to, or answers differently from machine to machine."""

    @pytest.fixture
    def kit(self, tmp_path: Path) -> Path:
        return tmp_path

    @staticmethod
    def results(kit: Path, dimension: str, case: Mapping[str, Any]) -> dict[str, bool]:
        tolerances = {name: {"video_score": 1e-6, "dimension_score": 1e-6} for name in DIMENSIONS}
        row = {"name": "corner", "weights_seed": 3, **case}
        (kit / "expected.json").write_text(json.dumps({"tolerance_abs": tolerances, "cases": {dimension: [row]}}))
        prefix = f"vbench judges/{dimension}/corner"
        return {result.case.removeprefix(prefix).strip(): result.passed for result in cases(kit)}

    def test_one_frame_has_no_flicker(self, kit: Path) -> None:
        case = {
            "videos": [{"maker": "solid", "rgb": [9, 8, 7], "frames": 1, "height": 16, "width": 16, "fps": 8}],
            "video_scores": ["nan"],
            "dimension_score": "nan",
        }
        assert self.results(kit, "temporal_flickering", case) == {"video_score": True, "dimension_score": True}

    def test_small_frames_have_undefined_flow_which_is_still(self, kit: Path) -> None:
        video = {"maker": "pan", "seed": 1, "height": 100, "width": 136, "dx": 2, "dy": -1, "fps": 8}
        row = {"pair_scores": ["nan"] * 2, "frames_used": 3, "padded_size": [104, 136], "flow_mean_u": ["nan"] * 2}
        case = {
            "videos": [{**video, "frames": 3}, {**video, "frames": 2}],
            "video_scores": [False, True],
            "intermediates": [row, {"pair_scores": ["nan"], "frames_used": 2, "count_num": 0}],
            "dimension_score": 0.5,
        }
        found = self.results(kit, "dynamic_degree", case)
        assert found == dict.fromkeys(found, True)
        assert {"pair_score", "padded_size", "flow", "need"} <= found.keys()

    def test_one_frame_is_still(self, kit: Path) -> None:
        case = {
            "videos": [{"maker": "hold", "seed": 1, "frames": 1, "height": 128, "width": 128, "fps": 8}],
            "video_scores": [False],
            "intermediates": [{"pair_scores": [], "frames_used": 1, "count_num": 0}],
            "dimension_score": 0.0,
        }
        assert all(self.results(kit, "dynamic_degree", case).values())

    def test_where_the_official_code_raises_there_is_no_score(self, kit: Path) -> None:
        video = {"maker": "hold", "seed": 1, "height": 128, "width": 128, "fps": 8}
        raises = {"videos": [{**video, "frames": 2}], "official_raises": "AssertionError", "video_scores": None}
        assert self.results(kit, "motion_smoothness", raises) == {"raises AssertionError": True}
        scored = {"videos": [{**video, "frames": 3}], "official_raises": "AssertionError", "video_scores": None}
        assert self.results(kit, "motion_smoothness", scored) == {"raises AssertionError": False}

    def test_what_differs_by_platform_is_run_and_not_compared(self, kit: Path) -> None:
        case = {
            "videos": [{"maker": "hold", "seed": 1, "frames": 3, "height": 96, "width": 96, "fps": 8}],
            "video_scores": [0.5],
            "dimension_score": 0.5,
            "platform_dependent": True,
        }
        assert list(self.results(kit, "motion_smoothness", case).values()) == [True]

    def test_a_wrong_figure_fails_with_its_place(self, kit: Path) -> None:
        case = {
            "videos": [{"maker": "hold", "seed": 1, "frames": 2, "height": 16, "width": 16, "fps": 8}],
            "video_scores": [0.9],
            "dimension_score": 1.0,
        }
        assert self.results(kit, "temporal_flickering", case) == {"video_score": False, "dimension_score": True}

    @pytest.mark.parametrize("content", ["", "{}", '{"cases": {"nothing": []}, "tolerance_abs": {}}'])
    def test_what_is_no_recording_is_one_line(self, content: str, tmp_path: Path) -> None:
        (tmp_path / "expected.json").write_text(content)
        with pytest.raises(UsageError):
            list(cases(tmp_path))


class TestInputsAreRebuilt:
    def test_fills_are_the_frozen_streams(self) -> None:
        assert fill("a.weight", (2, 3), "normal", 0).ravel()[:2].tolist() == pytest.approx(FILLS["normal"], abs=1e-7)
        assert fill("a.weight", (4,), "scale", 1)[:2].tolist() == pytest.approx(FILLS["scale"], abs=1e-7)
        assert fill("a.var", (4,), "var", 2)[:2].tolist() == pytest.approx(FILLS["var"], abs=1e-7)
        assert fill("n", (3,), "arange", 0).tolist() == [0, 1, 2]

    @pytest.mark.parametrize(
        ("recorded", "sum_"),
        [
            ({"maker": "procedural.video", "seed": 3, "frames": 3, "height": 40, "width": 56, "fps": 8}, 3723497877),
            ({"maker": "cut", "seeds": [0, 1], "frames": [2, 1], "height": 32, "width": 48}, 1058526328),
            ({"maker": "pan", "seed": 2, "frames": 3, "height": 32, "width": 48, "dx": -3, "dy": 2}, 124419126),
            ({"maker": "hold", "seed": 5, "frames": 2, "height": 32, "width": 48, "id": "x"}, 1473668514),
            ({"maker": "solid", "rgb": [1, 2, 3], "frames": 2, "height": 4, "width": 6}, 3796348282),
        ],
        ids=lambda value: value["maker"] if isinstance(value, dict) else "",
    )
    def test_footage_is_the_recordings_own(self, recorded: dict[str, Any], sum_: int) -> None:
        """CRC-32 of the bytes that the recordings' own makers gave."""
        assert crc32(footage(recorded).tobytes()) == sum_

    def test_an_unknown_maker_is_named(self) -> None:
        with pytest.raises(UsageError, match="did you mean 'pan'"):
            footage({"maker": "pann"})
