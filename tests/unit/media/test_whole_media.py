"""A video that is not whole is none: where it breaks off or is damaged, in every container, on any number of cores."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from nova_eval import media
from nova_eval.errors import MediaError

COUNT = 36
# name: (ending, muxer, encoder, options of the muxer)
FORMS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "mp4": (".mp4", "mp4", "libx264", {"movflags": "+faststart"}),
    "mp4 with its index behind": (".mp4", "mp4", "libx264", {}),
    "fragmented mp4": (".mp4", "mp4", "libx264", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "mp4 for streaming": (".mp4", "mp4", "libx264", {"movflags": "dash+global_sidx"}),
    "mov": (".mov", "mov", "mpeg4", {"movflags": "+faststart"}),
    "mkv": (".mkv", "matroska", "libx264", {}),
    "mkv with h265": (".mkv", "matroska", "libx265", {}),
    "webm": (".webm", "webm", "libvpx-vp9", {"cluster_time_limit": "1000"}),
    "avi": (".avi", "avi", "mpeg4", {}),
    "avi of jpegs": (".avi", "avi", "mjpeg", {}),
    "gif": (".gif", "gif", "gif", {}),
}
PIXELS = {"gif": "rgb8", "mjpeg": "yuvj420p"}
QUIET = {"libx265": {"x265-params": "log-level=none"}, "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"}}


def whole_video(form: str, folder: Path) -> bytes:
    _, muxer, encoder, settings = FORMS[form]
    texture = np.random.default_rng(0).integers(0, 255, (16, 32, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    path = folder / "whole"
    with av.open(str(path), "w", format=muxer, options=settings) as container:
        stream: Any = container.add_stream(encoder, rate=Fraction(8), options={"g": "8", **QUIET.get(encoder, {})})
        stream.width, stream.height, stream.pix_fmt = 256, 128, PIXELS.get(encoder, "yuv420p")
        for time in range(COUNT):
            frame = texture.copy()
            frame[24:56, 8 + 4 * time : 48 + 4 * time] = (250, 40, 30)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The bytes of a whole clip of a form."""
    folder = tmp_path_factory.mktemp("whole")
    return cache(lambda form: whole_video(form, folder))


