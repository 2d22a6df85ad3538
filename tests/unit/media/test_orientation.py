"""Pictures and videos that ask to be turned are looked at as the official reader of a benchmark does."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from nova_eval import media
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.vbench import CORRECTED, OFFICIAL, flicker
from nova_eval.engines.questions import scores_of
from nova_eval.errors import MediaError
from nova_eval.media.videos import first_frame_problem
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey

HEIGHT, WIDTH = 32, 48
# matrix (a, b, c, d): what a viewer makes of (T, H, W, 3) frames
MATRICES: dict[tuple[int, int, int, int], Any] = {
    (1, 0, 0, 1): lambda frames: frames,
    (0, 1, -1, 0): lambda frames: np.rot90(frames, -1, (1, 2)),
    (-1, 0, 0, -1): lambda frames: np.rot90(frames, 2, (1, 2)),
    (0, -1, 1, 0): lambda frames: np.rot90(frames, 1, (1, 2)),
    (-1, 0, 0, 1): lambda frames: frames[:, :, ::-1],
    (1, 0, 0, -1): lambda frames: frames[:, ::-1],
    (0, 1, 1, 0): lambda frames: frames.swapaxes(1, 2),
    (0, -1, -1, 0): lambda frames: np.rot90(frames, 2, (1, 2)).swapaxes(1, 2),
}


def clip(path: Path, matrix: tuple[int, ...], colorspace: int = 2, pixels: str = "yuv420p") -> Path:
    """Four frames, and the display matrix written into the track's header."""
    coarse = np.random.default_rng(0).integers(0, 256, (4, HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    with av.open(str(path), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=8, options={"qp": "4"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        stream.codec_context.colorspace = colorspace
        for frame in coarse.repeat(8, 1).repeat(8, 2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    a, b, c, d = (value << 16 for value in matrix)
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 44
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


class TestVideos:
    @pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p"])
    @pytest.mark.parametrize("colorspace", [2, 1])
    @pytest.mark.parametrize("matrix", MATRICES)
    def test_frames_lie_as_every_viewer_shows_them(
        self, matrix: tuple[int, ...], colorspace: int, pixels: str, tmp_path: Path
    ) -> None:
        plain = media.read(clip(tmp_path / "plain.mp4", (1, 0, 0, 1), colorspace, pixels))
        path = clip(tmp_path / "turned.mp4", matrix, colorspace, pixels)
        shown, stored = media.read(path), media.read(path, as_stored=True)
        assert np.array_equal(shown.frames, MATRICES[matrix](plain.frames))
        assert np.array_equal(stored.frames, plain.frames)
        assert media.probe(path) == (4, *shown.frames.shape[1:3], 8.0)
        assert shown.turned is (matrix != (1, 0, 0, 1))

    @pytest.mark.parametrize("matrix", MATRICES)
    def test_further_sizes_are_turned_too(self, matrix: tuple[int, ...], tmp_path: Path) -> None:
        # 4:4:4, since 4:2:0 colors lie between pixels downwards and on them sidewards
        plain = media.read(clip(tmp_path / "plain.mp4", (1, 0, 0, 1), pixels="yuv444p"))
        path = clip(tmp_path / "turned.mp4", matrix, pixels="yuv444p")
        inside, later = media.read(path, sizes=[(24, 24)]), media.read(path)
        assert np.array_equal(inside.at_size(24, 24), later.at_size(24, 24))
        expected = MATRICES[matrix](plain.at_size(24, 24)).astype(int)
        assert np.abs(inside.at_size(24, 24) - expected).max() <= 3  # the scaler rounds after each direction
        assert np.array_equal(media.read(path, as_stored=True).at_size(24, 24), plain.at_size(24, 24))

    @pytest.mark.parametrize("colorspace", [2, 1])
    def test_opencv_leaves_frames_as_they_are_stored(self, colorspace: int, tmp_path: Path) -> None:
        plain = media.read(clip(tmp_path / "plain.mp4", (1, 0, 0, 1), 2))
        turned = media.read(clip(tmp_path / "turned.mp4", (0, 1, -1, 0), colorspace))
        assert np.array_equal(turned.as_opencv().frames, plain.frames)
        assert np.array_equal(turned.as_opencv(shown=True).frames, np.rot90(plain.frames, -1, (1, 2)))
        assert turned.as_opencv().as_opencv().frames.shape == plain.frames.shape

    def test_corrected_scoring_sees_what_a_viewer_sees(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        class Seen:
            def __init__(self) -> None:
                self.shapes: set[tuple[int, ...]] = set()

            def flow(self, first: Any, second: Any) -> Any:
                self.shapes.add(first.shape[1:3])
                return np.abs(first.astype(np.float32) - second)[..., :2]

            def interpolate(self, first: Any, second: Any) -> Any:
                self.shapes.add(first.shape[1:3])
                return first

        path = clip(tmp_path / "turned.mp4", (0, 1, -1, 0))
        item = Item(Prompt("a/0", ""), Sample(SampleKey("a/0", 0), 0, "", "", 0, 32, 48, 4, 8.0, 0.0), media.read(path))
        for rules, shape in ((OFFICIAL, (HEIGHT, WIDTH)), (CORRECTED, (WIDTH, HEIGHT))):
            for name in ("dynamic_degree", "static_filter", "motion_smoothness"):
                judge = Seen()
                scores_of({rule.name: rule for rule in rules}[name], [item], judge)
                assert judge.shapes == {shape}
            seen: list[Any] = []
            monkeypatch.setattr(flicker, "_mean_difference", lambda one, _, seen=seen: seen.append(one.shape[:2]) or 0)
            scores_of({rule.name: rule for rule in rules}["temporal_flickering"], [item], None)
            assert set(seen) == {shape}

    def test_another_angle_is_a_reason(self, tmp_path: Path) -> None:
        path = clip(tmp_path / "clip.mp4", (1, 1, -1, 1))
        for look in (media.read, media.probe):
            with pytest.raises(MediaError, match=r"clip\.mp4: the video asks to be shown at an angle"):
                look(path)
        assert "at an angle" in first_frame_problem(path)


class TestPictures:
    @pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
    @pytest.mark.parametrize("value", range(10))
    def test_exif_is_followed_or_not(self, value: int, ending: str, tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        path = tmp_path / f"picture{ending}"
        exif = Image.Exif()
        exif[0x0112] = value
        Image.fromarray(pixels).save(path, exif=exif, **({"lossless": True} if ending == ".webp" else {}))
        with Image.open(path) as image:
            stored = np.asarray(image.convert("RGB"))
        turns = [*MATRICES.values()]
        # EXIF's values 1 to 8, as the turns above
        as_exif = dict(enumerate((turns[0], turns[4], turns[2], turns[5], turns[6], turns[1], turns[7], turns[3]), 1))
        shown = as_exif.get(value, turns[0])(stored[None])
        assert np.array_equal(media.read(path).frames, shown)
        assert np.array_equal(media.read(path, as_stored=True).frames[0], stored)
        assert media.probe(path) == (1, *shown.shape[1:3], 0.0)

    def test_each_benchmark_names_its_reader(self) -> None:
        readers = {
            name: load_benchmark(name).config.protocol.pictures for name in ("geneval", "t2i_compbench", "dpg_bench")
        }
        assert readers == {"geneval": "shown", "t2i_compbench": "stored", "dpg_bench": "stored"}
