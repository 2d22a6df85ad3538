"""A small file that unpacks into a large one is refused before memory or disk are spent."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from nova_eval import media
from nova_eval.errors import MediaError, UsageError
from nova_eval.limits import Limit
from nova_eval.media.pictures import problem
from nova_eval.media.videos import first_frame_problem


def png(path: Path, width: int, height: int, bits: int, color: int, row_bytes: int) -> Path:
    """A black PNG of any size in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(row_bytes + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    return path


def video(path: Path, width: int, height: int, count: int, codec: str = "mpeg4") -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=8, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            plane.update(b"\x80" * plane.buffer_size)
        for time in range(count):
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class TestPictures:
    @pytest.mark.parametrize(
        ("width", "height", "bits", "color", "row"),
        [(20000, 20000, 1, 0, 2500), (9000, 9000, 8, 0, 9000), (8200, 8200, 8, 2, 24600), (1, 2**27, 1, 0, 1)],
    )
    def test_too_many_pixels_are_refused(
        self, width: int, height: int, bits: int, color: int, row: int, tmp_path: Path, recwarn: Any
    ) -> None:
        rows = min(height, 100)  # what lies behind the header is never looked at
        path = png(tmp_path / "bomb.png", width, rows, bits, color, row)
        data = bytearray(path.read_bytes())
        data[20:24] = struct.pack(">I", height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
        path.write_bytes(data)
        for look in (media.read, media.probe):
            with pytest.raises(MediaError, match=r"bomb\.png: [\d,]+ pixels in a picture, .*; raise NOVA_EVAL_MAX"):
                look(path)
        assert "raise NOVA_EVAL_MAX_PIXELS" in problem(path)
        assert not recwarn.list

    def test_memory_is_not_spent(self, tmp_path: Path) -> None:
        path = png(tmp_path / "bomb.png", 13300, 13300, 8, 6, 4 * 13300)
        script = (
            "import resource, sys\nfrom pathlib import Path\nfrom nova_eval import media\n"
            "import PIL.Image, nova_eval.media.videos, av\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "try: media.read(Path(sys.argv[1]))\nexcept media.MediaError: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True, timeout=60
        )
        assert int(done.stdout) < 20_000  # KiB; the pixels would take 530 MB

    def test_the_limit_is_a_setting(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = png(tmp_path / "picture.png", 64, 64, 8, 2, 192)
        monkeypatch.setenv("NOVA_EVAL_MAX_PIXELS", "4096")
        assert media.read(path).width == 64
        monkeypatch.setenv("NOVA_EVAL_MAX_PIXELS", "4095")
        with pytest.raises(MediaError, match=r"4,096 pixels in a picture, more than the 4,095 that are taken"):
            media.read(path)


class TestVideos:
    def test_large_frames_are_refused(self, tmp_path: Path) -> None:
        path = video(tmp_path / "bomb.mp4", 8320, 8320, 1, "libx264")
        assert path.stat().st_size < 300_000
        for look in (media.read, media.probe):
            with pytest.raises(MediaError, match=r"69,222,400 pixels in a picture"):
                look(path)
        assert "69,222,400 pixels" in first_frame_problem(path)

    @pytest.mark.parametrize("ending", [".mp4", ".mkv", ".avi"])
    @pytest.mark.parametrize(
        ("variable", "value"),
        [("NOVA_EVAL_MAX_FRAMES", "8"), ("NOVA_EVAL_MAX_DECODED_BYTES", "110591"), ("NOVA_EVAL_MAX_PIXELS", "4095")],
    )
    def test_every_limit_holds_in_every_container(
        self, variable: str, value: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = video(tmp_path / f"clip{ending}", 64, 64, 9)
        assert len(media.read(path)) == 9
        monkeypatch.setenv(variable, value)
        for look in (media.read, media.probe):
            with pytest.raises(MediaError, match=f"more than the .* that are taken; raise {variable}"):
                look(path)
        monkeypatch.setenv(variable, str(int(value) + 1))
        assert len(media.read(path)) == 9

    def test_a_large_file_is_not_opened(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for path in (video(tmp_path / "clip.mp4", 64, 64, 2), png(tmp_path / "picture.png", 64, 64, 8, 2, 192)):
            monkeypatch.setenv("NOVA_EVAL_MAX_FILE_BYTES", str(path.stat().st_size - 1))
            with pytest.raises(MediaError, match="raise NOVA_EVAL_MAX_FILE_BYTES"):
                media.read(path)


@pytest.mark.parametrize("text", ["many", "-1", "1e9", "²"])
def test_a_setting_that_is_no_number_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVA_EVAL_MAX_FRAMES", text)
    with pytest.raises(UsageError, match="NOVA_EVAL_MAX_FRAMES"):
        Limit.FRAMES.hold("clip.mp4", 1)


def test_bytes_in_no_file_are_held_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, picture = video(tmp_path / "clip.mp4", 64, 64, 9), png(tmp_path / "picture.png", 64, 64, 8, 2, 192)
    assert np.array_equal(media.read_bytes(clip.read_bytes(), "a.mp4").frames, media.read(clip).frames)
    assert np.array_equal(media.read_bytes(picture.read_bytes(), "a.png").frames, media.read(picture).frames)
    with pytest.raises(MediaError, match="not an image or video by its ending"):
        media.read_bytes(b"", "a.txt")
    monkeypatch.setenv("NOVA_EVAL_MAX_PIXELS", "4095")
    for path in (clip, picture):
        with pytest.raises(MediaError, match="pixels in a picture"):
            media.read_bytes(path.read_bytes(), path.name)