def refused(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(MediaError) as caught:
        media.read(path)
    return str(caught.value)


@pytest.mark.parametrize("form", FORMS)
class TestEveryContainer:
    def test_a_whole_clip_has_all_its_frames(self, form: str, whole: Callable[[str], bytes], tmp_path: Path) -> None:
        path = tmp_path / f"clip{FORMS[form][0]}"
        path.write_bytes(whole(form))
        assert len(media.read(path)) == media.probe(path).frames == COUNT

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
    def test_one_that_breaks_off_is_seen_before_and_while_it_is_decoded(
        self, form: str, share: float, whole: Callable[[str], bytes], tmp_path: Path
    ) -> None:
        path = tmp_path / f"clip{FORMS[form][0]}"
        reason = refused(path, whole(form)[: int(len(whole(form)) * share)])
        assert reason.startswith(f"{path.name}: unreadable video (the video breaks off")
        with pytest.raises(MediaError, match="the video breaks off"):
            media.probe(path)


def with_hole(data: bytes, share: float, filling: bytes) -> bytes:
    """An mp4 whose pictures are overwritten from ``share`` of their length on."""
    start = data.find(b"mdat") + 4
    place = start + int((len(data) - start - len(filling)) * share)
    return data[:place] + filling + data[place + len(filling) :]


FILLINGS = [bytes(600), np.random.default_rng(1).integers(0, 256, 600, np.uint8).tobytes()]


class TestDamage:
    def test_no_frame_is_invented(self, whole: Callable[[str], bytes], tmp_path: Path) -> None:
        path = tmp_path / "clip.mp4"
        good = whole("mp4")
        for filling in FILLINGS:
            for place in range(1, 13):
                assert "the video is damaged" in refused(path, with_hole(good, place / 13, filling))

    @pytest.mark.parametrize("filling", FILLINGS)
    def test_matroska_has_checksums(self, filling: bytes, whole: Callable[[str], bytes], tmp_path: Path) -> None:
        for form in ("mkv", "mkv with h265"):
            data = whole(form)
            middle = len(data) // 2
            reason = refused(tmp_path / "clip.mkv", data[:middle] + filling + data[middle + len(filling) :])
            assert "the checksum of the part at byte" in reason

    @pytest.mark.parametrize("part", [b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b"], ids=["frames", "how they are coded"])
    def test_one_bit_of_what_makes_pixels_is_damage_where_there_are_checksums(
        self, part: bytes, whole: Callable[[str], bytes], tmp_path: Path
    ) -> None:
        data = bytearray(whole("mkv"))
        for place in (40, 60, 80):  # behind the part's length and its checksum
            changed = data.copy()
            changed[data.rfind(part) + place] ^= 1
            assert "the checksum of the part at byte" in refused(tmp_path / "clip.mkv", bytes(changed))

    def test_the_number_of_cores_changes_nothing(self, whole: Callable[[str], bytes], tmp_path: Path) -> None:
        for place in range(4):
            holed = with_hole(whole("mp4"), (place + 1) / 6, FILLINGS[place % 2])
            (tmp_path / f"hole{place}.mp4").write_bytes(holed)
        for number, form in enumerate(FORMS):
            name = f"cut{number}{FORMS[form][0]}"
            (tmp_path / name).write_bytes(whole(form)[: len(whole(form)) * 6 // 10])
        (tmp_path / "whole.mp4").write_bytes(whole("mp4"))
        cores = sorted(os.sched_getaffinity(0))
        script = (
            "import hashlib, json, os, sys\nfrom pathlib import Path\n"
            "os.sched_setaffinity(0, map(int, sys.argv[2].split(',')))\n"
            "from nova_eval import media\nfrom nova_eval.errors import MediaError\nfound = {}\n"
            "for path in sorted(Path(sys.argv[1]).iterdir()):\n"
            "    try: found[path.name] = hashlib.sha256(media.read(path).frames).hexdigest()\n"
            "    except MediaError as error: found[path.name] = str(error)\n"
            "print(json.dumps(found))\n"
        )
        answers = []
        for some in (cores[:1], cores[:2]):
            command = [sys.executable, "-c", script, str(tmp_path), ",".join(map(str, some))]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
            answers.append(json.loads(done.stdout))
        assert answers[0] == answers[1]
        assert [name for name, found in answers[0].items() if ": " not in found] == ["whole.mp4"]


def test_a_codec_that_nobody_knows_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.encode_video(np.zeros((3, 32, 32, 3), np.uint8), 8.0).replace(b"avc1", b"zzzz"))
    for look in (media.read, media.probe):
        with pytest.raises(MediaError, match=r"clip\.mp4: unreadable video \(its codec is not known\)"):
            look(path)


class TestOneFile:
    """The content says what a file is; nothing beside it is opened."""

    @pytest.mark.parametrize("muxer", ["mpegts", "flv"])
    def test_another_container_is_refused_with_the_remedy(self, muxer: str, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=muxer) as container:
            stream: Any = container.add_stream("libx264" if muxer == "mpegts" else "flv", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        reason = refused(tmp_path / "clip.mp4", buffer.getvalue())
        assert "not MP4, MOV, Matroska, WebM, AVI or GIF" in reason
        assert "ffmpeg -i FILE" in reason

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile other.mp4\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5004 RTP/AVP 96\n",
            "<MPD></MPD>",
        ],
    )
    def test_playlists_are_not_followed(self, text: str, whole: Callable[[str], bytes], tmp_path: Path) -> None:
        (tmp_path / "other.mp4").write_bytes(whole("mp4"))
        assert "the content is not" in refused(tmp_path / "clip.mp4", text.encode())

    @pytest.mark.parametrize("form", ["mkv", "avi"])
    def test_a_title_that_is_no_text_harms_nothing(self, form: str, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format=FORMS[form][1]) as container:
            container.metadata["title"] = "Zxrich"
            stream: Any = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            container.mux([*stream.encode(frame), *stream.encode(None)])
        path = tmp_path / f"clip{FORMS[form][0]}"
        path.write_bytes(buffer.getvalue().replace(b"Zxrich", b"Z\xfcrich"))
        assert len(media.read(path)) == media.probe(path).frames == 1

    @pytest.mark.parametrize("name", ["a:b.mp4", "http:x.mp4", "concat:a|b.mp4", "100%d.mp4", "ü 日本.mp4"])
    def test_a_name_is_no_address(
        self, name: str, whole: Callable[[str], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / name).write_bytes(whole("mp4"))
        monkeypatch.chdir(tmp_path)
        assert len(media.read(Path(name))) == COUNT

    def test_what_is_no_file_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp4")
        (tmp_path / "folder.mp4").mkdir()
        (tmp_path / "device.mp4").symlink_to("/dev/zero")
        for path in sorted(tmp_path.iterdir()):
            for look in (media.read, media.probe):
                with pytest.raises(MediaError, match=f"{path.name}: not a file|no such file"):
                    look(path)
