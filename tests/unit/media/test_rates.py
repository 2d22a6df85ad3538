"""Frame rates that a file declares are taken as they are; of others it is said what they are."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from nova_eval import media
from nova_eval.adapters.vbench import OFFICIAL
from nova_eval.engines.questions import scores_of
from nova_eval.media.rates import UNDECLARED, UNEVEN
from nova_eval.media.videos import facts_and_rate
from nova_eval.protocols import Item
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs.summary import _rates

FORMS = {"mp4": "libx264", "mov": "libx264", "mkv": "libx264", "webm": "libvpx-vp9", "avi": "mpeg4"}
UPS_AND_DOWNS = (1, 1, 4, 1, 2, 1, 1, 6, 1, 1, 1)


def clip(path: Path, steps: tuple[int, ...], rate: Fraction = Fraction(24000, 1001), **settings: str) -> Path:
    """Twelve frames with so many ticks of the rate between them."""
    with av.open(str(path), "w", options=settings) as container:
        stream: Any = container.add_stream(FORMS[path.suffix[1:]], rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        for time in accumulate((0, *steps)):
            picture = av.VideoFrame.from_ndarray(np.full((32, 64, 3), 9 * time, np.uint8), format="rgb24")
            picture.pts, picture.time_base = time, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def gif(path: Path, milliseconds: list[int]) -> Path:
    frames = [Image.fromarray(np.full((16, 16, 3), 20 * n, np.uint8)) for n in range(len(milliseconds))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds)
    return path


def rate_is(path: Path) -> str:
    """What decoding says and what the container says are one."""
    read, (facts, said) = media.read(path), facts_and_rate(path)
    assert (read.rate_is, read.fps) == (said, facts.fps)
    return said


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(8), Fraction(30)])
@pytest.mark.parametrize("form", FORMS)
def test_an_even_rate_is_as_declared(form: str, rate: Fraction, tmp_path: Path) -> None:
    assert rate_is(clip(tmp_path / f"clip.{form}", (1,) * 11, rate)) == ""


@pytest.mark.parametrize("form", ["mp4", "mov", "mkv", "webm"])
def test_frames_that_come_unevenly_are_said(form: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"clip.{form}", UPS_AND_DOWNS)
    assert rate_is(path) == UNEVEN
    assert media.read_bytes(path.read_bytes(), path.name).rate_is == UNEVEN


def test_a_gif_goes_by_its_pauses(tmp_path: Path) -> None:
    assert rate_is(gif(tmp_path / "even.gif", [120] * 5)) == ""
    assert rate_is(gif(tmp_path / "uneven.gif", [120, 120, 400, 120, 120])) == UNEVEN


@pytest.mark.parametrize("form", ["mkv", "webm"])
def test_a_container_that_declares_no_rate_is_said(form: str, tmp_path: Path) -> None:
    path = clip(tmp_path / f"clip.{form}", (1,) * 11, Fraction(25), write_crc32="0")
    data = path.read_bytes()
    place = data.find(b"\x23\xe3\x83\x84")  # the duration of a frame becomes an element that means nothing
    path.write_bytes(data[:place] + b"\xec\x86" + data[place + 2 :])
    assert rate_is(path) == UNDECLARED
    assert media.read(path).fps == pytest.approx(25, rel=1e-3)


def test_the_row_that_depends_on_it_says_it_and_so_does_the_run(tmp_path: Path) -> None:
    class Still:
        def flow(self, first: Any, second: Any) -> Any:
            return np.zeros((len(first), 32, 64, 2), np.float32)

    rows: list[Score] = []
    for path in (clip(tmp_path / "even.mp4", (1,) * 11), clip(tmp_path / "uneven.mp4", UPS_AND_DOWNS)):
        seen = media.read(path)
        sample = Sample(SampleKey("a/0", 0), 0, "", "", 0, 64, 32, len(seen), seen.fps, 0.0)
        (rule,) = (rule for rule in OFFICIAL if rule.name == "dynamic_degree")
        rows += scores_of(rule, [Item(Prompt("a/0", ""), sample, seen)], Still())
    assert [row.detail.get("frame_rate_is") for row in rows] == [None, UNEVEN]
    assert _rates(rows) == ["of 1 clip the frame rate is the average: frames come unevenly"]
