"""Recorded decisions and formulas of the official VBench code, through the real scorers and the real reducer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.vbench import OFFICIAL, VBench
from nova_eval.adapters.vbench.results import official_record
from nova_eval.checks.parity.items import frames
from nova_eval.checks.parity.recordings import SHIPPED, Recording, read_json, results
from nova_eval.checks.parity.rules.vbench import RULES as RECORDED_RULES
from nova_eval.checks.parity.rules.vbench import TOLERANCE
from nova_eval.engines.questions import scores_of
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey

RULES = {rule.name: rule for rule in OFFICIAL}
RECORDED = read_json(SHIPPED / "vbench" / "rules.json.gz")


def cases(folder: Path) -> Iterator[ParityResult]:
    return results(Recording("vbench", folder / "rules.json"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vbench")
    (folder / "rules.json").write_text(json.dumps(RECORDED))
    return folder


def replay(folder: Path, section: str, case: dict[str, Any]) -> Any:
    (folder / "rules.json").write_text(json.dumps({section: [case]}))
    (result,) = cases(folder)
    return result


def test_every_recorded_case_gives_the_official_figures(recorded: Path) -> None:
    found = list(cases(recorded))
    assert [result for result in found if not result.passed] == []
    assert Counter(result.case.split("/")[1].split()[0] for result in found) == {
        section: len(entries) for section, entries in RECORDED.items()
    }
    assert max(result.difference for result in found) <= 1e-15


def test_the_kit_beside_the_checkout_passes_too(parity: Path) -> None:
    found = list(cases(parity / "vbench"))
    assert len(found) >= 9
    assert [result for result in found if not result.passed] == []


@pytest.mark.parametrize("section", sorted(RECORDED_RULES.sections))
def test_a_wrong_figure_is_noticed(section: str, tmp_path: Path) -> None:
    case = next(case for case in RECORDED[section] if "error" not in case["expected"])
    spoiled = json.loads(json.dumps(case))
    key = next(iter(set(spoiled["expected"]) & {"score", "total", "indices"}))
    spoiled["expected"][key] = [0] if key == "indices" else spoiled["expected"][key] + 1e-9
    result = replay(tmp_path, section, spoiled)
    assert not result.passed
    assert result.note
    assert replay(tmp_path, section, case).passed


@pytest.mark.parametrize("section", ["object_class", "color", "scene", "human_action"])
def test_a_score_where_the_official_code_raises_is_noticed_and_so_is_the_reverse(section: str, tmp_path: Path) -> None:
    case = next(case for case in RECORDED[section] if "error" not in case["expected"])
    assert not replay(tmp_path, section, {**case, "expected": {"error": "ZeroDivisionError"}}).passed
    refused = next(case for case in RECORDED[section] if "error" in case["expected"])
    assert not replay(tmp_path, section, {**refused, "expected": {"score": 0.0, "videos": []}}).passed


def test_records_of_videos_are_compared_too(tmp_path: Path) -> None:
    case = next(case for case in RECORDED["color"] if len(case["expected"].get("videos", [])) > 1)
    dropped = json.loads(json.dumps(case))
    dropped["expected"]["videos"].pop()
    assert not replay(tmp_path, "color", dropped).passed


class TestCornersOutsideTheRecording:
    """What the official functions do, read off their source, in the recording's own format."""

    def case(self, folder: Path, section: str, prompts: list[dict[str, Any]], expected: dict[str, Any]) -> Any:
        return replay(folder, section, {"input": {"prompts": prompts}, "expected": expected})

    def test_no_prompt_is_nan_for_spatial_relationship(self, tmp_path: Path) -> None:
        assert self.case(tmp_path, "spatial_relationship", [], {"score": "nan", "videos": []}).passed

    def test_a_video_without_frames(self, tmp_path: Path) -> None:
        object_class = {"prompt_en": "a dog", "auxiliary_info": {"object": "dog"}, "videos": [[]]}
        assert self.case(tmp_path, "object_class", [object_class], {"error": "ZeroDivisionError"}).passed
        relation = {"object_a": "a", "object_b": "b", "relationship": "on the left of"}
        spatial = {"prompt_en": "", "auxiliary_info": {"spatial_relationship": relation}, "videos": [[], [[]]]}
        records = [{"video_results": "nan", "frame_results": []}, {"video_results": 0.0, "frame_results": [0]}]
        assert self.case(tmp_path, "spatial_relationship", [spatial], {"score": 0.0, "videos": records}).passed

    def test_a_video_without_frames_is_left_out_of_color(self, tmp_path: Path) -> None:
        box = {"caption": "a red car", "box": [0, 0, 1, 1], "object": "car"}
        color = {"prompt_en": "a red car", "auxiliary_info": {"color": "red"}, "videos": [[], [[box]]]}
        records = [{"video_results": 1.0, "cur_success_frame_rate": 1.0}]
        assert self.case(tmp_path, "color", [color], {"score": 1.0, "videos": records}).passed

    @pytest.mark.parametrize("section", ["multiple_objects", "color", "spatial_relationship"])
    def test_a_failing_detector_is_an_error_outside_object_class(self, section: str, tmp_path: Path) -> None:
        reference = {
            "multiple_objects": {"object": "cat and dog"},
            "color": {"color": "red"},
            "spatial_relationship": {
                "spatial_relationship": {"object_a": "a", "object_b": "b", "relationship": "on the left of"}
            },
        }[section]
        prompt = {"prompt_en": "a red car", "auxiliary_info": reference, "videos": [[None]]}
        assert self.case(tmp_path, section, [prompt], {"error": "RuntimeError"}).passed

    @pytest.mark.parametrize("info", [{}, {"other": {"object": "dog"}}])
    def test_a_prompt_without_its_auxiliary_info_is_an_error(self, info: dict[str, Any], tmp_path: Path) -> None:
        prompt = {"prompt_en": "a dog", "auxiliary_info": info, "videos": [[[]]]}
        assert self.case(tmp_path, "object_class", [prompt], {"error": "KeyError"}).passed


