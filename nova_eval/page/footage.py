"""Media as a page shows them: a JPEG strip of frames for every clip, and a file that every browser plays."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval import files, media
from nova_eval.errors import MediaError, PrerequisiteError, brief
from nova_eval.media import videos
from nova_eval.progress import progress
from nova_eval.protocols import Frames
from nova_eval.records import Sample

STRIP = 6
"""At most so many frames of a clip are in its strip, evenly spaced, first and last among them."""
STRIP_HEIGHT = 128
LONG_FILE = 8 << 20
"""Bytes above which a clip gets a smaller copy, which shows every frame of it."""
SHOWN_SIDE = 640
"""The longer side of such a copy, in pixels."""
_SMALL_SIDE = 160  # below it pixels are doubled: colors of 4:2:0 are coarser than the pixels of so small a clip
_H264 = frozenset({"Constrained Baseline", "Baseline", "Main", "High", "Constrained High", "Progressive High"})
_PLAYS = {(".mp4", "h264"): _H264, (".webm", "vp9"): frozenset({"Profile 0"})}  # 8 bits in 4:2:0, all of them
_SHOWN = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"})
_GIF = ".gif"
_REMEDY = "choose another place with --out"


@dataclass(frozen=True, slots=True)
class Shown:
    """Names below the page's ``media`` folder: the strip, and what plays or is looked at. ``strip`` counts its frames.

    ``why`` says in place of both why there is nothing to see.
    """

    poster: str = ""
    file: str = ""
    strip: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sample, where its file is, and what its files on the page are called before their endings."""

    sample: Sample
    path: Path
    stem: str


def shown(wanted: Iterable[Wanted], folder: Path) -> dict[str, Shown]:
    """Makes what is not there yet below ``folder``, and says by ``stem`` what there is, or why there is nothing.

    Names follow from the bytes of the originals, so what an earlier page made serves again. PrerequisiteError where
    the folder cannot be written.
    """
    todo = {one.stem: one for one in wanted}
    with files.writing(folder, _REMEDY):
        files.make_folder(folder)
        there = frozenset(os.listdir(folder))
    found: dict[str, Shown] = {}
    with progress("pictures of the page", len(todo), "samples") as bar, ThreadPoolExecutor(_threads()) as pool:
        for stem, one in pool.map(lambda one: (one.stem, _shown(one, folder, there)), todo.values()):
            found[stem] = one
            bar.advance(1, bool(one.why))
    with files.writing(folder, _REMEDY):
        files.sync_folder(folder)
    return found


def _threads() -> int:
    return min(os.cpu_count() or 1, 8)


def _shown(one: Wanted, folder: Path, there: frozenset[str]) -> Shown:
    try:
        suffix = one.path.suffix.lower()
        if one.sample.part is None and suffix in _SHOWN - {_GIF}:
            return Shown(_poster(one, folder, there, _still), _placed(one, folder, there, suffix), 1)
        if one.sample.part is not None:
            return _cut(one, folder, there)
        return _clip(one, folder, there)
    except MediaError as error:
        return Shown(why=brief(error))
    except OSError as error:
        raise PrerequisiteError(f"cannot write {folder}: {error.strerror or error}", remedy=_REMEDY) from error


def _clip(one: Wanted, folder: Path, there: frozenset[str]) -> Shown:
    """A clip plays as it is, or its copy does. It is decoded at most once."""
    count = min(one.sample.frames, STRIP)
    poster, copied = f"{one.stem}.jpg", f"{one.stem}.mp4"
    as_it_is = plays(one.path) and one.sample.bytes <= LONG_FILE
    file = _placed(one, folder, there, one.path.suffix.lower()) if as_it_is else copied
    if poster in there and (as_it_is or copied in there):
        return Shown(poster, file, count)
    clip = media.read(one.path, folder=None)
    if not as_it_is and copied not in there:
        _write(folder / copied, playable(clip))
    if poster not in there:
        _write(folder / poster, strip(clip))
    return Shown(poster, file, min(len(clip), STRIP))


