"""How pixels of every kind become RGB, as the official readers convert them, or why they do not."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from nova_eval import media
from nova_eval.adapters.vbench import OFFICIAL
from nova_eval.engines.questions import scores_of
from nova_eval.errors import MediaError
from nova_eval.media.pictures import problem
from nova_eval.media.videos import first_frame_problem
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey

RULES = {rule.name: rule for rule in OFFICIAL}


def item_of(clip: Any) -> Item:
    sample = Sample(SampleKey("a/0", 0), 0, "", "", 0, clip.width, clip.height, len(clip), clip.fps, 0.0)
    return Item(Prompt("a/0", ""), sample, clip)


def box_video(path: Path, *parameters: str) -> Path:
    texture = np.random.default_rng(1).integers(0, 255, (16, 24, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    options = {"x264-params": ":".join(["qp=0", *parameters])}  # lossless: the encoder decides no pixel
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(8), options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        for time in range(17):
            frame = texture.copy()
            frame[21 + 3 * time : 55 + 3 * time, 8 + 4 * time : 48 + 4 * time] = (250, 40, 30)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


class TestInterlaced:
    @pytest.mark.parametrize("parameters", [(), ("tff=1",), ("bff=1",)])
    def test_frames_are_those_of_opencv_and_decord(self, parameters: tuple[str, ...], tmp_path: Path) -> None:
        """OpenCV 4.11 and decord 0.6.0 read these bytes from each of the files; the score follows from them."""
        clip = media.read(box_video(tmp_path / "clip.mp4", *parameters))
        assert hashlib.sha256(clip.frames.tobytes()).hexdigest()[:12] == "ce1ef751f109"
        [row] = scores_of(RULES["temporal_flickering"], [item_of(clip)], None)
        assert row.value == pytest.approx(0.9918111564287173, abs=1e-9)

    @pytest.mark.parametrize("parameters", ["tff=1", "bff=1", "fake-interlaced=1"])
    def test_colors_are_converted_like_those_of_progressive_frames(self, parameters: str, tmp_path: Path) -> None:
        path = box_video(tmp_path / "clip.mp4", parameters)
        clip = media.read(path)
        with av.open(str(path)) as container:
            for frame, picture in zip(clip.frames, container.decode(video=0), strict=True):
                planes = av.VideoFrame.from_ndarray(picture.to_ndarray(), format="yuv420p")  # without the flag
                assert np.array_equal(frame, planes.to_ndarray(format="rgb24"))


class TestGif:
    @pytest.mark.parametrize("disposal", [0, 1, 2, 3])
    @pytest.mark.parametrize("alpha", [0, 255])
    def test_frames_are_those_of_pillow(self, alpha: int, disposal: int, tmp_path: Path) -> None:
        path = tmp_path / "clip.gif"
        frames = []
        for time in range(8):
            picture = np.zeros((64, 96, 4), np.uint8)
            picture[..., 3] = alpha
            picture[20:40, 4 + 8 * time : 24 + 8 * time] = (200, 30, 40, 255)
            frames.append(Image.fromarray(picture))
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, loop=0, disposal=disposal)
        with Image.open(path) as image:
            official = np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])
        clip = media.read(path)
        assert np.array_equal(clip.frames, official)
        assert tuple(clip.frames[0, 0, 0]) == (0, 0, 0)
        assert (clip.fps, media.probe(path)) == (10.0, (8, 64, 96, 10.0))
        assert first_frame_problem(path) == ""

    def test_further_sizes_are_of_the_same_frames(self, tmp_path: Path) -> None:
        path = tmp_path / "clip.gif"
        some = [Image.fromarray(np.full((64, 96, 3), 40 * time, np.uint8)) for time in range(4)]
        some[0].save(path, save_all=True, append_images=some[1:], duration=100)
        inside, later = media.read(path, sizes=[(24, 24)]), media.read(path)
        assert inside.at_size(24, 24).shape == (4, 24, 24, 3)
        assert np.array_equal(inside.at_size(24, 24), later.at_size(24, 24))


class TestPictures:
    @pytest.mark.parametrize(
        ("mode", "ending"),
        [
            *((mode, ".png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")),
            *((mode, ".jpg") for mode in ("L", "RGB", "CMYK")),
            *((mode, ".webp") for mode in ("RGB", "RGBA")),
            *((mode, ".bmp") for mode in ("1", "L", "P", "RGB")),
        ],
    )
    def test_eight_bits_are_converted_as_pillow_does(self, mode: str, ending: str, tmp_path: Path) -> None:
        coarse = np.random.default_rng(0).integers(0, 256, (4, 6, 4), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        picture = Image.fromarray(coarse)
        path = tmp_path / f"picture{ending}"
        (picture if mode in ("LA", "RGBA") else picture.convert("RGB")).convert(mode).save(path)
        with Image.open(path) as image:
            assert image.mode == mode
            assert np.array_equal(media.read(path).frames[0], np.asarray(image.convert("RGB")))

    @pytest.mark.parametrize("most", [255, 4095, 65535])
    def test_deep_gray_is_a_reason(self, most: int, tmp_path: Path) -> None:
        path = tmp_path / "picture.png"
        Image.fromarray(np.linspace(0, most, 64).reshape(8, 8).astype(np.uint16)).save(path)
        for look in (media.read, media.probe):
            with pytest.raises(MediaError, match=r"more than 8 bits.*; save it with 8 bits a channel"):
                look(path)
        assert "more than 8 bits" in problem(path)

    @pytest.mark.parametrize("kind", ["EPS", "TIFF", "ICO", "PPM", "GIF", "PDF"])
    def test_other_formats_are_refused_whatever_they_are_called(self, kind: str, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "picture", format=kind)
        path = (tmp_path / "picture").rename(tmp_path / "picture.png")
        with pytest.raises(MediaError, match=r"picture\.png: unreadable image \(the content is not PNG, JPEG"):
            media.read(path)

    @pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp"])
    @pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
    def test_one_that_breaks_off_is_a_reason(self, share: float, ending: str, tmp_path: Path) -> None:
        path = tmp_path / f"picture{ending}"
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(MediaError, match="unreadable image"):
            media.read(path)
        assert problem(path)


def test_a_changed_byte_of_a_png_is_a_reason_wherever_it_is(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(media.encode_image(np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)))
    data, rng = path.read_bytes(), np.random.default_rng(1)
    for place in rng.integers(8, len(data), 60):
        changed = bytearray(data)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with pytest.raises(MediaError, match="unreadable image"):
            media.read(path)
        with pytest.raises(MediaError, match="unreadable image"):
            media.read_bytes(bytes(changed), "picture.png")


class TestJpeg:
    """Pillow says nothing where libjpeg warns of damage; what it decodes without a warning stays as it is."""

    @pytest.mark.parametrize("progressive", [False, True])
    def test_damaged_pixels_are_a_reason(self, progressive: bool, tmp_path: Path) -> None:
        coarse = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        path = tmp_path / "picture.jpg"
        Image.fromarray(coarse).save(path, quality=95, progressive=progressive)
        data = path.read_bytes()
        seen = 0
        for hole in range(20):
            place = 700 + (len(data) - 1100) * hole // 20
            filling = np.random.default_rng(hole).bytes(300)
            path.write_bytes(data[:place] + filling + data[place + 300 :])
            try:
                media.read(path)
            except MediaError as error:
                seen += "unreadable image" in str(error)
        assert seen >= 18

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("quality", [1, 75])
    @pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1}])
    @pytest.mark.parametrize("size", [(1, 1), (17, 33), (64, 48)])
    def test_whole_ones_are_read(
        self, mode: str, quality: int, settings: dict[str, Any], size: tuple[int, int], tmp_path: Path
    ) -> None:
        path = tmp_path / "picture.jpg"
        noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x010F] = "maker"
        Image.fromarray(noise).convert(mode).save(
            path, quality=quality, exif=exif, icc_profile=bytes(70000), **settings
        )
        path.write_bytes(path.read_bytes() + b"behind")
        with Image.open(path) as image:
            assert np.array_equal(media.read(path).frames[0], np.asarray(image.convert("RGB")))

    def test_the_first_picture_of_several_is_read(self, tmp_path: Path) -> None:
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
        path = tmp_path / "picture.jpg"
        noise.save(path, format="MPO", save_all=True, append_images=[noise])
        assert media.read(path).frames.shape == (1, 16, 24, 3)


@pytest.mark.parametrize("rate", [0.0, -3.0, float("nan"), float("inf"), 90000.0])
def test_a_rate_that_cannot_be_is_a_reason_where_it_counts(rate: float) -> None:
    clip = media.Clip(np.zeros((9, 16, 16, 3), np.uint8), rate)
    [row] = scores_of(RULES["dynamic_degree"], [item_of(clip)], None)
    assert row.value is None
    assert row.reason == f"the clip states {rate:g} frames a second"
