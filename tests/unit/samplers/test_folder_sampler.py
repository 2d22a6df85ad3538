"""Finished videos in a folder: each file is the sample its name says, and everything else is told apart."""

from __future__ import annotations

import time
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench.names import VBenchNames
from nova_eval.errors import UsageError
from nova_eval.media.videos import first_frame_problem
from nova_eval.protocols import MediaSource
from nova_eval.records import Prompt, SampleKey
from nova_eval.samplers import folder as folder_module
from nova_eval.samplers.folder import FolderSampler

TEXTS = ["a cat", "A fantasy landscape", "a fantasy landscape", "carved façades", "A storm."]
PROMPTS = [Prompt(f"s/{number:04d}", text, ("scene",)) for number, text in enumerate(TEXTS)]
WANTED = [SampleKey(prompt.id, index) for prompt in PROMPTS for index in range(2)]


@pytest.fixture(scope="module")
def videos() -> list[bytes]:
    """Three short clips, all different."""
    frames = np.random.default_rng(0).integers(0, 255, (3, 4, 16, 24, 3), dtype=np.uint8)
    return [media.encode_video(clip, fps=8) for clip in frames]


@pytest.fixture
def complete(tmp_path: Path, videos: list[bytes]) -> Path:
    """A folder that holds all ten wanted samples."""
    for name in VBenchNames().official(PROMPTS, dict.fromkeys(WANTED, ".mp4")).values():
        (tmp_path / name).write_bytes(videos[0])
    return tmp_path


def locate(folder: Path, **settings: object):
    return FolderSampler(folder, **settings).locate(PROMPTS, WANTED)


class TestCompleteFolder:
    def test_every_sample_is_found_in_place(self, complete):
        listing = locate(complete)
        assert list(listing.found) == WANTED
        assert listing.found[WANTED[0]] == complete.resolve() / "a cat-0.mp4"
        assert (listing.missing, listing.extra, listing.unreadable) == ([], [], {})
        assert FolderSampler(complete).describe(listing, PROMPTS) == ["found 10 of 10 samples"]

    def test_is_a_media_source_named_by_its_resolved_folder(self, complete):
        sampler = FolderSampler(str(complete / ".." / complete.name))
        assert isinstance(sampler, MediaSource)
        assert sampler.info.settings == {"folder": str(complete.resolve())}
        assert (sampler.info.name, sampler.info.modality) == (complete.name, "video")

    def test_decomposed_unicode_and_sub_folders_are_found(self, tmp_path, videos):
        inside = tmp_path / "scene" / "deep"
        inside.mkdir(parents=True)
        for name in VBenchNames().official(PROMPTS, dict.fromkeys(WANTED, ".mp4")).values():
            (inside / normalize("NFD", name)).write_bytes(videos[0])
        assert len(locate(tmp_path).found) == 10

    def test_links_are_followed_once(self, complete):
        (complete / "again").symlink_to(complete, target_is_directory=True)
        assert len(locate(complete).found) == 10


class TestNumbers:
    @pytest.mark.parametrize("form", ["{}-{:02d}.mp4", "{}-{:05d}.mp4"])
    def test_zeros_before_an_index_mean_nothing(self, tmp_path, videos, form):
        for text in TEXTS:
            for index in range(2):
                (tmp_path / form.format(text, index)).write_bytes(videos[0])
        listing = locate(tmp_path)
        assert list(listing.found) == WANTED
        (tmp_path / "a cat-1.mp4").write_bytes(videos[1])  # the official form is believed first
        assert locate(tmp_path).found[WANTED[1]].name == "a cat-1.mp4"

    def test_indices_from_one_are_read_as_from_zero_and_said(self, tmp_path, videos):
        for text in TEXTS:
            for number in (1, 2):
                (tmp_path / f"{text}-{number}.mp4").write_bytes(videos[number])
        sampler = FolderSampler(tmp_path)
        listing = sampler.locate(PROMPTS, WANTED)
        assert {key: path.stem[-1] for key, path in listing.found.items()} == {
            key: str(key.index + 1) for key in WANTED
        }
        assert sampler.describe(listing, PROMPTS) == [
            "found 10 of 10 samples",
            "no file is sample 0: samples are counted from 1, so 1 is read as sample 0, 2 as sample 1",
        ]
        (tmp_path / "a cat-0.mp4").write_bytes(videos[0])
        assert locate(tmp_path).missing == [SampleKey(prompt.id, 0) for prompt in PROMPTS[1:]]