def _cut(one: Wanted, folder: Path, there: frozenset[str]) -> Shown:
    """One of several pictures in a file."""
    name = f"{one.stem}.png"
    if name not in there or f"{one.stem}.jpg" not in there:
        assert one.sample.part is not None
        picture = media.read(one.path).cut(one.sample.part).frames[0]
        _write(folder / name, media.encode_image(np.ascontiguousarray(picture)))
        _write(folder / f"{one.stem}.jpg", still(picture))
    return Shown(f"{one.stem}.jpg", name, 1)


def _poster(one: Wanted, folder: Path, there: frozenset[str], make: Callable[[Path], bytes]) -> str:
    name = f"{one.stem}.jpg"
    if name not in there:
        _write(folder / name, make(one.path))
    return name


def _still(path: Path) -> bytes:
    return still(media.read(path).frames[0])


def still(frame: Frames) -> bytes:
    """A JPEG of an image, twice as high as a strip."""
    return _jpeg(_to_height(frame, STRIP_HEIGHT * 2))


def _placed(one: Wanted, folder: Path, there: frozenset[str], suffix: str) -> str:
    """The original under its name on the page: a second name of the same file where that can be, else a copy."""
    name = f"{one.stem}{suffix if suffix != '.jpg' else '.jpeg'}"  # .jpg is the strip's
    if name not in there:
        files.place(one.path, folder / name, link=True, lasting=False)
    return name


def plays(path: Path) -> bool:
    """Whether browsers play the file as it is. MediaError when it is no video."""
    with videos.opened(path, path.name) as (_, stream):
        codec = stream.codec_context
        return codec.profile in _PLAYS.get((path.suffix.lower(), codec.name), ())


def playable(clip: media.Clip) -> bytes:
    """Every frame as H.264 in 4:2:0, with a key frame twice a second or so, that stepping back finds quickly."""
    import av

    height, width = _shown_size(clip.height, clip.width)
    buffer = io.BytesIO()
    fps = Fraction(clip.fps or 1).limit_denominator(1001)
    options = {"crf": "20", "preset": "ultrafast", "g": str(max(1, round(float(fps) / 2)))}
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = width, height, "yuv420p", 1
        for frames in clip.runs():
            for frame in frames:
                sized = _resized(frame, height, width)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(sized, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _shown_size(height: int, width: int) -> tuple[int, int]:
    """Even sides; small ones doubled until they are not, larger ones brought down to ``SHOWN_SIDE``."""
    longer = max(height, width)
    factor = 2.0 if longer <= _SMALL_SIDE else min(1.0, SHOWN_SIDE / longer)
    return max(2, round(height * factor / 2) * 2), max(2, round(width * factor / 2) * 2)


def strip(clip: media.Clip) -> bytes:
    """A JPEG of up to ``STRIP`` frames beside each other, all of one width."""
    count = min(len(clip), STRIP)
    places = [round(place * (len(clip) - 1) / max(count - 1, 1)) for place in range(count)]
    frames = clip.take(places)
    return _jpeg(np.concatenate([_to_height(frame, STRIP_HEIGHT) for frame in frames], axis=1))


def _to_height(frame: Frames, height: int) -> Frames:
    return _resized(frame, height, max(1, round(frame.shape[1] * height / frame.shape[0])))


def _resized(frame: Frames, height: int, width: int) -> Frames:
    import cv2

    if frame.shape[:2] == (height, width):
        return np.ascontiguousarray(frame)
    smaller = height < frame.shape[0]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST if height % frame.shape[0] == 0 else cv2.INTER_CUBIC
    sized: Frames = cv2.resize(frame, (width, height), interpolation=how)
    return sized


def _jpeg(frame: Frames) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(frame)).save(buffer, format="JPEG", quality=82)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    with files.whole(path, lasting=False) as stream:
        stream.write(data)


def stems(samples: Mapping[Any, Sample]) -> Iterator[tuple[Any, str]]:
    """What each sample's files are called: by the digest of its bytes, and by its part of a shared picture."""
    for key, sample in samples.items():
        part = "" if sample.part is None else "-" + "-".join(map(str, sample.part))
        yield key, f"{sample.digest[:20]}{part}"
