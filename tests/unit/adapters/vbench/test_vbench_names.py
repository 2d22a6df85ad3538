"""Official file names: every sample finds its file, no file finds the wrong sample."""

from __future__ import annotations

import random
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.names import case_collisions, check_distinct
from nova_eval.adapters.vbench.names import (
    VBenchNames,
    assign,
    official_name,
    parse_name,
)
from nova_eval.errors import UsageError
from nova_eval.records import Prompt, SampleKey


def suite(*texts: str) -> list[Prompt]:
    return [Prompt(f"s/{number}", text) for number, text in enumerate(texts)]


def assigned(prompts: list[Prompt], *paths: str) -> dict[str, tuple[str, int]]:
    """Each file's (prompt text, index)."""
    texts = {prompt.id: prompt.text for prompt in prompts}
    files = assign(prompts, paths).files
    return {path: (texts[key.prompt_id], key.index) for key, found in files.items() for path in found}


def official(prompts: list[Prompt], keys: list[SampleKey]) -> dict[SampleKey, str]:
    return VBenchNames().official(prompts, dict.fromkeys(keys, ".mp4"))


class TestNames:
    def test_official_form(self):
        assert official_name("a cat", 3) == "a cat-3.mp4"
        assert official_name("A storm.", 0, ".gif") == "A storm.-0.gif"

    def test_a_name_no_file_system_holds_is_an_error(self):
        assert len(official_name("x" * 249, 0)) == 255
        with pytest.raises(UsageError, match="has 256 bytes; official names allow 255"):
            official_name("x" * 250, 0)
        with pytest.raises(UsageError, match="has 257 bytes"):
            official_name("ç" * 125 + "x", 0)
        with pytest.raises(UsageError, match="contains a slash"):
            official_name("either/or", 0)

    @pytest.mark.parametrize(
        ("path", "parsed"),
        [
            ("a cat-0.mp4", ("a cat", 0)),
            ("scene/a cat-12.MP4", ("a cat", 12)),
            ("A storm.-0.mp4", ("A storm.", 0)),
            ("close-up, 1-2-3-4.webm", ("close-up, 1-2-3", 4)),
            ("v1.5-0.mp4-0.mkv", ("v1.5-0.mp4", 0)),
            ("a cat-00.mp4", None),
            ("a cat-٣.mp4", None),
            ("a cat.mp4", None),
            ("a cat-0.mp4.json", None),
            ("a cat-0", None),
            (".DS_Store", None),
        ],
    )
    def test_names_are_taken_apart_at_the_last_number(self, path, parsed):
        assert parse_name(path) == parsed

    @given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60))
    def test_any_text_survives_the_round_trip(self, text):
        assert parse_name(official_name(text, 7)) == (text, 7)

    def test_export_refuses_two_prompts_with_one_name(self):
        prompts = [Prompt("s/a", "x"), Prompt("s/b", "x")]
        with pytest.raises(UsageError, match=r"'s/a' and 's/b' share the file name 'x-0.mp4'"):
            check_distinct(official(prompts, [SampleKey("s/a", 0), SampleKey("s/b", 0)]))

    def test_case_collisions_are_listed(self):
        assert case_collisions(["b-0.mp4", "a b-0.mp4", "A b-0.mp4"]) == [("A b-0.mp4", "a b-0.mp4")]
        assert case_collisions(["a", "b"]) == []


