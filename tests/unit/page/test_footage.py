"""What a page plays: originals that browsers play, whole copies of others, strips of frames, cut pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nova_eval import media
from nova_eval.identity import file_digest
from nova_eval.page import footage
from nova_eval.page.footage import Shown, Wanted, plays, shown
from nova_eval.records import Sample, SampleKey

CLIP = np.stack([np.full((48, 64, 3), 20 * place, np.uint8) for place in range(9)])


def wanted(path: Path, part: tuple[int, int, int, int] | None = None) -> Wanted:
    facts = media.probe(path)
    key, digest, size = SampleKey("a/0", 0), file_digest(path), path.stat().st_size
    sample = Sample(key, 0, path.name, digest, size, facts.width, facts.height, facts.frames, facts.fps, 0.0, part)
    return Wanted(sample, path, path.stem)


def saved(folder: Path, name: str, codec: str, frames: np.ndarray = CLIP) -> Path:
    path = folder / name
    path.write_bytes(media.encode_video(frames, 8.0, codec))
    return path


def made(one: Wanted, folder: Path) -> Shown:
    (found,) = shown([one], folder).values()
    return found


def test_a_clip_that_browsers_play_is_shown_as_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.mp4", "h264")
    assert plays(path)
    found = made(wanted(path), tmp_path / "media")
    assert found == Shown("a.jpg", "a.mp4", footage.STRIP)
    assert (tmp_path / "media" / "a.mp4").samefile(path)


@pytest.mark.parametrize(("codec", "height"), [("h264-lossless", 48), ("h264", 47)])
def test_a_clip_that_they_do_not_play_is_copied_with_every_frame(tmp_path: Path, codec: str, height: int) -> None:
    path = saved(tmp_path, "a.mp4", codec, CLIP[:, :height])
    before = path.read_bytes()
    assert not plays(path)
    found = made(wanted(path), tmp_path / "media")
    copy = tmp_path / "media" / found.file
    assert plays(copy)
    assert (media.probe(copy).frames, media.probe(copy).fps) == (9, 8.0)
    seen = media.read(copy).frames.mean(axis=(1, 2, 3))
    assert np.abs(seen - 20 * np.arange(9)).max() < 6
    assert path.read_bytes() == before


def test_a_large_file_gets_a_smaller_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "LONG_FILE", 10)
    monkeypatch.setattr(footage, "_SMALL_SIDE", 10)
    monkeypatch.setattr(footage, "SHOWN_SIDE", 32)
    found = made(wanted(saved(tmp_path, "a.mp4", "h264")), tmp_path / "media")
    assert media.probe(tmp_path / "media" / found.file)[:3] == (9, 24, 32)


def test_a_strip_holds_first_and_last_frame(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.mp4", "h264-lossless")
    made(wanted(path), tmp_path / "media")
    strip = np.asarray(Image.open(tmp_path / "media" / "a.jpg"))
    assert strip.shape == (footage.STRIP_HEIGHT, footage.STRIP * round(64 * footage.STRIP_HEIGHT / 48), 3)
    assert np.abs(strip[:, :100].mean() - 0) < 4
    assert np.abs(strip[:, -100:].mean() - 160) < 4


def test_one_of_several_pictures_in_a_file_is_cut_out(tmp_path: Path) -> None:
    sheet = np.zeros((40, 60, 3), np.uint8)
    sheet[20:, 30:] = (10, 200, 30)
    (tmp_path / "a.png").write_bytes(media.encode_image(sheet))
    found = made(wanted(tmp_path / "a.png", (30, 20, 30, 20)), tmp_path / "media")
    assert (np.asarray(Image.open(tmp_path / "media" / found.file)) == (10, 200, 30)).all()


def test_what_cannot_be_read_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    path = saved(tmp_path, "a.mp4", "h264-lossless")
    one = wanted(path)
    path.write_bytes(path.read_bytes()[:900])
    found = made(one, tmp_path / "media")
    assert found.why
    assert (found.poster, found.file) == ("", "")
    assert list((tmp_path / "media").iterdir()) == []
