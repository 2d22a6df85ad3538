"""Readers of media: pictures and clips of every kind that is taken, small enough to be decoded in a millisecond."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval import media
from nova_eval.checks.bench.fuzz.reader import Reader

_PICTURES = {
    "png": ("PNG", ("RGB", "RGBA", "P", "L", "LA", "1", "I;16")),
    "jpg": ("JPEG", ("RGB", "L", "CMYK")),
    "webp": ("WEBP", ("RGB", "RGBA")),
    "bmp": ("BMP", ("RGB", "P")),
    "gif": ("GIF", ("P",)),
}
_CLIPS = {
    "mp4": ("mp4", "mpeg4"),
    "mov": ("mov", "mjpeg"),
    "mkv": ("matroska", "ffv1"),
    "webm": ("webm", "libvpx"),
    "avi": ("avi", "mpeg4"),
}


def readers() -> Iterator[Reader]:
    for ending, (form, modes) in _PICTURES.items():
        made = partial(_pictures, form, modes)
        yield Reader(f"{ending} picture", f"x.{ending}", "bytes", made, _decoded, whole=ending != "png")
        yield Reader(f"size of a {ending} picture", f"x.{ending}", "bytes", made, media.probe, whole=ending != "png")
    for ending, (container, codec) in _CLIPS.items():
        made = partial(_clips, container, codec)
        yield Reader(f"{ending} clip", f"x.{ending}", "bytes", made, _decoded, 0.3)
        yield Reader(f"facts of a {ending} clip", f"x.{ending}", "bytes", made, media.probe, 0.3)


def _decoded(path: Path) -> object:
    return media.read(path).frames


def _pixels() -> Any:
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def _pictures(form: str, modes: Iterable[str], folder: Path) -> Iterable[bytes]:
    from PIL import Image

    picture = Image.fromarray(_pixels())
    contents = []
    for mode in modes:
        stream = io.BytesIO()
        shown = (
            Image.fromarray(np.arange(256, dtype=np.uint16).reshape(16, 16))
            if mode == "I;16"
            else picture.convert(mode)
        )
        shown.save(
            stream, format=form, **({"save_all": True, "append_images": [shown.rotate(90)]} if form == "GIF" else {})
        )
        contents.append(stream.getvalue())
    return contents


def _clips(container: str, codec: str, folder: Path) -> Iterable[bytes]:
    import av

    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as file:
        track: Any = file.add_stream(codec, rate=8)
        track.width = track.height = 32
        track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        track.thread_count = 1
        for shift in range(3):
            frame = np.roll(np.kron(_pixels(), np.ones((2, 2, 1), np.uint8)), shift, 0)
            file.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(track.encode(None))
    return [stream.getvalue()]
