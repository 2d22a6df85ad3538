"""Every names_of: a sample's official name leads back to the sample, and no name whatever is a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nova_eval.adapters import load_benchmark
from nova_eval.adapters.geneval.names import official_metadata
from nova_eval.adapters.names import part_of_grid
from nova_eval.records import Prompt, SampleKey

BENCHMARKS = ("dpg_bench", "geneval", "t2i_compbench", "vbench")
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.lists(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/_\\"), min_size=1, max_size=30)
    .map(lambda text: f"a {text.strip()}")
    .filter(lambda text: len(text) > 2),
    min_size=1,
    max_size=5,
    unique_by=lambda text: text.casefold(),
)
words = st.sampled_from(
    ["00000", "7", "samples", "a cat", "a cat-0", "a cat_000003", "metadata", "grid", "7-3", "..", "é", "_", "-", "0"]
)
names = st.lists(words, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from([".png", ".PNG", ".mp4", ".jsonl", "", ".", ".png.png"]).map(
        lambda ending: "/".join(parts) + ending
    )
)


def suite(texts: list[str]) -> list[Prompt]:
    return [Prompt(f"suite/{place}", text, ("color",), {"item": str(place)}) for place, text in enumerate(texts)]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
class TestNames:
    @QUICK
    @given(texts=texts, number=st.integers(1, 12))
    def test_lead_back_to_their_samples(self, benchmark: str, texts: list[str], number: int, tmp_path: Path) -> None:
        names_of = load_benchmark(benchmark).names()
        prompts = suite(texts)
        number = 4 if benchmark == "dpg_bench" else number
        keys = [SampleKey(prompt.id, index) for prompt in prompts for index in range(number)]
        keys = [key for key in keys if not names_of.refusal(prompts[int(key.prompt_id[6:])], key.index)]
        suffix = ".mp4" if benchmark == "vbench" else ".png"
        given_names = names_of.official(prompts, dict.fromkeys(keys, suffix))
        assigned = names_of.assign(prompts, dict.fromkeys(given_names.values()), tmp_path)
        assert dict(assigned.files) == {key: (name,) for key, name in given_names.items()}
        assert assigned.extra == ()

    @QUICK
    @given(paths=st.lists(names, max_size=12, unique=True))
    def test_of_any_form_are_assigned_or_extra(self, benchmark: str, paths: list[str], tmp_path: Path) -> None:
        prompts = [*suite(["a cat", "a dog"]), Prompt("suite/7", "x", (), {"item": "7"})]
        names_of = load_benchmark(benchmark).names()
        assigned = names_of.assign(prompts, paths, tmp_path)
        used = {path for claimed in assigned.files.values() for path in claimed}
        unclear = set(assigned.unclear)
        assert used | set(assigned.extra) | unclear <= set(paths)
        assert not used & set(assigned.extra)
        assert not unclear & (used | set(assigned.extra))
        assert all(key.index >= 0 for key in assigned.files)
        if benchmark != "geneval":  # whose metadata and grids are neither
            assert used | set(assigned.extra) | unclear == set(paths)


class TestOfficialSuites:
    @pytest.mark.parametrize("benchmark", BENCHMARKS)
    def test_all_official_prompts_can_be_exported(self, benchmark: str, mirror: Path, tmp_path: Path) -> None:
        prompts = load_benchmark(benchmark).suite("official", mirror=mirror, offline=True).prompts
        names_of = load_benchmark(benchmark).names()
        keys = [SampleKey(prompt.id, index) for prompt in prompts for index in range(4)]
        assert not any(names_of.refusal(prompt, 24) for prompt in prompts)
        given_names = names_of.official(prompts, dict.fromkeys(keys, ".mp4" if benchmark == "vbench" else ".png"))
        assert set(names_of.assign(prompts, dict.fromkeys(given_names.values()), tmp_path).files) == set(keys)

    def test_genevals_metadata_is_the_official_file_byte_for_byte(self, mirror: Path) -> None:
        found = sorted(mirror.rglob("evaluation_metadata.jsonl"))
        if not found:
            pytest.skip("the mirror holds no evaluation_metadata.jsonl")
        prompts = load_benchmark("geneval").suite("official", mirror=mirror, offline=True).prompts
        beside = load_benchmark("geneval").names().beside(prompts, [SampleKey(prompt.id, 0) for prompt in prompts])
        lines = found[0].read_bytes().splitlines()
        assert [beside[f"{place:05d}/metadata.jsonl"] for place in range(553)] == lines

    def test_metadata_survives_that_references_are_stored_with_sorted_keys(self) -> None:
        clause = {"color": "red", "count": 1, "class": "cat"}
        prompt = Prompt("geneval/0000", "a", ("counting",), {"exclude": [clause], "include": [clause]})
        found = official_metadata(prompt)
        assert list(found) == ["tag", "include", "exclude", "prompt"]
        assert list(found["include"][0]) == ["class", "count", "color"]


def test_a_number_that_counts_no_samples_is_no_index(tmp_path: Path) -> None:
    prompt = Prompt("vbench/0001", "a cat on a roof", ("scene",))
    paths = ["a cat on a roof-2.mp4", "a cat on a roof-20260101120000.mp4"]
    assigned = load_benchmark("vbench").names().assign([prompt], paths, tmp_path)
    assert (assigned.files, assigned.extra) == ({SampleKey("vbench/0001", 2): (paths[0],)}, (paths[1],))


def test_the_parts_of_a_grid_cover_it_without_overlap() -> None:
    covered = {
        (x, y)
        for index in range(4)
        for left, top, width, height in [part_of_grid(6, 4, index)]
        for x in range(left, left + width)
        for y in range(top, top + height)
    }
    assert covered == {(x, y) for x in range(6) for y in range(4)}
    assert part_of_grid(6, 4, 1) == (3, 0, 3, 2)
