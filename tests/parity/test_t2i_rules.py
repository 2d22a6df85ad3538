"""Recorded decisions of the official GenEval, T2I-CompBench and DPG-Bench code, through the real rules and reducers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from nova_eval.checks.parity.recordings import SHIPPED, find, read_json, results
from nova_eval.checks.parity.recordings import replay as replay_folder
from nova_eval.checks.parity.rules.sections import Rules, family, figures, not_covered
from nova_eval.errors import UsageError

RECORDED = read_json(SHIPPED / "t2i" / "rules.json.gz")
SECTIONS = [(benchmark, section) for benchmark, sections in RECORDED.items() for section in sections]


def replay(folder: Path, content: Any) -> list[Any]:
    (folder / "rules.json").write_text(json.dumps(content))
    return list(replay_folder(folder))


def test_every_recorded_case_gives_the_official_figures(tmp_path: Path) -> None:
    found = replay(tmp_path, RECORDED)
    assert [result for result in found if not result.passed] == []
    counts = Counter(result.case.split()[0] for result in found)
    assert counts == {"geneval": 398, "t2i_compbench": 357, "dpg": 47}
    assert max(result.difference for result in found) < 1e-7
    assert not_covered(RECORDED) == []


def test_the_kit_beside_the_checkout_passes_too(parity: Path) -> None:
    (recording,) = (one for one in find(parity / "t2i")[0] if one.family == "t2i_rules")
    found = list(results(recording))
    assert len(found) >= 800
    assert [result for result in found if not result.passed] == []


def spoiled(value: Any) -> Iterator[Any]:
    """``value`` with one figure, decision or text changed."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1e-3
    elif isinstance(value, str):
        yield f"{value}."
    elif isinstance(value, list) and value:
        yield from ([*value[:-1], last] for last in spoiled(value[-1]))
        yield value[:-1]
    elif isinstance(value, dict):
        for key in value:
            yield from ({**value, key: other} for other in spoiled(value[key]))


EXPECTED_KEYS = (
    "expected",
    "relations",
    "iou",
    "score",
    "questions",
    "model_text",
    "shipped",
    "text",
    "crops",
    "prompt",
)


@pytest.mark.parametrize(("benchmark", "section"), SECTIONS)
def test_a_wrong_figure_is_noticed(benchmark: str, section: str, tmp_path: Path) -> None:
    content = RECORDED[benchmark][section]
    if (benchmark, section) == ("geneval", "prompts"):
        content = content["counting"]
        case, wrap = content[0], lambda entry: {"counting": [entry]}
    elif section == "suite":
        case, wrap = content["generation_prompts.txt"], lambda entry: {"generation_prompts.txt": entry}
    elif isinstance(content, dict):
        case, wrap = content, lambda entry: entry
    elif section == "draws":
        case, wrap = content[0]["suite"], lambda entry: [{**content[0], "suite": entry}]
    else:
        case, wrap = next(c for c in content if "error" not in str(c.get("expected"))), lambda entry: [entry]
    assert all(result.passed for result in replay(tmp_path, {benchmark: {section: wrap(case)}}))
    keys = [key for key in EXPECTED_KEYS if key in case] or ["metadata_sha256"]
    key = "model_text" if section == "blip_question_text" else keys[0]
    if section == "runs":  # of the printed lines only the first are recorded
        case = {**case, "expected": {**case["expected"], "detail_lines": None}}
    for wrong in islice(spoiled(case[key]), 25):
        found = replay(tmp_path, {benchmark: {section: wrap({**case, key: wrong})}})
        assert any(not result.passed and result.note for result in found), wrong


@pytest.mark.parametrize("section", ["spatial_2d", "spatial_3d", "numeracy"])
def test_a_score_where_the_official_code_raises_is_noticed_and_so_is_the_reverse(section: str, tmp_path: Path) -> None:
    scored = next(case for case in RECORDED["t2i_compbench"][section] if case["expected"].get("answer"))
    raises = {**scored, "expected": {"error": "IndexError"}}
    (result,) = replay(tmp_path, {"t2i_compbench": {section: [raises]}})
    assert not result.passed
    silent = {**scored, "prompt": "", "tokens": [], "expected": {"answer": 0}}
    (result,) = replay(tmp_path, {"t2i_compbench": {section: [silent]}})
    assert not result.passed


class TestCornersOutsideTheRecording:
    """What the official functions do, read off their source, in the recording's own format."""

    def test_no_noun_is_an_error(self, tmp_path: Path) -> None:
        case = {"prompt": "red", "tokens": [["red", "ADJ"]], "detections": [], "expected": {"error": "IndexError"}}
        (result,) = replay(tmp_path, {"t2i_compbench": {"spatial_2d": [case]}})
        assert result.passed

    def test_two_boxes_without_area_are_an_error(self, tmp_path: Path) -> None:
        case = {"relation": "near", "a": [1, 1, 1, 1], "b": [2, 2, 2, 2], "error": "ZeroDivisionError"}
        (result,) = replay(tmp_path, {"t2i_compbench": {"determine_position_2d": [case]}})
        assert result.passed

    def test_an_empty_setting_is_off(self, tmp_path: Path) -> None:
        case = {**RECORDED["t2i_compbench"]["clip"][0], "argv": ["--complex", ""]}
        (result,) = replay(tmp_path, {"t2i_compbench": {"clip": [case]}})
        assert result.passed

    def test_items_that_are_numbers_cannot_be_looked_up(self, tmp_path: Path) -> None:
        head = "item_id,proposition_id,dependency,tuple,question_natural_language"
        rows = ["6,1,0,a (b),q0?", '7,1,"0,0",a (b),q1?']
        expected = {
            "images": {},
            "failed": ["Failed filename: 7.png 'NoneType' object is not subscriptable"],
            "level1": {},
            "level2": {},
            "score": None,
        }
        case = {"name": "", "csv": "\n".join([head, *rows]), "images": ["7.png"], "answers": {}, "expected": expected}
        (result,) = replay(tmp_path, {"dpg": {"runs": [{**case, "resolution": 8, "pic_num": 4}]}})
        assert result.passed, result.note


class TestRecordings:
    def test_unknown_parts_are_named(self, tmp_path: Path) -> None:
        content = {"geneval": {"iou": [], "brand_new": []}, "elsewhere": {}}
        assert family(content) == "t2i_rules"
        assert family({"elsewhere": {}}) is None
        (tmp_path / "rules.json").write_text(json.dumps(content))
        assert find(tmp_path)[1] == ["rules.json 'elsewhere'", "rules.json 'geneval.brand_new'"]
        assert list(replay_folder(tmp_path)) == []

    @pytest.mark.parametrize("content", [{"iou": [{}]}, {"iou": [3]}, {"evaluate": 3}, {"prompts": []}])
    def test_a_case_of_another_form_is_one_line(self, content: Any, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="has another form") as error:
            replay(tmp_path, {"geneval": content})
        assert "\n" not in str(error.value)

    def test_printed_numbers_are_compared_as_numbers(self) -> None:
        assert figures("score avg:-0.5e-3 of 3") == ["score avg:", -0.0005, " of ", 3.0, ""]
        assert figures("BLIP-VQA") == ["BLIP-VQA"]
        assert Rules({}).tolerance == 1e-6
