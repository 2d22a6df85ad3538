"""The committed suites of the image benchmarks are the generators', and what they state agrees with their texts."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.dpg_bench.questions import broad_category, category_of, own_questions
from nova_eval.adapters.geneval.prompts import COLORS, TASKS
from nova_eval.adapters.t2i_compbench.numeracy import read_counts
from nova_eval.adapters.t2i_compbench.parses import Parses
from nova_eval.adapters.t2i_compbench.prompts import CATEGORIES
from nova_eval.adapters.t2i_compbench.similarity import without_adjectives
from nova_eval.adapters.t2i_compbench.spatial import complex_objects
from nova_eval.config import data_folder
from nova_eval.sprites.examples import example_scene
from nova_eval.sprites.grammar import Scene, parse, render_text
from nova_eval.sprites.vocabulary import DEPTHS
from recipes.sprites_suites.readings import reading_of
from recipes.sprites_suites.texts import suite_texts

TEXTS = {name: text for name, text in suite_texts().items() if name != "vbench"}
GENEVAL = load_benchmark("geneval").suite("sprites").prompts
COMPBENCH = load_benchmark("t2i_compbench").suite("sprites").prompts
DPG = load_benchmark("dpg_bench").suite("sprites").prompts


def ids(prompt):
    return prompt.text


@pytest.mark.parametrize("benchmark", TEXTS)
class TestEverySuite:
    def test_the_committed_file_is_the_generators(self, benchmark):
        assert (data_folder("prompts") / benchmark / "sprites.json").read_text(encoding="utf-8") == TEXTS[benchmark]

    def test_no_prompt_occurs_twice(self, benchmark):
        texts = [entry["prompt_en"] for entry in json.loads(TEXTS[benchmark])]
        assert len(set(texts)) == len(texts)
        assert len(load_benchmark(benchmark).suite("sprites").prompts) == len(texts)

    def test_every_prompt_is_a_sentence_of_the_language(self, benchmark):
        for entry in json.loads(TEXTS[benchmark]):
            assert render_text(parse(entry["prompt_en"])) == entry["prompt_en"]


def test_twenty_prompts_a_task_and_a_category():
    assert Counter(tag for prompt in GENEVAL for tag in prompt.tags) == dict.fromkeys(TASKS, 20)
    assert Counter(tag for prompt in COMPBENCH for tag in prompt.tags) == dict.fromkeys(CATEGORIES, 20)
    questions = [{broad_category(category_of(q.subject)) for q in own_questions(prompt)} for prompt in DPG]
    found = Counter(name for names in questions for name in names)
    assert set(found) == {"global", "entity", "attribute", "relation", "other"}
    assert min(found.values()) >= 20


def kind(scene: Scene) -> tuple[object, ...]:
    """What training sentences may combine."""
    plain = not any(thing.texture or thing.size for thing in scene.things)
    counts = tuple(thing.count > 1 for thing in scene.things)
    return counts, plain, bool(scene.relation), bool(scene.position), bool(scene.style), scene.relation in DEPTHS


def test_only_depth_and_two_counts_are_outside_of_the_training_sentences():
    trained = {kind(example_scene(index, seed=3)) for index in range(6000)}
    foreign = {p.tags[0] for p in (*GENEVAL, *COMPBENCH, *DPG) if kind(parse(p.text)) not in trained}
    assert foreign == {"spatial_3d", "numeracy"}
    counted = [p for p in COMPBENCH if p.tags == ("numeracy",) and kind(parse(p.text)) not in trained]
    assert len(counted) == 6


class TestGenEval:
    @pytest.mark.parametrize("prompt", GENEVAL, ids=ids)
    def test_clauses_state_what_the_text_says(self, prompt):
        scene, (task,) = parse(prompt.text), prompt.tags
        clauses = prompt.reference["include"]
        asked = {(c["class"], c["count"], c.get("color")) for c in clauses}
        assert asked == {(t.shape, t.count, t.color) for t in scene.things}
        assert {c["color"] for c in clauses if "color" in c} <= set(COLORS)
        assert ("exclude" in prompt.reference) == (task == "counting")
        if task == "counting":
            (only,) = prompt.reference["exclude"]
            assert (only["class"], only["count"]) == (scene.things[0].shape, scene.things[0].count + 1)
        if task == "position":
            relation, target = clauses[1]["position"]
            assert [clauses[1]["class"], clauses[target]["class"]] == [thing.shape for thing in scene.things]
            words = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}
            assert words[scene.relation] == relation


class TestCompBench:
    @pytest.mark.parametrize("prompt", COMPBENCH, ids=ids)
    def test_the_reading_is_of_the_text(self, prompt):
        reading = Parses().of_prompt(prompt)
        assert " ".join(token.text for token in reading.tokens).replace(" ,", ",") == prompt.text
        assert all(phrase in prompt.text for phrase in reading.noun_phrases)
        assert len(reading.noun_phrases) >= 1

    def test_counts_are_read_with_the_names_that_the_prompt_brings(self):
        for prompt in COMPBENCH:
            if prompt.tags == ("numeracy",):
                names, numbers = read_counts(prompt.text, prompt.reference["plurals"])
                things = parse(prompt.text).things
                assert list(zip(names, numbers, strict=True)) == [(thing.shape, thing.count) for thing in things]

    def test_complex_prompts_are_of_all_kinds_and_give_two_objects(self):
        prompts = [prompt for prompt in COMPBENCH if prompt.tags == ("complex",)]
        assert Counter(prompt.reference["kind"] for prompt in prompts) == {"action": 10, "spatial": 5, "both": 5}
        for prompt in prompts:
            tokens, scene = Parses().of_prompt(prompt).tokens, parse(prompt.text)
            if prompt.reference["kind"] != "action":
                assert complex_objects(tokens) == [thing.shape for thing in scene.things]
            bare = parse(without_adjectives(tokens))
            assert [thing.color for thing in bare.things] == [None, None]
            assert (bare.place, bare.relation) == (scene.place, scene.relation)

    def test_readings_follow_the_grammar(self):
        reading = reading_of("a red striped circle on the left of an orange star under a night sky")
        assert reading["noun_phrases"] == ["a red striped circle", "the left", "an orange star", "a night sky"]
        assert [pos for _, pos in reading["tokens"]][:4] == ["DET", "ADJ", "ADJ", "NOUN"]
        assert reading_of("two stars underwater")["noun_phrases"] == ["two stars"]
        assert reading_of("a square behind a star, neon style")["noun_phrases"][-1] == "neon style"


class TestDPG:
    @pytest.mark.parametrize("prompt", DPG, ids=ids)
    def test_questions_come_after_what_they_depend_on(self, prompt):
        seen = {0}
        for question in own_questions(prompt):
            assert set(question.parents) <= seen
            assert question.text.endswith("?")
            seen.add(question.id)

    def test_every_fact_of_a_prompt_is_asked(self):
        prompt = next(prompt for prompt in DPG if prompt.text.startswith("a large"))
        scene = parse(prompt.text)
        facts = sum(1 + sum(map(bool, (t.color, t.texture, t.size))) for t in scene.things) + bool(scene.place)
        assert len(own_questions(prompt)) == facts
