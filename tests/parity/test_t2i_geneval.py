"""Mask2Former, CLIP and the evaluator on top of them give the figures that GenEval's official code gave.

The quick cases compare what the networks are given and how answers are read; every case of the recordings is slow.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from nova_eval.adapters.geneval.prompts import COLORS, OBJECTS
from nova_eval.checks.parity.compare import facts
from nova_eval.checks.parity.items import frames as image
from nova_eval.checks.parity.networks.geneval import detections, evaluations
from nova_eval.checks.parity.recordings import find, replay
from nova_eval.judges.clip import tokenize
from nova_eval.judges.geneval_colors import texts, view
from nova_eval.judges.mask2former_instances import instances, preprocess
from nova_eval.protocols import Detection

HERE = Path(__file__).parent / "t2i_geneval"
JUDGES = ("mask2former", "clip_vit_l14", "geneval_end_to_end")


def read(judge: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / judge / "golden.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class TestNetworksAreGivenWhatTheOfficialCodeGives:
    @pytest.mark.parametrize("case", read("mask2former")["cases"], ids=lambda case: str(case["key"]))
    def test_the_detector_sees_the_official_pixels(self, case: dict[str, Any]) -> None:
        assert facts(case["input"], preprocess(image(case["image"]))) <= 1e-6

    @pytest.mark.parametrize("number", range(6))
    def test_clip_sees_the_official_crops(self, number: int) -> None:
        from nova_eval.judges.clip import preprocess as clip_preprocess

        case = read("clip_vit_l14")["cases"][number]
        options = case["options"]
        shown = view(options.get("bgcolor", "#999"), crop=options.get("crop", "1") == "1")
        frame = image(case["image"])[0]
        rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
        for row, recorded in zip(case["objects"], case["input"], strict=True):
            mask = None
            if row["mask_ellipse"] is not None:
                x, y, across, down = row["mask_ellipse"]
                mask = ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1
            crop = shown.of(frame, Detection(case["class"], tuple(row["box"]), mask=mask))
            assert facts(recorded, clip_preprocess(crop[None], "pil")[0]) <= 1e-6

    def test_texts_and_ids_are_the_official_ones(self) -> None:
        recorded = read("clip_vit_l14")
        assert tuple(recorded["colors"]) == COLORS
        for name, rows in recorded["texts_first_three_colors"].items():
            assert [texts(color, name) for color in COLORS[: len(rows)]] == rows
        for name, rows in recorded["token_ids_first_16"].items():
            lines = [line for color in COLORS for line in texts(color, name)]
            for line, ids in zip(lines, rows, strict=False):
                assert tokenize(line)[0, :16].tolist() == ids


@pytest.mark.parametrize("case", read("mask2former")["cases"], ids=lambda case: str(case["key"]))
def test_the_official_logits_name_the_official_objects(case: dict[str, Any]) -> None:
    """Which pairs are kept does not depend on the masks; the score lies between half and all of the probability."""
    logits = torch.from_numpy(np.load(HERE / "mask2former" / "golden.npz")[f"{case['key']}_cls"])
    found = instances(logits, torch.full((100, 4, 5), 30.0), 32, 40)
    assert sorted(found.labels) == sorted(row["label"] for row in case["detections"])
    best = max(row["score"] for row in case["detections"])
    assert 0.5 * found.scores[0] < best <= found.scores[0] + 1e-6


class TestRecordedDetectionsAreCompared:
    def results(self, found: Sequence[Detection]) -> dict[str, bool]:
        rows = detections("", self.recorded, found, 1e-3)
        return {row.case.strip(): row.passed for row in rows}

    @property
    def recorded(self) -> list[dict[str, Any]]:
        return [
            {"label": n % 3, "score": 0.9 - 0.01 * (n // 2), "box": [0.0, 0.0, 4.0, 2.0 + n], "mask_area": 8}
            for n in range(40)
        ]

    @property
    def same(self) -> list[Detection]:
        mask = np.ones((2, 4), bool)
        return [Detection(OBJECTS[r["label"]], tuple(r["box"]), r["score"], mask=mask) for r in self.recorded]

    def test_the_same_passes_and_so_do_near_ties_in_another_order(self) -> None:
        found = self.same
        assert all(self.results(found).values())
        found[4], found[5] = found[5], found[4]
        assert all(self.results(found).values())

    def test_another_label_or_one_too_few_fails(self) -> None:
        found = self.same
        found[3] = found[3]._replace(label="toaster")
        assert not self.results(found)["labels"]
        assert not self.results(self.same[:-1])["labels"]

    def test_a_score_far_off_is_no_match(self) -> None:
        found = self.same
        found[7] = found[7]._replace(score=0.2)
        assert not self.results(found)["labels"]

    def test_two_of_forty_boxes_and_areas_may_differ(self) -> None:
        found = self.same
        for n in (1, 9):
            found[n] = found[n]._replace(box=(1.0, 0.0, 4.0, 2.0), mask=np.ones((30, 30), bool))
        assert all(self.results(found).values())
        found[20] = found[20]._replace(box=(1.0, 0.0, 4.0, 2.0), mask=np.ones((30, 30), bool))
        assert self.results(found) == {
            "labels": True,
            "scores": True,
            "boxes that differ": False,
            "mask areas that differ": False,
        }


class TestEndToEndRanks:
    """Two boxes of one class and score may be listed in either order; anything else is a difference."""

    LEFT, RIGHT = [0.0, 0.0, 60.0, 80.0, 0.368], [64.0, 10.0, 120.0, 90.0, 0.368]

    def results(self, found: list[list[float]], reason: str = "") -> dict[str, bool]:
        expected = {"correct": False, "reason": "", "details": {"dog": [self.LEFT, self.RIGHT]}}
        ours = {"correct": False, "reason": reason, "details": {"dog": found}}
        return {row.case.strip(): row.passed for row in evaluations("", expected, ours, 3e-4)}

    def test_swapped_ranks_of_equal_scores_are_equal(self) -> None:
        assert self.results([self.LEFT, self.RIGHT]) == dict.fromkeys(self.results([self.LEFT, self.RIGHT]), True)
        assert all(self.results([self.RIGHT, self.LEFT]).values())
        near = [*self.RIGHT[:4], self.RIGHT[4] + 1e-4]
        assert all(self.results([near, self.LEFT]).values())

    def test_a_box_that_moved_is_not(self) -> None:
        assert not self.results([self.RIGHT, [1.0, *self.LEFT[1:]]])["boxes that differ"]
        assert not self.results([self.RIGHT, self.RIGHT])["boxes that differ"]

    def test_swapped_ranks_of_different_scores_are_not(self) -> None:
        found = self.results([[*self.RIGHT[:4], 0.4], self.LEFT])
        assert not found["scores"]

    def test_nor_is_one_too_few_or_another_reason(self) -> None:
        assert not self.results([self.LEFT])["objects that count"]
        assert not self.results([self.RIGHT, self.LEFT], "expected dog>=3, found 2")["decision"]


def test_swapped_ranks_of_one_label_are_equal_in_detections_too() -> None:
    rows = [{"label": 1, "score": 0.5, "box": [0.0, 0.0, 4.0, 2.0 + n], "mask_area": 8 + 40 * n} for n in range(2)]
    masks = [np.ones((2, 4), bool), np.ones((6, 8), bool)]
    found = [
        Detection(OBJECTS[row["label"]], tuple(row["box"]), row["score"], mask=mask)
        for row, mask in zip(rows, masks, strict=True)
    ]
    assert all(row.passed for row in detections("", rows, found[::-1], 1e-3))
    moved = [found[1]._replace(box=(0.0, 0.0, 4.0, 9.0)), found[0]]
    assert [row.case.strip() for row in detections("", rows, moved, 1e-3) if not row.passed] == ["boxes that differ"]


def test_parity_knows_the_recordings() -> None:
    recordings, not_covered = find(HERE)
    assert {(one.family, one.judge) for one in recordings} == {("geneval", judge) for judge in JUDGES}
    assert not_covered == []


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
def test_every_recorded_case(judge: str) -> None:
    results = list(replay(HERE / judge))
    assert len(results) > 20
    assert [result for result in results if not result.passed] == []


@pytest.mark.slow
@pytest.mark.parametrize("judge", JUDGES)
def test_every_case_of_the_shared_recordings(judge: str, parity: Path) -> None:
    assert [result for result in replay(parity / "t2i" / judge) if not result.passed] == []
