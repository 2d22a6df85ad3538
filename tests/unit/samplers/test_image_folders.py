"""Folders of images in the names of GenEval, T2I-CompBench and DPG-Bench: every file is the sample that it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.geneval.names import official_metadata
from nova_eval.cli import app
from nova_eval.errors import INCOMPLETE, UsageError
from nova_eval.protocols import Listing
from nova_eval.records import Prompt, SampleKey
from nova_eval.runs.opening import open_run
from nova_eval.runs.options import resolve
from nova_eval.runs.pipeline import run
from nova_eval.samplers.folder import FolderSampler

GENEVAL = [
    Prompt(f"geneval/{place:04d}", f"a photo of {thing}", ("single_object",), {"include": [{"class": thing}]})
    for place, thing in enumerate(("a cat", "a dog", "a bus"))
]
COMPBENCH = [
    Prompt("t2i_compbench/color/0000", "a red cup", ("color",)),
    Prompt("t2i_compbench/color/0001", "a blue dog", ("color",)),
    Prompt("t2i_compbench/complex/0000", "A storm, a sea.", ("complex",)),
]
DPG = [Prompt(f"dpg_bench/{item}", f"text {item}", ("overall",), {"item": item}) for item in ("0", "7", "whoops3")]
GRIDS = (
    "{} pictures read as grids of 2×2 samples of 16×16 pixels; --set sampler.grid=1 (of import: --grid 1) "
    "if each is one sample"
)
SUITES = {"geneval": GENEVAL, "t2i_compbench": COMPBENCH, "dpg_bench": DPG}


def keys(prompts: Sequence[Prompt], number: int = 4) -> list[SampleKey]:
    return [SampleKey(prompt.id, index) for prompt in prompts for index in range(number)]


def picture(seed: int, height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fill(folder: Path, benchmark: str, number: int = 4, **settings: object) -> list[SampleKey]:
    """Writes every sample under its official name; a DPG-Bench grid is one picture of twice the size."""
    prompts = SUITES[benchmark]
    names_of = load_benchmark(benchmark).names(**settings)
    wanted = keys(prompts, number)
    names = names_of.official(prompts, dict.fromkeys(wanted, ".png"))
    for seed, name in enumerate(dict.fromkeys(names.values())):
        shared = list(names.values()).count(name) > 1
        write(folder / name, picture(seed, *((32, 32) if shared else (16, 16))))
    for name, data in names_of.beside(prompts, wanted).items():
        (folder / name).write_bytes(data)
    return wanted


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(media.encode_image(pixels))


def look(folder: Path, benchmark: str, wanted: Sequence[SampleKey], **settings: object) -> tuple[Listing, list[str]]:
    sampler = FolderSampler(folder, names=benchmark, **settings)
    listing = sampler.locate(SUITES[benchmark], wanted)
    return listing, sampler.describe(listing, SUITES[benchmark])


@pytest.mark.parametrize("benchmark", sorted(SUITES))
class TestCompleteFolders:
    def test_every_sample_is_found_and_nothing_else(self, tmp_path: Path, benchmark: str) -> None:
        wanted = fill(tmp_path, benchmark)
        listing, lines = look(tmp_path, benchmark, wanted)
        assert list(listing.found) == wanted
        grids = [GRIDS.format(3)] if benchmark == "dpg_bench" else []
        assert lines == [f"found {len(wanted)} of {len(wanted)} samples", *grids]
        assert listing.extra == []

    def test_one_folder_deeper_too(self, tmp_path: Path, benchmark: str) -> None:
        wanted = fill(tmp_path / "images" / "of" / "mine", benchmark)
        assert list(look(tmp_path, benchmark, wanted)[0].found) == wanted

    def test_nothing_of_the_suite_says_what_a_name_looks_like(self, tmp_path: Path, benchmark: str) -> None:
        write(tmp_path / "something else.png", picture(0))
        with pytest.raises(UsageError, match=r"none of the 1 images in .* expected names such as .*; name images '"):
            look(tmp_path, benchmark, keys(SUITES[benchmark]))

    def test_videos_are_no_images(self, tmp_path: Path, benchmark: str) -> None:
        (tmp_path / "a.mp4").write_bytes(b"x")
        with pytest.raises(UsageError, match="no image among the 1 files"):
            look(tmp_path, benchmark, keys(SUITES[benchmark]))


class TestGenEval:
    def test_missing_and_extra_and_unreadable_are_a_line_each(self, tmp_path: Path) -> None:
        wanted = fill(tmp_path, "geneval")
        (tmp_path / "00000/samples/00001.png").unlink()
        (tmp_path / "00001/samples/00000.png").write_bytes(b"")
        whole = (tmp_path / "00001/samples/00001.png").read_bytes()
        (tmp_path / "00001/samples/00001.png").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "00001/samples/00002.png").write_bytes(b"<html>")
        write(tmp_path / "00002/samples/00009.png", picture(9))
        write(tmp_path / "00002/grid.png", picture(9))
        write(tmp_path / "00777/samples/00000.png", picture(9))
        listing, lines = look(tmp_path, "geneval", wanted)
        assert len(listing.found) == 8
        assert [line.partition(":")[0] for line in lines] == [
            "found 8 of 12 samples",
            "missing 1 samples of 1 prompts",
            "too few samples of 1 prompts",
            "unreadable 3 samples",
            "not needed 1 further samples",
            "not of this suite 1 files",
        ]
        assert lines[1].endswith("'00000/samples/00001.png'")
        assert lines[2].endswith("'a photo of a cat' (3 of 4)")
        assert "00000.png: the file is empty" in lines[3]

    def test_metadata_decides_which_prompt_a_folder_is(self, tmp_path: Path) -> None:
        fill(tmp_path, "geneval", 1)
        first, second = tmp_path / "00000/metadata.jsonl", tmp_path / "00001/metadata.jsonl"
        first.write_text(json.dumps(official_metadata(GENEVAL[1])))
        second.write_text(json.dumps(official_metadata(GENEVAL[0])))
        listing, _ = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert listing.found[SampleKey("geneval/0000", 0)] == tmp_path / "00001/samples/00000.png"

    def test_a_folder_of_another_prompt_is_not_of_this_suite(self, tmp_path: Path) -> None:
        fill(tmp_path, "geneval", 1)
        (tmp_path / "00001/metadata.jsonl").write_text('{"tag": "x", "prompt": "a photo of a ghost"}')
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert listing.missing == [SampleKey("geneval/0001", 0)]
        assert lines[-1] == "not of this suite 1 files: '00000.png'"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\n\n",
            b"{",
            b"[]",
            b"3",
            b'{"prompt": 3}',
            b'{"tag": "x"}',
            b'{"include": 3}',
            b'{"include": [3]}',
            b"\xff",
            b'{"prompt": "a photo of a cat",}',
            b"[" * 100_000,
            b" " * (1 << 20) + b"{}",
        ],
    )
    def test_metadata_that_cannot_be_read_leaves_its_pictures_out_with_the_reason(
        self, tmp_path: Path, content: bytes
    ) -> None:
        fill(tmp_path, "geneval", 1)
        (tmp_path / "00001/metadata.jsonl").write_bytes(content)
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert listing.missing == [SampleKey("geneval/0001", 0)]
        assert list(listing.unclear) == [tmp_path / "00001/samples/00000.png"]
        assert lines[-1].startswith("left out 1 files whose prompt nothing says: 00001/metadata.jsonl ")
        assert "00001/metadata.jsonl" in listing.absent()[SampleKey("geneval/0001", 0)]

    @pytest.mark.parametrize("kind", ["folder", "link", "differing", "all"])
    def test_metadata_that_is_no_file_or_says_two_things(self, tmp_path: Path, kind: str) -> None:
        fill(tmp_path, "geneval", 1)
        path = tmp_path / "00001/metadata.jsonl"
        first = path.read_bytes()
        path.unlink()
        if kind == "folder":
            (tmp_path / "00001/metadata.jsonl/x").mkdir(parents=True)
            (tmp_path / "00001/metadata.jsonl/x/y").touch()
        elif kind == "link":
            path.symlink_to(tmp_path / "gone")
        elif kind == "differing":
            path.write_bytes(first + b"\n" + first.replace(b"dog", b"bus"))
        else:
            for place in range(3):
                (tmp_path / f"0000{place}/metadata.jsonl").write_bytes(b"{")
            with pytest.raises(
                UsageError, match=r"nothing says which prompts the 3 images in .*00000/metadata.jsonl is"
            ):
                look(tmp_path, "geneval", keys(GENEVAL, 1))
            return
        listing, _ = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert (SampleKey("geneval/0001", 0) in listing.missing) == (kind != "folder")

    @pytest.mark.parametrize(
        "written",
        [
            lambda text: b"\xef\xbb\xbf" + text,
            lambda text: text + b"\n" + text + b"\n",
            lambda text: text + b",\n",
            lambda text: b"\n\n" + text + b"\r\n\r\n",
            lambda text: text + text,
            lambda text: b"[" + text + b"]",
            lambda text: json.dumps(json.loads(text), indent=2).encode(),
            lambda text: text.decode().encode("utf-16"),
            lambda text: b"\xfe\xff" + text.decode().encode("utf-16-be"),
        ],
    )
    def test_marks_repetitions_commas_and_blank_lines_leave_no_doubt(self, tmp_path: Path, written) -> None:
        fill(tmp_path, "geneval", 1)
        shifted = [official_metadata(prompt) for prompt in (GENEVAL[2], *GENEVAL[:2])]
        for place, metadata in enumerate(shifted):
            (tmp_path / f"{place:05d}/metadata.jsonl").write_bytes(written(json.dumps(metadata).encode()))
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert lines == ["found 3 of 3 samples"]
        assert [path.parent.parent.name for path in listing.found.values()] == ["00001", "00002", "00000"]

    def test_the_text_is_a_label_only(self, tmp_path: Path) -> None:
        fill(tmp_path, "geneval", 1)
        for place, prompt in enumerate((GENEVAL[1], GENEVAL[2], GENEVAL[0])):
            told = {**official_metadata(prompt), "prompt": GENEVAL[place].text, "seed": 3}
            (tmp_path / f"{place:05d}/metadata.jsonl").write_text(json.dumps(told))
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert lines == ["found 3 of 3 samples"]
        assert [path.parent.parent.name for path in listing.found.values()] == ["00002", "00000", "00001"]

    def test_every_official_prompt_is_known_by_tag_and_clauses(self, tmp_path: Path) -> None:
        from nova_eval.adapters.geneval.metadata import Owners

        prompts = load_benchmark("geneval").suite("official", offline=True).prompts
        owners = Owners(prompts)
        assert all(owners.of(official_metadata(prompt) | {"prompt": "longer"}) == [prompt.id] for prompt in prompts)
        assert owners.of(official_metadata(prompts[0]) | {"tag": "counting"}) == []

    def test_right_names_with_foreign_metadata_are_not_called_wrong(self, tmp_path: Path) -> None:
        fill(tmp_path, "geneval", 1)
        for place in range(3):
            told = {"tag": "colors", "include": [{"class": "ghost", "count": 1}], "prompt": "a ghost"}
            (tmp_path / f"{place:05d}/metadata.jsonl").write_text(json.dumps(told))
        with pytest.raises(UsageError, match=r"'00000/samples/00000.png' is named rightly, but the metadata.jsonl"):
            look(tmp_path, "geneval", keys(GENEVAL, 1))

    def test_a_folder_without_metadata_has_no_number_where_the_others_are_no_places(self, tmp_path: Path) -> None:
        fill(tmp_path, "geneval", 1)
        (tmp_path / "00000/metadata.jsonl").unlink()
        for place, prompt in ((1, GENEVAL[2]), (2, GENEVAL[0])):
            (tmp_path / f"{place:05d}/metadata.jsonl").write_text(json.dumps(official_metadata(prompt)))
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert listing.missing == [SampleKey("geneval/0001", 0)]
        assert lines[-1] == (
            "left out 1 files whose prompt nothing says: 00000 has no metadata.jsonl, and the numbers of these folders "
            "are not the places of their prompts"
        )

    @pytest.mark.parametrize("described", [False, True])
    def test_folders_counted_from_one(self, tmp_path: Path, described: bool) -> None:
        for place in (1, 2, 3):
            write(tmp_path / f"{place}/samples/0.png", picture(place))
        if described:
            (tmp_path / "2/metadata.jsonl").write_text(json.dumps(official_metadata(GENEVAL[1])))
        listing, _ = look(tmp_path, "geneval", keys(GENEVAL, 1))
        assert [path.parent.parent.name for path in listing.found.values()] == ["1", "2", "3"]

    def test_some_folders_that_may_count_from_one_are_refused(self, tmp_path: Path) -> None:
        for place in (1, 2):
            write(tmp_path / f"{place:05d}/samples/0.png", picture(place))
        with pytest.raises(UsageError, match="without a folder 00000 numbers may count from 0 or from 1"):
            look(tmp_path, "geneval", keys(GENEVAL, 1))

    def test_four_digits_as_in_the_readme(self, tmp_path: Path) -> None:
        write(tmp_path / "00002/samples/0003.png", picture(0))
        listing, _ = look(tmp_path, "geneval", keys(GENEVAL))
        assert list(listing.found) == [SampleKey("geneval/0002", 3)]

    def test_samples_counted_from_one(self, tmp_path: Path) -> None:
        for place in range(3):
            for number in range(1, 5):
                write(tmp_path / f"{place:05d}/samples/{number:05d}.png", picture(number))
        listing, lines = look(tmp_path, "geneval", keys(GENEVAL))
        assert list(listing.found) == keys(GENEVAL)
        assert all(int(path.stem) == key.index + 1 for key, path in listing.found.items())
        assert lines[1:] == ["no file is sample 0: samples are counted from 1, so 1 is read as sample 0, 4 as sample 3"]
        wider, lines = look(tmp_path, "geneval", keys(GENEVAL, 5))
        assert all(int(path.stem) == key.index for key, path in wider.found.items())
        assert lines[-1] == "no file is sample 0: if they count from 1, say so with --samples-per-prompt 4"


class TestCompBench:
    def test_any_number_of_images_a_prompt(self, tmp_path: Path) -> None:
        for place, name in enumerate(("a red cup", "a blue dog")):
            for index in range(3):
                write(tmp_path / f"color_val/samples/{name}_{3 * place + index:06d}.png", picture(index))
        listing, _ = look(tmp_path, "t2i_compbench", keys(COMPBENCH[:2], 3))
        assert {key: path.name for key, path in listing.found.items()} == {
            SampleKey(f"t2i_compbench/color/{place:04d}", index): f"{name}_{3 * place + index:06d}.png"
            for place, name in enumerate(("a red cup", "a blue dog"))
            for index in range(3)
        }

    def test_a_missing_image_does_not_shift_its_neighbours(self, tmp_path: Path) -> None:
        wanted = fill(tmp_path, "t2i_compbench", 10)
        (tmp_path / "color/samples/a blue dog_000013.png").unlink()
        listing, lines = look(tmp_path, "t2i_compbench", wanted)
        assert listing.missing == [SampleKey("t2i_compbench/color/0001", 3)]
        assert listing.found[SampleKey("t2i_compbench/color/0001", 4)].name == "a blue dog_000014.png"
        assert "'color/a blue dog_000013'" in lines[1]

    def test_numbers_of_another_making_only_order_images(self, tmp_path: Path) -> None:
        for number in (901, 17, 350):
            write(tmp_path / f"a blue dog_{number:06d}.png", picture(number))
        listing, lines = look(tmp_path, "t2i_compbench", keys(COMPBENCH, 3))
        assert [path.name[-7:-4] for path in listing.found.values()] == ["017", "350", "901"]
        assert lines[-1] == "color: running numbers are not place × samples + index and only order samples"

    def test_running_numbers_from_one(self, tmp_path: Path) -> None:
        for place, name in enumerate(("a red cup", "a blue dog")):
            for index in range(10):
                write(tmp_path / f"color/samples/{name}_{10 * place + index + 1:06d}.png", picture(index))
        listing, lines = look(tmp_path, "t2i_compbench", keys(COMPBENCH[:2], 10))
        assert [int(path.stem[-6:]) for path in listing.found.values()] == list(range(1, 21))
        assert lines[-1].startswith("color: running numbers are not place")

    def test_a_final_full_stop_and_a_comma_stay(self, tmp_path: Path) -> None:
        write(tmp_path / "A storm, a sea._000000.png", picture(0))
        assert list(look(tmp_path, "t2i_compbench", keys(COMPBENCH))[0].found) == [
            SampleKey("t2i_compbench/complex/0000", 0)
        ]

    def test_files_without_a_number_are_not_of_this_suite(self, tmp_path: Path) -> None:
        fill(tmp_path, "t2i_compbench", 1)
        write(tmp_path / "color/a red cup.png", picture(0))  # the grid that the official generator leaves beside
        write(tmp_path / "color/samples/a green cup_000003.png", picture(0))
        assert look(tmp_path, "t2i_compbench", keys(COMPBENCH, 1))[1][-1] == (
            "not of this suite 2 files: 'a red cup.png', 'a green cup_000003.png'"
        )


class TestDPGBench:
    def test_a_grid_is_four_samples_rows_first(self, tmp_path: Path) -> None:
        wanted = fill(tmp_path, "dpg_bench")
        listing, _ = look(tmp_path, "dpg_bench", wanted)
        assert {listing.found[key] for key in wanted[:4]} == {tmp_path / "0.png"}
        assert [listing.parts[key] for key in wanted[:4]] == [
            (0, 0, 16, 16),
            (16, 0, 16, 16),
            (0, 16, 16, 16),
            (16, 16, 16, 16),
        ]

    @pytest.mark.parametrize("name", ["{}-{}.png", "{}_{}.png", "{}/{}.png", "some/{}/0000{}.png"])
    def test_separate_images_are_read_too(self, tmp_path: Path, name: str) -> None:
        for prompt in DPG:
            for index in range(4):
                write(tmp_path / name.format(prompt.reference["item"], index), picture(index))
        listing, lines = look(tmp_path, "dpg_bench", keys(DPG))
        assert len(listing.found) == 12
        assert (listing.parts, lines) == ({}, ["found 12 of 12 samples"])

    def test_separate_images_go_before_a_grid(self, tmp_path: Path) -> None:
        fill(tmp_path, "dpg_bench")
        for index in range(4):
            write(tmp_path / f"7-{index}.png", picture(index))
        listing, lines = look(tmp_path, "dpg_bench", keys(DPG))
        assert listing.found[SampleKey("dpg_bench/7", 2)].name == "7-2.png"
        assert lines == ["found 12 of 12 samples", GRIDS.format(2)]
        (tmp_path / "7-3.png").unlink()
        listing, _ = look(tmp_path, "dpg_bench", keys(DPG))
        assert listing.found[SampleKey("dpg_bench/7", 3)].name == "7.png"
        assert listing.parts[SampleKey("dpg_bench/7", 3)] == (16, 16, 16, 16)

    def test_grids_of_another_size_than_most_are_named(self, tmp_path: Path) -> None:
        wanted = fill(tmp_path, "dpg_bench")
        write(tmp_path / "7.png", picture(0, 30, 32))
        listing, lines = look(tmp_path, "dpg_bench", wanted)
        assert set(listing.wrong_size) == set(wanted[4:8])
        assert lines == [
            "found 8 of 12 samples",
            "wrong size 4 samples: '7-0' (7.png: 32×30 pixels, most grids have 32×32)",
            GRIDS.format(2),
        ]

    def test_a_grid_that_cannot_be_halved(self, tmp_path: Path) -> None:
        write(tmp_path / "7.png", picture(0, 33, 33))
        listing, _ = look(tmp_path, "dpg_bench", keys(DPG[1:2]))
        assert set(listing.wrong_size.values()) == {"7.png: 33×33 pixels cannot be cut into 2×2 samples of one size"}

    def test_the_size_asked_for_decides(self, tmp_path: Path) -> None:
        wanted = fill(tmp_path, "dpg_bench")
        listing, lines = look(tmp_path, "dpg_bench", wanted, tile=512)
        assert listing.found == {}
        assert "0.png: 32×32 pixels, --set sampler.tile asks for 1024×1024" in lines[1]

    @pytest.mark.parametrize("name", ["{seed}/{item}.png", "seed{seed}/{item}.PNG", "a/Seed-{seed}/{item}.png"])
    @pytest.mark.parametrize("seeds", [(0, 1, 2, 3), (42, 43, 44, 45), (1, 2, 3, 4), (7, 0, 3, 1)])
    def test_folders_of_seeds(self, tmp_path: Path, name: str, seeds: tuple[int, ...]) -> None:
        for seed in seeds:
            for prompt in DPG:
                write(tmp_path / name.format(seed=seed, item=prompt.reference["item"]), picture(seed))
        listing, lines = look(tmp_path, "dpg_bench", keys(DPG), grid=1)
        assert {key: path.relative_to(tmp_path).as_posix().lower() for key, path in listing.found.items()} == {
            SampleKey(prompt.id, index): name.format(seed=seed, item=prompt.reference["item"]).lower()
            for prompt in DPG
            for index, seed in enumerate(sorted(seeds))
        }
        shown = ", ".join(map(str, sorted(seeds)))
        assert lines[1:] == [f"folders of 4 seeds ({shown}) are read as samples 0 to 3 of each item"]
        with_grids, lines = look(tmp_path, "dpg_bench", keys(DPG))
        assert not with_grids.found
        assert all("two different files claim this sample" in reason for reason in with_grids.unreadable.values())
        assert f"folders of 4 seeds ({shown}): --set sampler.grid=1" in lines[-1]

    @pytest.mark.parametrize("folder", ["0", "7", "42", "seed7"])
    def test_one_folder_of_a_seed_holds_grids(self, tmp_path: Path, folder: str) -> None:
        wanted = fill(tmp_path / folder, "dpg_bench")
        listing, lines = look(tmp_path, "dpg_bench", wanted)
        assert lines == ["found 12 of 12 samples", GRIDS.format(3)]
        assert {path.stem for path in listing.found.values()} == {"0", "7", "whoops3"}
        assert all(key.prompt_id == f"dpg_bench/{path.stem}" for key, path in listing.found.items())

    @pytest.mark.parametrize(
        "paths", [("0/0.png", "7/0.png"), ("0/7.png",), ("7/0.png", "whoops3/0.png", "7/whoops3.png")]
    )
    def test_a_number_in_a_folder_of_a_number_is_nobodys(self, tmp_path: Path, paths: tuple[str, ...]) -> None:
        for path in (*paths, "whoops3.png"):
            write(tmp_path / path, picture(0))
        for grid in (1, 2):
            listing, lines = look(tmp_path, "dpg_bench", keys(DPG), grid=grid)
            unclear = {path for path in paths if "whoops3" not in path}
            assert {path.relative_to(tmp_path).as_posix() for path in listing.unclear} == unclear
            assert "may be sample" in next(line for line in lines if line.startswith(f"left out {len(unclear)} files"))

    @pytest.mark.parametrize("name", ["{0}_{1}.png", "{0}-{1}.png"])
    def test_an_index_before_the_item(self, tmp_path: Path, name: str) -> None:
        for prompt in DPG:
            for index in range(4):
                write(tmp_path / name.format(index, prompt.reference["item"]), picture(index))
        listing, _ = look(tmp_path, "dpg_bench", keys(DPG), grid=1)
        assert len(listing.found) == 12
        assert listing.found[SampleKey("dpg_bench/7", 0)].name == name.format(0, 7)

    def test_numbers_that_may_be_places_of_the_suite_are_nobodys(self, tmp_path: Path) -> None:
        for place in range(9):
            write(tmp_path / f"{place}.png", picture(place, 32, 32))
        with pytest.raises(UsageError, match=r"0\.png may be item 0 or place 0 of the suite, as no item is called 1"):
            look(tmp_path, "dpg_bench", keys(DPG))
        write(tmp_path / "whoops3.png", picture(0, 32, 32))  # an item with a name: the numbers are items too
        assert len(look(tmp_path, "dpg_bench", keys(DPG))[0].found) == 12

    def test_padded_items_are_not_guessed_at(self, tmp_path: Path) -> None:
        write(tmp_path / "0007.png", picture(0))
        with pytest.raises(UsageError, match=r"found '0007.png', which may be item 7 or place 7 of the suite"):
            look(tmp_path, "dpg_bench", keys(DPG))

    @pytest.mark.parametrize("name", ["{}-{}.png", "{}/{}.png", "{}_000{}.png"])
    @pytest.mark.parametrize("grids", [False, True])
    def test_separate_images_counted_from_one(self, tmp_path: Path, name: str, grids: bool) -> None:
        if grids:
            fill(tmp_path, "dpg_bench")
        for prompt in DPG:
            for number in range(1, 5):
                write(tmp_path / name.format(prompt.reference["item"], number), picture(number))
        listing, lines = look(tmp_path, "dpg_bench", keys(DPG))
        assert listing.found[SampleKey("dpg_bench/7", 0)] == tmp_path / name.format(7, 1)
        assert listing.found[SampleKey("dpg_bench/7", 3)] == tmp_path / name.format(7, 4)
        assert lines == [
            "found 12 of 12 samples",
            "no file is sample 0: samples are counted from 1, so 1 is read as sample 0, 4 as sample 3",
        ]

    def test_one_picture_may_be_one_sample(self, tmp_path: Path) -> None:
        fill(tmp_path, "dpg_bench")
        listing, _ = look(tmp_path, "dpg_bench", keys(DPG, 1), grid=1)
        assert len(listing.found) == 3
        assert listing.parts == {}


class TestOtherNames:
    def test_vbench_names_of_images(self, tmp_path: Path) -> None:
        write(tmp_path / "a photo of a dog-2.PNG", picture(0))
        sampler = FolderSampler(tmp_path, names="vbench", modality="image")
        assert list(sampler.locate(GENEVAL, keys(GENEVAL)).found) == [SampleKey("geneval/0001", 2)]
        assert sampler.info.modality == "image"

    @pytest.mark.parametrize(("format", "suffix"), [("JPEG", ".jpg"), ("WEBP", ".webp"), ("BMP", ".bmp")])
    def test_a_cut_file_of_another_format_is_unreadable(self, tmp_path: Path, format: str, suffix: str) -> None:
        from PIL import Image

        folder = tmp_path / "00000/samples"
        folder.mkdir(parents=True)
        for index in range(2):
            Image.fromarray(picture(0, 64, 64)).save(folder / f"{index}{suffix}", format=format)
        cut = folder / f"1{suffix}"
        cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
        listing, _ = look(tmp_path, "geneval", keys(GENEVAL[:1], 2))
        assert list(listing.found) == [SampleKey("geneval/0000", 0)]
        assert list(listing.unreadable) == [SampleKey("geneval/0000", 1)]

    def test_what_makes_a_folder_another_sampler(self, tmp_path: Path) -> None:
        assert FolderSampler(tmp_path, names="geneval").info.settings == {
            "folder": str(tmp_path.resolve()),
            "layout": "geneval",
        }
        assert FolderSampler(tmp_path, names="dpg_bench", tile=512).info.settings["tile"] == 512

    @pytest.mark.parametrize(
        ("settings", "line"),
        [
            ({"names": "genevall"}, "unknown benchmark 'genevall'; did you mean 'geneval'"),
            ({"modality": "sound"}, "unknown modality 'sound'"),
            ({"names": "dpg_bench", "grid": 0}, "grid 0 or tile 0 is too small"),
        ],
    )
    def test_settings_that_cannot_be_are_one_line(self, tmp_path: Path, settings: dict[str, object], line: str) -> None:
        with pytest.raises(UsageError, match=line):
            FolderSampler(tmp_path, **settings)


class TestRuns:
    """The embedded world's judges look at images that lie in a folder."""

    def _run(self, benchmark: str, folder: Path, results: Path, *sets: str) -> object:
        flags = {"sampler": f"folder:{folder}", "variant": "sprites", "limit": 2, "workers": 1, "results": results}
        spec, options, config = resolve(benchmark, {**flags, "samples_per_prompt": "4"}, sets)
        opened = open_run(spec, options, config)
        return opened, run(opened)

    def test_a_tile_of_a_grid_scores_as_it_does_alone(self, tmp_path: Path) -> None:
        from nova_eval.samplers.sprites import OracleSampler

        prompts = load_benchmark("dpg_bench").suite("sprites").prompts
        oracle = OracleSampler(frames=1)
        for prompt in prompts[:40]:
            item = str(prompt.reference.get("item", prompt.id.rpartition("/")[2]))
            made = [frames[0] for frames in oracle.sample([prompt] * 4, range(4))]
            rows = [np.concatenate(made[:2], axis=1), np.concatenate(made[2:], axis=1)]
            write(tmp_path / "grids" / f"{item}.png", np.concatenate(rows))
            for index, pixels in enumerate(made):
                write(tmp_path / "alone" / f"{item}-{index}.png", pixels)
        values = {}
        for name in ("grids", "alone"):
            _, outcome = self._run("dpg_bench", tmp_path / name, tmp_path / "results")
            assert outcome.share_unscored == 8 - outcome.summary.samples
            values[name] = {(row.key, row.metric): (row.value, row.reason) for row in outcome.rows}
        assert values["grids"] == values["alone"]
        assert any(value is not None for value, _ in values["grids"].values())

    def test_a_run_decodes_every_picture_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for prompt in load_benchmark("dpg_bench").suite("sprites").prompts:
            item = str(prompt.reference.get("item", prompt.id.rpartition("/")[2]))
            write(tmp_path / "grids" / f"{item}.png", picture(0, 128, 128))
        decoded: list[str] = []
        whole = media.read

        def counting(path: Path, **more: object) -> media.Clip:
            decoded.append(path.name)
            return whole(path, **more)

        monkeypatch.setattr(media, "read", counting)
        _, outcome = self._run("dpg_bench", tmp_path / "grids", tmp_path / "results")
        assert outcome.summary.samples == 8
        assert len(decoded) == len(set(decoded)) == 2

    def test_what_is_wrong_is_unscored_with_its_reason(self, tmp_path: Path) -> None:
        prompts = load_benchmark("geneval").suite("sprites").prompts
        spec, options, config = resolve(
            "geneval", {"sampler": "oracle", "limit": 2, "samples_per_prompt": "4", "results": tmp_path / "r"}
        )
        wanted = open_run(spec, options, config).wanted
        places = {prompt.id: place for place, prompt in enumerate(prompts)}
        for key in wanted[:6]:
            write(tmp_path / f"images/{places[key.prompt_id]:05d}/samples/{key.index:05d}.png", picture(0, 64, 64))
        broken = tmp_path / f"images/{places[wanted[0].prompt_id]:05d}/samples/{wanted[0].index:05d}.png"
        broken.write_bytes(b"")
        opened, outcome = self._run("geneval", tmp_path / "images", tmp_path / "results")
        coverage = outcome.summary.coverage
        assert (coverage.wanted, coverage.scored, coverage.unscored) == (8, 5, 3)
        reasons = {missing.reason: missing.count for missing in coverage.missing}
        assert sum(reasons.values()) == 3
        assert any(reason.startswith("unreadable: ") for reason in reasons)
        assert "the file is missing" in reasons
        assert not (opened.store.folder / "media").exists()  # nothing is copied
        words = ["run", "geneval", "--sampler", f"folder:{tmp_path / 'images'}", "--variant", "sprites", "--limit", "2"]
        words += ["--samples-per-prompt", "4", "--results", str(tmp_path / "results"), "--workers", "1"]
        assert app(words, result_action="return_value") == INCOMPLETE
