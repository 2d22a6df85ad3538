"""Suites: what the official file becomes, what a user's file may say, which part a limit takes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_eval.adapters import load_benchmark
from nova_eval.adapters import suite as suite_module
from nova_eval.adapters.selection import select
from nova_eval.adapters.sources import Source, load_sources, locate
from nova_eval.adapters.suite import read_entries
from nova_eval.config import facts_of
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.identity import suite_digest
from nova_eval.records import Prompt

DIMENSIONS = {
    "subject_consistency": 72,
    "background_consistency": 86,
    "temporal_flickering": 75,
    "motion_smoothness": 72,
    "dynamic_degree": 72,
    "aesthetic_quality": 93,
    "imaging_quality": 93,
    "object_class": 79,
    "multiple_objects": 82,
    "human_action": 100,
    "color": 85,
    "spatial_relationship": 84,
    "scene": 86,
    "appearance_style": 90,
    "temporal_style": 100,
    "overall_consistency": 93,
}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs small pinned files into a mirror: ``pinned(suite=rows, rewritten=rows)`` gives the mirror's folder."""

    def install(**files: object) -> Path:
        sources = []
        for role, content in files.items():
            source = Source("vbench", role, "o/r", "c" * 40, f"{role}.json", "", 0, 0, "")
            path = tmp_path / "mirror" / source.place
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, content)
            sources.append(dataclasses.replace(source, sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
        monkeypatch.setattr(suite_module, "load_sources", lambda facts: tuple(sources))
        return tmp_path / "mirror"

    return install


ROWS = [
    {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {"prompt_en": "A Fantasy landscape", "dimension": ["scene", "background_consistency"]},
    {
        "prompt_en": "a red car",
        "dimension": ["object_class", "color"],
        "auxiliary_info": {"object_class": {"object": "car"}},
    },
    {"prompt_en": "a Fantasy landscape", "dimension": ["scene"]},
]


class TestOfficialFileBecomesASuite:
    def test_repetitions_unite_and_ids_stay_the_first_row(self, pinned):
        suite = load_benchmark("vbench").suite("official", mirror=pinned(suite=ROWS), offline=True)
        assert [prompt.id for prompt in suite.prompts] == ["vbench/0000", "vbench/0001", "vbench/0003"]
        assert suite.prompts[0].tags == ("color", "object_class")
        assert suite.prompts[0].reference == {"color": {"color": "red"}, "object_class": {"object": "car"}}
        assert suite.prompts[0].sampling_text == "a red car"

    def test_texts_that_differ_in_case_stay_apart(self, pinned):
        suite = load_benchmark("vbench").suite("official", mirror=pinned(suite=ROWS), offline=True)
        assert [prompt.text for prompt in suite.prompts[1:]] == ["A Fantasy landscape", "a Fantasy landscape"]

    def test_repetition_with_another_reference_is_an_error(self, pinned):
        rows = [ROWS[0], {**ROWS[0], "auxiliary_info": {"color": {"color": "blue"}}}]
        with pytest.raises(UsageError, match=r"suite.json, entry 1: .*'vbench/0000'.*'color'"):
            load_benchmark("vbench").suite("official", mirror=pinned(suite=rows), offline=True)

    def test_unknown_variant_is_suggested(self):
        with pytest.raises(UsageError, match="did you mean 'official'"):
            load_benchmark("vbench").suite("offical")

    def test_unknown_benchmark_is_suggested(self):
        with pytest.raises(UsageError, match="did you mean 'vbench'"):
            load_benchmark("vbnech").suite("official")


class TestRewrittenSuite:
    def dense(self, *texts: str) -> list[dict[str, str]]:
        return [{"prompt": text, "dense_prompt": f"{text}, at length"} for text in texts]

    def test_samples_from_the_rewrite_and_scores_the_official_text(self, pinned):
        rows = self.dense("a Fantasy landscape", "A Fantasy landscape", "a red car")
        suite = load_benchmark("vbench").suite("rewritten", mirror=pinned(suite=ROWS, rewritten=rows), offline=True)
        for prompt in suite.prompts:
            assert prompt.sampling_text == prompt.rewritten == f"{prompt.text}, at length"
        assert suite.notes == ()

    def test_the_first_of_two_rewrites_is_used_and_noted(self, pinned):
        rows = self.dense("a Fantasy landscape", "A Fantasy landscape", "a red car")
        rows.append({"prompt": "a red car", "dense_prompt": "another"})
        suite = load_benchmark("vbench").suite("rewritten", mirror=pinned(suite=ROWS, rewritten=rows), offline=True)
        assert suite.prompts[0].rewritten == "a red car, at length"
        assert len(suite.notes) == 1
        assert "'a red car'" in suite.notes[0]

    def test_a_prompt_without_rewrite_is_an_error(self, pinned):
        mirror = pinned(suite=ROWS, rewritten=self.dense("a red car", "A Fantasy landscape"))
        with pytest.raises(PrerequisiteError, match="no rewritten text for 1 of 3 prompts, such as 'a Fantasy landsc"):
            load_benchmark("vbench").suite("rewritten", mirror=mirror, offline=True)


class TestDigest:
    prompts = (Prompt("s/0", "a", ("x",), {"x": {"k": 1}}), Prompt("s/1", "b"), Prompt("s/2", "c", rewritten="d"))

    def test_does_not_depend_on_order(self):
        assert suite_digest(self.prompts) == suite_digest(self.prompts[::-1])

    @pytest.mark.parametrize(
        "change", [{"id": "s/9"}, {"text": "z"}, {"tags": ("y",)}, {"reference": {"x": {"k": 2}}}, {"rewritten": "z"}]
    )
    def test_depends_on_everything_a_prompt_says(self, change):
        changed = (dataclasses.replace(self.prompts[0], **change), *self.prompts[1:])
        assert suite_digest(changed) != suite_digest(self.prompts)


class TestAFileInVBenchsSchema:
    def test_json_keeps_ids_tags_reference_and_rewrite(self, tmp_path):
        rows = [{**ROWS[0], "id": "car", "rewritten": "a very red car"}, {"prompt_en": "x", "id": "vbench/0007"}]
        prompts = read_entries(write(tmp_path / "mine.json", rows), "custom")
        assert prompts[0] == Prompt("custom/car", "a red car", ("color",), ROWS[0]["auxiliary_info"], "a very red car")
        assert prompts[1].id == "vbench/0007"

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (
                [{"prompt_en": "a", "id": "../../etc/passwd"}],
                r"entry 0: prompt id '../../etc/passwd' cannot name a fol",
            ),
            ([{"prompt_en": "a", "id": "/etc"}], "cannot name a folder"),
            ([{"prompt_en": "a", "id": "x y"}], "cannot name a folder"),
            ([{"prompt_en": "a", "id": ".."}], "cannot name a folder"),
            ([{"prompt_en": "a", "id": "one"}, {"prompt_en": "b", "id": "one"}], "entry 1: the id 'custom/one' is tak"),
            ([{"prompt_en": "a", "id": "One"}, {"prompt_en": "b", "id": "one"}], "is taken by another prompt"),
            ([{"prompt_en": "a", "id": "one"}, {"prompt_en": "a", "id": "two"}], "again under the id 'custom/two'"),
            ([{"prompt_en": "a", "rewritten": "b"}, {"prompt_en": "a", "rewritten": "c"}], "another rewritten text"),
            ([{"prompt_en": "a", "id": 3}], "'id' must be a text"),
            ([{"prompt": "a"}], "'prompt_en' must be a text"),
            ([{"prompt_en": " "}], "'prompt_en' must be a text"),
            ([{"prompt_en": "a\0b"}], "'prompt_en' must be a text"),
            (["a cat"], "a str where an object"),
            ([{"prompt_en": "a", "dimension": "color"}], "'dimension' must be a list"),
            ([{"prompt_en": "a", "auxiliary_info": []}], "'auxiliary_info' must be an object"),
            ([{"prompt_en": "a", "rewritten": 1}], "'rewritten' must be a text"),
            ({"prompt_en": "a"}, "should be a list"),
            ([], "holds no prompt"),
            ("", "is not JSON"),
            ("a cat", "is not JSON"),
            ('[{"prompt_en": "a", "auxiliary_info": {"color": NaN}}]', "color: nan is not a finite number"),
            ("[" * 100_000, "is not JSON"),
        ],
    )
    def test_faults_are_one_clear_line(self, tmp_path, rows, message):
        with pytest.raises(UsageError, match=message) as caught:
            read_entries(write(tmp_path / "mine.json", rows), "custom")
        assert "\n" not in str(caught.value)

    def test_missing_and_binary_files(self, tmp_path):
        with pytest.raises(UsageError, match="no such file"):
            read_entries(tmp_path / "none.json", "custom")
        with pytest.raises(UsageError, match="is a folder"):
            read_entries(tmp_path, "custom")
        (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00a")
        with pytest.raises(UsageError, match="is not UTF-8 text"):
            read_entries(tmp_path / "binary.json", "custom")


class TestSelect:
    suite = tuple(
        Prompt(f"s/{number:04d}", f"prompt {number}", tags)
        for number, tags in enumerate([("a",)] * 20 + [("b", "c")] * 10 + [("d",)] * 2 + [()])
    )

    def test_spreads_over_tags_in_suite_order(self):
        assert [prompt.id for prompt in select(self.suite, 4)] == ["s/0000", "s/0020", "s/0030", "s/0032"]
        assert [prompt.id for prompt in select(self.suite, 6)] == [
            "s/0000", "s/0001", "s/0020", "s/0021", "s/0030", "s/0032",
        ]  # fmt: skip

    @given(st.integers(1, 40), st.integers(1, 40))
    def test_a_larger_limit_contains_a_smaller_one(self, one, other):
        smaller, larger = select(self.suite, min(one, other)), select(self.suite, max(one, other))
        assert {prompt.id for prompt in smaller} <= {prompt.id for prompt in larger}
        assert len(smaller) == min(one, other, len(self.suite))
        assert list(larger) == sorted(larger, key=lambda prompt: prompt.id)

    def test_no_limit_takes_all_and_zero_is_an_error(self):
        assert select(self.suite, None) == self.suite
        with pytest.raises(UsageError, match="limit of 0"):
            select(self.suite, 0)


class TestPinnedVBench:
    def test_946_entries_are_944_prompts_and_1362_pairs(self, mirror):
        suite = load_benchmark("vbench").suite("official", mirror=mirror, offline=True)
        rows = json.loads((mirror / suite_path()).read_text(encoding="utf-8"))
        assert (len(rows), len(suite.prompts)) == (946, 944)
        counts: dict[str, int] = {}
        for prompt in suite.prompts:
            assert rows[int(prompt.id.removeprefix("vbench/"))]["prompt_en"] == prompt.text
            for tag in prompt.tags:
                counts[tag] = counts.get(tag, 0) + 1
        assert counts == DIMENSIONS
        assert sum(counts.values()) == 1362

    def test_the_two_repeated_prompts_serve_four_dimensions(self, mirror):
        suite = load_benchmark("vbench").suite("official", mirror=mirror, offline=True)
        four = {prompt.text: prompt for prompt in suite.prompts if len(prompt.tags) == 4}
        beach = "A beautiful coastal beach in spring, waves lapping on sand by Hokusai, in the style of Ukiyo"
        assert set(four) == {beach, "The bund Shanghai, oil painting"}
        for prompt in four.values():
            assert prompt.tags == ("appearance_style", "overall_consistency", "aesthetic_quality", "imaging_quality")
        assert four[beach].id == "vbench/0495"
        assert four[beach].reference == {"appearance_style": {"appearance_style": "by Hokusai, in the style of Ukiyo"}}

    def test_every_prompt_has_a_rewrite(self, mirror):
        official = load_benchmark("vbench").suite("official", mirror=mirror, offline=True)
        rewritten = load_benchmark("vbench").suite("rewritten", mirror=mirror, offline=True)
        assert [prompt.text for prompt in rewritten.prompts] == [prompt.text for prompt in official.prompts]
        assert all(len(prompt.sampling_text) > len(prompt.text) for prompt in rewritten.prompts)
        assert len(rewritten.notes) == 2
        assert official.digest != rewritten.digest

    def test_digests_are_recorded(self, mirror):
        """A change here renames every run."""
        digests = {
            variant: load_benchmark("vbench").suite(variant, mirror=mirror, offline=True).digest
            for variant in ("official", "rewritten")
        }
        assert digests == {
            "official": "574ee33711f7c1ea0e6ae2c418281b3a1c9225a3d2bcba9482c2473747c0192d",
            "rewritten": "4f75e2f0c5ac7ac4a0bc521220168fedb4fd860be4124e6c8c8cab82d7d58132",
        }

    def test_eleven_prompts_touch_all_sixteen_dimensions(self, mirror):
        prompts = load_benchmark("vbench").suite("official", mirror=mirror, offline=True).prompts
        assert {tag for prompt in select(prompts, 11) for tag in prompt.tags} == set(DIMENSIONS)
        shuffled = list(prompts)
        random.Random(0).shuffle(shuffled)
        assert {tag for prompt in select(shuffled, 16) for tag in prompt.tags} == set(DIMENSIONS)

    def test_labels_are_the_400_of_kinetics_in_order(self, mirror):
        pinned = next(source for source in load_sources(facts_of("vbench")) if source.role == "labels")
        lines = locate(pinned, mirror=mirror, offline=True).read_text(encoding="utf-8").splitlines()
        labels = tuple(line.partition("\t")[0] for line in lines)
        assert (len(labels), len(set(labels)), labels[:2], labels[-1]) == (
            400, 400, ("riding a bike", "marching"), "playing badminton",
        )  # fmt: skip


def suite_path() -> Path:
    return next(source.place for source in load_sources(facts_of("vbench")) if source.role == "suite")