# --- rules over recorded answers of the official networks (expected.json) -------------------------------------------


@pytest.fixture(scope="module")
def kit(parity: Path) -> SimpleNamespace:
    recorded = read_json(parity / "vbench" / "expected.json")
    return SimpleNamespace(make=frames, cases=recorded["cases"], tolerance=recorded["tolerance_abs"])


def item(dimension: str, index: int, frames: np.ndarray, fps: float = 8.0) -> Item:
    prompt = Prompt("kit/0000", "", (dimension,), {"appearance_style": "any"})
    sample = Sample(SampleKey(prompt.id, index), 0, "", "", 0, frames.shape[2], frames.shape[1], len(frames), fps, 0.0)
    return Item(prompt, sample, Clip(frames, fps))


def check(kit: SimpleNamespace, dimension: str, case: dict[str, Any], items: list[Item], judge: Any) -> None:
    rows = [row for one, answer in zip(items, judge, strict=True) for row in scores_of(RULES[dimension], [one], answer)]
    tolerance = kit.tolerance[dimension]
    for row, expected in zip(rows, case["video_scores"], strict=True):
        assert official_record(row)["video_results"] == pytest.approx(expected, abs=tolerance["video_score"], rel=0)
    metrics = reduced(VBench(), [items[0].prompt], [one.sample.key for one in items], rows)
    value = next(metric.value for metric in metrics if metric.name == dimension)
    assert value == pytest.approx(case["dimension_score"], abs=tolerance["dimension_score"], rel=0)


def test_temporal_flickering_of_the_recorded_footage(kit: SimpleNamespace) -> None:
    for case in kit.cases["temporal_flickering"]:
        items = [item("temporal_flickering", k, kit.make(spec)) for k, spec in enumerate(case["videos"])]
        check(kit, "temporal_flickering", case, items, [None] * len(items))


@pytest.mark.parametrize(
    ("dimension", "answer", "key"),
    [
        ("aesthetic_quality", "aesthetic", "frame_scores"),
        ("imaging_quality", "quality", "frame_scores"),
        ("appearance_style", "image_text_similarity", "frame_results"),
    ],
)
def test_ratings_of_frames_become_the_recorded_scores(
    kit: SimpleNamespace, dimension: str, answer: str, key: str
) -> None:
    for case in kit.cases[dimension]:
        items, judges = [], []
        for number, found in enumerate(case["intermediates"]):
            items.append(item(dimension, number, np.zeros((len(found[key]), 4, 4, 3), np.uint8)))
            ratings = np.array(found[key])
            judges.append(SimpleNamespace(**{answer: lambda *question, ratings=ratings: ratings}))
        check(kit, dimension, case, items, judges)


def test_recorded_flow_strengths_become_the_recorded_decisions(kit: SimpleNamespace) -> None:
    seen = 0
    for case in kit.cases["dynamic_degree"]:
        if "video_scores" not in case:
            continue
        items, judges = [], []
        for number, (spec, found) in enumerate(zip(case["videos"], case["intermediates"], strict=True)):
            length = int(np.sum(spec["frames"]))
            items.append(
                item(
                    "dynamic_degree",
                    number,
                    np.zeros((length, spec["height"], spec["width"], 3), np.uint8),
                    spec["fps"],
                )
            )
            judges.append(ReplayedFlow(found["pair_scores"]))
            (row,) = scores_of(RULES["dynamic_degree"], items[-1:], ReplayedFlow(found["pair_scores"]))
            assert row.detail["threshold"] == found["thres"]
            assert row.detail["need"] == found["count_num"]
            seen += 1
        check(kit, "dynamic_degree", case, items, judges)
    assert seen >= 4


class ReplayedFlow:
    """The flow fields whose strongest motion is what was recorded, pair by pair."""

    def __init__(self, strengths: list[Any]) -> None:
        self._left = [np.nan if value == "nan" else value for value in strengths]

    def flow(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        flow = np.zeros((len(first), 8, 8, 2), np.float32)
        for row in flow:
            row[..., 0] = self._left.pop(0)
        return flow


def test_the_tolerance_is_not_a_loophole() -> None:
    assert TOLERANCE == 1e-12
