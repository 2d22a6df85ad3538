"""Media are decoded once, in bounded memory, and a long clip gives what a short one gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from nova_eval import media
from nova_eval.adapters.vbench import OFFICIAL
from nova_eval.engines.questions import scores_of
from nova_eval.errors import MediaError
from nova_eval.media import Clip, FrameFile, videos
from nova_eval.plan import by_judges
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.sprites.judges import SpritesBackgroundEncoder, SpritesJudge

RULES = {rule.name: rule for rule in OFFICIAL}


def frames(count: int = 9, height: int = 48, width: int = 64, seed: int = 0) -> Any:
    coarse = np.random.default_rng(seed).integers(0, 256, (count, height // 8, width // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.encode_video(frames(), 12.0))
    return path


def read_long(path: Path, **settings: Any) -> Clip:
    """``media.read`` where memory has no room for a frame."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(media, "MEMORY_LIMIT", 0)
        clip = media.read(path, **settings)
    assert not clip.in_memory
    return clip


class TestReading:
    def test_frames_leave_memory_where_they_exceed_the_limit(
        self, video: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        whole = media.read(video, sizes=[(24, 24)])
        monkeypatch.setattr(media, "MEMORY_LIMIT", whole.frames.nbytes)
        assert media.read(video).in_memory
        monkeypatch.setattr(media, "MEMORY_LIMIT", whole.frames.nbytes - 1)
        partly = media.read(video, sizes=[(24, 24)], folder=tmp_path)
        assert not partly.in_memory
        assert np.array_equal(partly.frames, whole.frames)
        assert np.array_equal(partly.at_size(24, 24), whole.at_size(24, 24))
        assert [path.name for path in tmp_path.iterdir()] == [video.name]  # the temporary file has no name

    def test_a_long_clip_holds_the_frames_of_a_short_one(self, video: Path) -> None:
        short, long = media.read(video), read_long(video)
        assert (len(long), long.height, long.width, long.fps) == (9, 48, 64, 12.0)
        assert np.array_equal(long.frames, short.frames)
        for indices in (range(1, 9, 3), [0, -1], [4, 4, 2]):
            assert np.array_equal(long.take(indices), short.take(indices))
        assert np.array_equal(np.concatenate(list(long.runs())), short.frames)

    def test_further_sizes_are_made_in_the_same_pass(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        alone = media.read(video).at_size(24, 24)
        short, long = media.read(video, sizes=[(24, 24)]), read_long(video, sizes=[(24, 24)])
        monkeypatch.setattr(videos, "decode", None)  # no file is opened again
        assert np.array_equal(short.at_size(24, 24), alone)
        assert np.array_equal(long.at_size(24, 24, [3, 1]), alone[[3, 1]])

    def test_runs_of_a_long_clip_are_bounded(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        stored = FrameFile(tmp_path)
        for frame in frames(100):
            stored.append(frame)
        monkeypatch.setattr(media, "MEMORY_LIMIT", 2 * 3 * 48 * 64 * 40)
        runs = list(Clip(stored, 8.0, tmp_path / "clip.mp4").runs())
        assert [len(run) for run in runs] == [32, 32, 32, 4]
        assert list(tmp_path.iterdir()) == []  # the file has no name

    def test_frames_of_several_sizes_are_an_error(self) -> None:
        stored = FrameFile()
        stored.append(frames(1)[0])
        with pytest.raises(MediaError, match="change their size"):
            stored.append(frames(1, 40, 64)[0])


def encoded(path: Path, matrix: int) -> Path:
    """An mp4 of known luma and chroma, declared to be of ``matrix`` (1: BT.709, 2: not said)."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=8, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.codec_context.colorspace = 64, 48, "yuv420p", matrix
        for planes in np.random.default_rng(3).integers(20, 230, (4, 72, 64), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode(None))
    return path


class TestColors:
    """decord converts a file's colors as the file says; OpenCV 4 takes them for BT.601."""

    @pytest.mark.parametrize("reader", [media.read, read_long])
    def test_a_declared_matrix_is_followed_or_taken_for_bt601(self, reader: Any, tmp_path: Path) -> None:
        silent, declared = (reader(encoded(tmp_path / f"{matrix}.mp4", matrix)) for matrix in (2, 1))
        assert (silent.bt601, declared.bt601) == (True, False)
        assert not np.array_equal(silent.frames, declared.frames)
        assert silent.as_opencv() is silent
        again = declared.as_opencv()
        assert np.array_equal(again.frames, silent.frames)
        assert again.as_opencv() is again

    @pytest.mark.parametrize("name", ["temporal_flickering", "motion_smoothness", "dynamic_degree", "static_filter"])
    def test_the_rules_published_with_opencv_do_not_see_the_declaration(self, name: str, tmp_path: Path) -> None:
        class Seen:
            """Answers from the colors, so that another conversion gives another score."""

            def interpolate(self, first: Any, second: Any) -> Any:
                return first

            def flow(self, first: Any, second: Any) -> Any:
                return np.abs(first.astype(np.float32) - second)[..., :2]

        rows = []
        for matrix in (2, 1):
            sample = Sample(SampleKey("a/0", 0), 0, "", "", 0, 64, 48, 4, 8.0, 0.0)
            clip = media.read(encoded(tmp_path / f"{matrix}.mp4", matrix))
            rows += scores_of(RULES[name], [Item(Prompt("a/0", "", (name,)), sample, clip)], Seen())
        assert rows[0] == rows[1]
        assert rows[0].value is not None


class TestProbing:
    def test_the_container_says_what_decoding_would(self, video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(videos, "decode", None)
        assert media.probe(video) == (9, 48, 64, 12.0)

    def test_an_image_is_one_frame(self, tmp_path: Path) -> None:
        path = tmp_path / "image.png"
        path.write_bytes(media.encode_image(frames(1)[0]))
        assert media.probe(path) == (1, 48, 64, 0.0)

    def test_a_video_that_breaks_off_is_noticed(self, tmp_path: Path) -> None:
        """Only files with their index in front can break off and still be opened."""
        import av

        path = tmp_path / "noise.mp4"
        noise = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)
        path.write_bytes(media.encode_video(noise, 12.0))
        fast = tmp_path / "fast.mp4"
        with av.open(str(path)) as source, av.open(str(fast), "w", options={"movflags": "faststart"}) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.size:
                    packet.stream = stream
                    target.mux(packet)
        assert media.probe(fast).frames == 12
        fast.write_bytes(fast.read_bytes()[: fast.stat().st_size // 2])
        with pytest.raises(MediaError, match=r"breaks off after \d+ of 12|unreadable"):
            media.probe(fast)


class TestRules:
    @pytest.mark.parametrize("name", sorted(set(RULES) - {"human_action", "color"}))
    def test_scores_do_not_depend_on_company_or_on_where_frames_lie(self, name: str, tmp_path: Path) -> None:
        """Alone, together with others, and read from a file in runs: the same rows."""
        reference = {
            "object_class": {"object": "circle"},
            "multiple_objects": {"object": "circle and square"},
            "spatial_relationship": {
                "spatial_relationship": {"object_a": "circle", "object_b": "square", "relationship": "on the left of"}
            },
            "scene": {"scene": {"scene": "beach"}},
            "appearance_style": {"appearance_style": "pixel art"},
        }
        prompt = Prompt("test/0000", "a circle", (name,), reference)
        items, long = [], []
        for number in range(3):
            path = tmp_path / f"{number}.mp4"
            path.write_bytes(media.encode_video(frames(9 + 4 * number, 64, 64, number), 8.0))
            sample = Sample(SampleKey(prompt.id, number), 0, "", "", 0, 64, 64, 9 + 4 * number, 8.0, 0.0)
            items.append(Item(prompt, sample, media.read(path)))
            long.append(Item(prompt, sample, read_long(path)))
        judge = SpritesBackgroundEncoder() if name == "background_consistency" else SpritesJudge()
        alone = [row for item in items for row in scores_of(RULES[name], [item], judge)]
        assert len(alone) == 3
        for company in (items, items[::-1], long, [long[0], *items[1:]]):
            assert sorted(scores_of(RULES[name], company, judge), key=lambda row: row.key) == alone

    def test_frames_of_clips_of_one_size_are_asked_for_together(self) -> None:
        class Counting(SpritesJudge):
            asked: ClassVar[list[int]] = []

            def aesthetic(self, frames: Any) -> Any:
                self.asked.append(len(frames))
                return super().aesthetic(frames)

        prompt = Prompt("test/0000", "a circle", ("aesthetic_quality",))
        clips = [Clip(frames(9), 8.0), Clip(frames(5, seed=1), 8.0), Clip(frames(4, 64, 64), 8.0)]
        items = [
            Item(prompt, Sample(SampleKey(prompt.id, n), 0, "", "", 0, 64, 48, len(clip), 8.0, 0.0), clip)
            for n, clip in enumerate(clips)
        ]
        assert len(scores_of(RULES["aesthetic_quality"], items, Counting())) == 3
        assert Counting.asked == [14, 4]


class TestUnits:
    JUDGES: ClassVar = {"a": "dino", "b": "clip", "c": "clip", "d": "viclip", "e": "musiq", "f": None}

    def test_each_sample_is_in_one_unit_and_each_judge_is_loaded_once(self) -> None:
        kinds = [("b", "d"), ("c",), ("d", "e"), ("a",), ("d",), ("b", "d", "e"), ("f",), ("f", "a")]
        work = [(number, kinds[number % len(kinds)]) for number in range(50)]
        units = list(by_judges(work, self.JUDGES, 4))
        assert sorted(sample for unit, _ in units for sample, _ in unit) == list(range(50))
        assert all(len(unit) <= 4 for unit, _ in units)
        loads: list[str] = []
        held: frozenset[str] = frozenset()
        for unit, keep in units:
            held &= keep
            for _, scorers in unit:
                wanted = {judge for name in scorers if (judge := self.JUDGES[name])}
                assert wanted <= keep
                loads += sorted(wanted - held)
                held |= wanted
        assert sorted(loads) == sorted(set(loads))

    def test_judges_that_share_no_video_are_not_held_together(self) -> None:
        work = [(0, ("a",)), (1, ("b",)), (2, ("a",)), (3, ("c",)), (4, ("f",))]
        assert [sorted(keep) for _, keep in by_judges(work, self.JUDGES, 8)] == [[], ["dino"], ["clip"]]


def test_one_of_several_pictures_is_cut_out_and_never_beyond_the_file() -> None:
    grid = media.Clip(np.arange(4 * 6 * 3, dtype=np.uint8).reshape(1, 4, 6, 3), 0.0)
    cut = grid.cut((3, 2, 3, 2))
    assert cut.frames.tobytes() == grid.frames[:, 2:, 3:].tobytes()
    with pytest.raises(MediaError, match="6×4 pixels, too few to hold"):
        grid.cut((3, 2, 4, 2))