class TestWhatIsNotRight:
    def test_missing_extra_and_unneeded_are_told_apart(self, complete, videos):
        (complete / "a cat-1.mp4").unlink()
        (complete / ".DS_Store").write_bytes(b"\0")
        (complete / "results.json").write_text("{}")
        (complete / "a cat-7.mp4").write_bytes(videos[0])
        listing = locate(complete)
        assert listing.missing == [SampleKey("s/0000", 1)]
        assert [path.name for path in listing.extra] == [".DS_Store", "a cat-7.mp4", "results.json"]
        assert FolderSampler(complete).describe(listing, PROMPTS) == [
            "found 9 of 10 samples",
            "missing 1 samples of 1 prompts: 'a cat-1'",
            "too few samples of 1 prompts: 'a cat' (1 of 2)",
            "not needed 1 further samples: 'a cat-7.mp4'",
            "not of this suite 2 files: '.DS_Store', 'results.json'",
        ]

    def test_samples_of_prompts_nobody_asked_for_are_not_extra(self, complete):
        listing = FolderSampler(complete).locate(PROMPTS, WANTED[:2])
        assert list(listing.found) == WANTED[:2]
        assert listing.extra == []

    def test_unreadable_files_say_why(self, complete, videos):
        (complete / "a cat-0.mp4").write_bytes(b"")
        (complete / "a cat-1.mp4").write_bytes(videos[0][: len(videos[0]) // 2])
        (complete / "A storm.-0.mp4").write_bytes(b"<html>" * 100)
        (complete / "A storm.-1.mp4").unlink()
        (complete / "A storm.-1.mp4").symlink_to(complete / "gone")
        listing = locate(complete)
        assert len(listing.found) == 6
        assert listing.missing == []
        reasons = {f"{key.prompt_id}-{key.index}": reason for key, reason in listing.unreadable.items()}
        assert reasons["s/0000-0"] == "a cat-0.mp4: the file is empty"
        assert reasons["s/0000-1"].startswith("a cat-1.mp4: unreadable video (")
        assert reasons["s/0004-0"].startswith("A storm.-0.mp4: unreadable video (")
        assert reasons["s/0004-1"] == "A storm.-1.mp4: No such file or directory"
        lines = FolderSampler(complete).describe(listing, PROMPTS)
        assert lines[1].startswith("unreadable 4 samples: 'a cat-0' (a cat-0.mp4: the file is empty), ")
        assert lines[1].endswith(" and 1 more")

    def test_a_video_without_frames_or_without_picture_is_unreadable(self, complete, tmp_path):
        import av

        with av.open(str(complete / "a cat-0.mkv"), "w") as container:
            stream = container.add_stream("aac", rate=44100)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="stereo")
            silence.rate = 44100
            container.mux([*stream.encode(silence), *stream.encode(None)])
        assert first_frame_problem(complete / "a cat-0.mkv") == "a cat-0.mkv: no video stream"
        with av.open(str(complete / "empty.mkv"), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
            container.start_encoding()
        assert first_frame_problem(complete / "empty.mkv") == "empty.mkv: the video has no frame"

    @pytest.mark.parametrize("ending", [".gif", ".mov", ".mkv", ".avi", ".webm"])
    def test_other_containers_are_read(self, tmp_path, ending):
        import av

        codec, pixels = {".gif": ("gif", "rgb8"), ".webm": ("libvpx-vp9", "yuv420p")}.get(ending, ("mpeg4", "yuv420p"))
        path = tmp_path / f"a cat-0{ending.upper()}"
        with av.open(str(path), "w", format={".mkv": "matroska"}.get(ending, ending[1:])) as container:
            stream = container.add_stream(codec, rate=8)
            stream.width, stream.height, stream.pix_fmt = 24, 16, pixels
            frame = av.VideoFrame.from_ndarray(np.zeros((16, 24, 3), np.uint8), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        listing = FolderSampler(tmp_path).locate(PROMPTS, [SampleKey("s/0000", 0)])
        assert list(listing.found.values()) == [path]

    def test_prompts_too_long_for_a_name_are_said(self, complete):
        long = Prompt("s/long", "x" * 300)
        listing = FolderSampler(complete).locate([*PROMPTS, long], [*WANTED, SampleKey("s/long", 0)])
        assert listing.missing == [SampleKey("s/long", 0)]
        assert FolderSampler(complete).describe(listing, [*PROMPTS, long])[-1] == (
            "of the missing, 1 prompts cannot be file names (a slash, or over 255 bytes)"
        )

    def test_a_name_that_is_not_text_can_still_be_printed(self, complete):
        (complete / "caf\udce9-0.mp4").write_bytes(b"x")
        lines = FolderSampler(complete).describe(locate(complete), PROMPTS)
        assert lines[-1] == r"not of this suite 1 files: 'caf\udce9-0.mp4'"
        lines[-1].encode()


class TestOneSampleTwice:
    def test_equal_bytes_are_one_sample(self, complete, videos):
        (complete / "scene").mkdir()
        (complete / "scene" / "a cat-0.mp4").write_bytes(videos[0])
        listing = locate(complete)
        assert listing.found[WANTED[0]] == complete.resolve() / "a cat-0.mp4"
        assert listing.extra == []

    def test_different_bytes_name_both_and_the_remedy(self, complete, videos):
        (complete / "scene").mkdir()
        (complete / "scene" / "a cat-0.mp4").write_bytes(videos[1])
        listing = locate(complete)
        assert WANTED[0] not in listing.found
        assert listing.unreadable == {
            WANTED[0]: "two different files claim this sample: 'a cat-0.mp4' and 'scene/a cat-0.mp4'; keep one of "
            "them, or name the sub-folder to take with --set sampler.prefer=NAME"
        }

    def test_a_preferred_sub_folder_settles_it_and_is_part_of_the_identity(self, complete, videos):
        for number, name in enumerate(("one", "two"), start=1):
            (complete / name).mkdir()
            (complete / name / "a cat-0.mp4").write_bytes(videos[number])
        sampler = FolderSampler(complete, prefer=["two", "one"])
        listing = sampler.locate(PROMPTS, WANTED)
        assert listing.found[WANTED[0]] == complete.resolve() / "two" / "a cat-0.mp4"
        assert sampler.info.settings["prefer"] == ["two", "one"]
        assert FolderSampler(complete, prefer="one").locate(PROMPTS, WANTED).unreadable == {}

    def test_an_unknown_preferred_sub_folder_is_suggested(self, complete):
        (complete / "appearance_style").mkdir()
        with pytest.raises(UsageError, match="did you mean 'appearance_style'"):
            FolderSampler(complete, prefer="apearance_style")


class TestFoldersThatCannotBeMeant:
    def test_no_folder_or_no_directory(self, tmp_path):
        with pytest.raises(UsageError, match="none does not exist"):
            FolderSampler(tmp_path / "none")
        (tmp_path / "file").write_text("")
        with pytest.raises(UsageError, match="file is a file"):
            FolderSampler(tmp_path / "file")

    @pytest.mark.parametrize("name", ["caf\udce9", "a\nb", "a\x1b[31m"])
    def test_a_folder_whose_name_no_row_can_hold(self, tmp_path, name):
        (tmp_path / name).mkdir()
        with pytest.raises(UsageError, match=r"cannot be written down; rename it") as caught:
            FolderSampler(tmp_path / name)
        str(caught.value).encode()

    @pytest.mark.parametrize("name", ["可灵 1.6", "Screenshots 3\u202fPM", "👩\u200d🎨", "a\u00a0b", "éé"])
    def test_names_of_all_languages_are_kept(self, tmp_path, name):
        (tmp_path / name).mkdir()
        assert FolderSampler(tmp_path / name).info.name == name

    def test_files_below_a_name_that_is_no_text_are_unreadable(self, complete, videos):
        (complete / "caf\udce9").mkdir()
        (complete / "a cat-0.mp4").rename(complete / "caf\udce9" / "a cat-0.mp4")
        assert locate(complete).unreadable == {
            WANTED[0]: "a cat-0.mp4: its name, or its folder's, is no text; rename it"
        }

    def test_empty_and_without_videos(self, tmp_path):
        with pytest.raises(UsageError, match="is empty"):
            locate(tmp_path)
        (tmp_path / "a cat-0.png").write_bytes(b"")
        with pytest.raises(UsageError, match=r"no video among the 1 files in .*'a cat-0.png'.*\.gif"):
            locate(tmp_path)

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("a_cat-0.mp4", "'a_cat-0.mp4' is nearest to 'a cat-0.mp4'"),
            ("a cat.gif", "'a cat.gif' is nearest to 'a cat-0.gif'"),
            ("000123.mp4", "found '000123.mp4', expected names such as 'a cat-0.mp4'"),
        ],
    )
    def test_nothing_of_this_suite_gives_the_nearest_names(self, tmp_path, name, hint):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(UsageError) as caught:
            locate(tmp_path)
        line = str(caught.value)
        assert "none of the 1 videos in" in line
        assert hint in line
        assert "check --variant" in line
        assert "\n" not in line


class TestSpeed:
    def test_a_file_is_looked_at_once_until_it_changes(self, complete, monkeypatch, videos):
        looked: list[str] = []

        def counting(path: Path) -> str:
            looked.append(path.name)
            return ""

        monkeypatch.setattr(folder_module, "first_frame_problem", counting)
        sampler = FolderSampler(complete)
        assert len(sampler.locate(PROMPTS, WANTED, decode=False).found) == 10
        assert looked == []
        sampler.locate(PROMPTS, WANTED)
        sampler.locate(PROMPTS, WANTED)
        assert len(looked) == 10
        (complete / "a cat-0.mp4").write_bytes(videos[1] + b"longer")
        sampler.locate(PROMPTS, WANTED)
        assert looked[10:] == ["a cat-0.mp4"]

    def test_4720_names_are_listed_in_a_second(self, tmp_path, mirror):
        prompts = load_benchmark("vbench").suite("official", mirror=mirror, offline=True).prompts
        keys = [SampleKey(prompt.id, index) for prompt in prompts for index in range(5)]
        for name in VBenchNames().official(prompts, dict.fromkeys(keys, ".mp4")).values():
            (tmp_path / name).touch()
        started = time.process_time()
        listing = FolderSampler(tmp_path).locate(prompts, keys, decode=False)
        assert time.process_time() - started < 1.0
        assert len(listing.found) == 4720
        assert listing.extra == []