class TestAssignment:
    def test_prefixes_of_one_another_and_hyphens(self):
        prompts = suite("a dog", "a dog-1", "a dog running", "a close-up")
        assert assigned(prompts, "a dog-1.mp4", "a dog-1-0.mp4", "a dog running-1.mp4", "a close-up-2.mp4") == {
            "a dog-1.mp4": ("a dog", 1),
            "a dog-1-0.mp4": ("a dog-1", 0),
            "a dog running-1.mp4": ("a dog running", 1),
            "a close-up-2.mp4": ("a close-up", 2),
        }

    def test_flat_sub_folders_and_every_ending(self):
        prompts = suite("a cat")
        paths = ["a cat-0.mp4", "scene/a cat-1.GIF", "x/y/a cat-2.mov", "a cat-3.webm", "a cat-4.mkv", "a cat-5.AVI"]
        assert assigned(prompts, *paths) == {path: ("a cat", index) for index, path in enumerate(paths)}

    @pytest.mark.parametrize("form", ["NFC", "NFD"])
    @pytest.mark.parametrize("stored", ["NFC", "NFD"])
    def test_unicode_normalisation_is_seen_through(self, form, stored):
        prompts = suite(normalize(form, "carved façades"))
        name = normalize(stored, "carved façades-4.mp4")
        assert list(assigned(prompts, name).values()) == [(prompts[0].text, 4)]

    def test_another_case_is_accepted_when_one_prompt_can_be_meant(self):
        assert assigned(suite("A Cat"), "a cat-0.mp4") == {"a cat-0.mp4": ("A Cat", 0)}

    def test_case_variants_are_told_apart_exactly(self):
        prompts = suite("A fantasy landscape", "a fantasy landscape")
        assert assigned(prompts, "A fantasy landscape-0.mp4", "a fantasy landscape-0.mp4") == {
            "A fantasy landscape-0.mp4": ("A fantasy landscape", 0),
            "a fantasy landscape-0.mp4": ("a fantasy landscape", 0),
        }
        assert assigned(prompts, "a fantasy landscape-0.mp4") == {
            "a fantasy landscape-0.mp4": ("a fantasy landscape", 0)
        }
        assert assign(prompts, ["A FANTASY landscape-0.mp4"]).extra == ("A FANTASY landscape-0.mp4",)

    def test_the_better_match_wins_and_the_other_is_extra(self):
        result = assign(suite("a cat"), ["A CAT-0.mp4", "a cat-0.mp4"])
        assert result.files == {SampleKey("s/0", 0): ("a cat-0.mp4",)}
        assert result.extra == ("A CAT-0.mp4",)

    def test_repeated_names_are_all_listed(self):
        result = assign(suite("a cat"), ["a cat-0.mp4", "scene/a cat-0.mp4"])
        assert result.files == {SampleKey("s/0", 0): ("a cat-0.mp4", "scene/a cat-0.mp4")}

    def test_strays_are_extra_and_shortened_names_are_not_guessed(self):
        strays = [".DS_Store", "results.json", "a_cat-0.mp4", "a ca-0.mp4", "a cat.mp4", "._a cat-0.mp4"]
        result = assign(suite("a cat"), strays)
        assert (result.files, list(result.extra)) == ({}, strays)


class TestWholeVBench:
    def test_4720_names_come_back_in_any_order_and_either_normalisation(self, mirror):
        prompts = load_benchmark("vbench").suite("official", mirror=mirror, offline=True).prompts
        keys = [SampleKey(prompt.id, index) for prompt in prompts for index in range(5)]
        names = official(prompts, keys)
        assert len(set(names.values())) == 4720
        assert max(len(name.encode()) for name in names.values()) == 216
        folders = {prompt.id: prompt.tags[0] for prompt in prompts}
        shuffled = list(names.items())
        random.Random(1).shuffle(shuffled)
        for form in ("NFC", "NFD"):
            for nested in (False, True):
                paths = {
                    key: (f"{folders[key.prompt_id]}/" if nested else "") + normalize(form, name)
                    for key, name in shuffled
                }
                result = assign(prompts, paths.values())
                assert result.files == {key: (path,) for key, path in paths.items()}
                assert result.extra == ()

    def test_the_only_case_collision_is_the_fantasy_landscape(self, mirror):
        prompts = load_benchmark("vbench").suite("official", mirror=mirror, offline=True).prompts
        names = official(prompts, [SampleKey(prompt.id, 0) for prompt in prompts])
        assert case_collisions(names.values()) == [("A fantasy landscape-0.mp4", "a fantasy landscape-0.mp4")]
