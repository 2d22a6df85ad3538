"""The committed suite is the generator's, has the official shape and covers all sixteen dimensions."""

from __future__ import annotations

from collections import Counter

import pytest

from nova_eval.config import data_folder
from nova_eval.sprites.grammar import parse, render_text
from nova_eval.sprites.vocabulary import RELATIONS, SHAPES, STYLES
from recipes.sprites_suites.texts import suite_texts
from recipes.sprites_suites.vbench import entries

GROUPS = {
    ("subject_consistency", "dynamic_degree", "motion_smoothness"),
    ("overall_consistency", "aesthetic_quality", "imaging_quality"),
    ("scene", "background_consistency"),
    *((name,) for name in ("temporal_flickering", "multiple_objects", "human_action", "object_class", "color")),
    *((name,) for name in ("appearance_style", "temporal_style", "spatial_relationship")),
}


def test_the_committed_file_is_the_generators():
    assert (data_folder("prompts") / "vbench" / "sprites.json").read_text(encoding="utf-8") == suite_texts()["vbench"]


def test_sixteen_dimensions_in_the_official_groups():
    listed = entries()
    counts = Counter(name for entry in listed for name in entry["dimension"])
    assert len(counts) == 16
    assert min(counts.values()) >= 8
    assert {tuple(entry["dimension"]) for entry in listed} == GROUPS
    assert 100 <= len(listed) <= 130


def test_no_prompt_occurs_twice():
    texts = [entry["prompt_en"].lower() for entry in entries()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry["prompt_en"])
def test_prompts_are_of_the_language_and_their_facts_agree_with_the_text(entry):
    text = entry["prompt_en"]
    scene = parse(text)
    assert render_text(scene) == text.lower()
    facts = entry.get("auxiliary_info", {})
    match entry["dimension"]:
        case ["object_class"]:
            assert facts["object_class"]["object"] == scene.things[0].shape
        case ["multiple_objects"]:
            assert facts["multiple_objects"]["object"] == " and ".join(thing.shape for thing in scene.things)
            assert facts["multiple_objects"]["object"].count(" and ") == 1
        case ["color"]:
            color = facts["color"]["color"]
            assert text.replace("a ", "").replace("an ", "").replace(color, "").strip() in SHAPES
        case ["appearance_style"]:
            assert facts["appearance_style"]["appearance_style"] == STYLES[scene.style]
        case ["scene", _]:
            assert facts["scene"]["scene"]["scene"] == text
        case ["spatial_relationship"]:
            inner = facts["spatial_relationship"]["spatial_relationship"]
            assert text == f"a {inner['object_a']} {inner['relationship']} a {inner['object_b']}"
            assert inner["relationship"] == RELATIONS[scene.relation]
        case ["temporal_flickering"]:
            assert text.startswith("In a still frame, ")
        case ["human_action"]:
            assert text == f"A person is {scene.motion}"
        case _:
            assert not facts
