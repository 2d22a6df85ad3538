"""Pictures decoded by Pillow, each of a format that is named here, in the orientation that is asked for."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval.errors import MediaError
from nova_eval.limits import Limit
from nova_eval.media.whole import check_file
from nova_eval.protocols import Frames

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Pillow's names of the formats that are read: none that starts another program."""

_DEEP = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
_JPEGS = frozenset({"JPEG", "MPO"})
_HUFFMAN = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive coding
_ORIENTATION = 0x0112  # the EXIF tag
_SWAPPED = range(5, 9)  # its values that exchange the sides


@contextmanager
def opened(source: Path | io.BytesIO, name: str, formats: tuple[str, ...] = FORMATS) -> Iterator[Any]:
    """The picture, of which no pixel is decoded yet.

    MediaError for what Pillow refuses while it is open, and for gray of more than 8 bits: the official readers, Pillow
    and OpenCV, make different pictures of it. Other deep pictures lose their low bytes in both.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow's own limit is only a warning up to twice its value, so the product's is looked at as well
    Image.MAX_IMAGE_PIXELS = Limit.PIXELS.most
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        if isinstance(source, Path):
            check_file(source)
        with Image.open(source, formats=formats) as image:
            Limit.PIXELS.hold(name, image.width * image.height)
            if image.mode in _DEEP:
                raise MediaError(
                    f"{name}: unreadable image (gray levels of more than 8 bits, which Pillow cuts off at 255)",
                    remedy="save it with 8 bits a channel",
                )
            yield image
    except Image.DecompressionBombError as error:
        count = int(re.findall(r"\d+", str(error))[0])
        Limit.PIXELS.hold(name, max(count, 2 * Limit.PIXELS.most))
    except UnidentifiedImageError as error:
        why = f"the content is not {', '.join(formats)}"
        raise MediaError(f"{name}: unreadable image ({why})") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        brief = " ".join(str(error).split())[:160] or type(error).__name__
        raise MediaError(f"{name}: unreadable image ({brief})") from error


def decode(source: Path | io.BytesIO, name: str, *, as_stored: bool) -> tuple[Frames, bool]:
    """The (H, W, 3) pixels, and whether they were turned. A PNG's checksums are looked at, which Pillow leaves be.

    They are turned as EXIF says (in PNG: eXIf), as every viewer shows them, or left ``as_stored``.
    """
    from PIL import ImageOps

    with opened(source, name) as image:
        if image.format == "PNG":
            image.verify()
    with opened(source, name) as image:
        if image.format in _JPEGS:
            _check_jpeg(source.read_bytes() if isinstance(source, Path) else source.getvalue(), name)
        turned = not as_stored and orientation(image) != 1
        if turned:
            image.load()
            image = ImageOps.exif_transpose(image)  # noqa: PLW2901  (the picture as it is shown)
        return np.asarray(image.convert("RGB")), turned


def _check_jpeg(data: bytes, name: str) -> None:
    """MediaError for a JPEG whose pixels are damaged, of which libjpeg warns and Pillow says nothing.

    FFmpeg's decoder, which stops at an error when asked to, looks at it once more where it knows the coding.
    """
    import av

    if _coding(data) not in _HUFFMAN:
        return
    whole = False
    try:
        with av.open(io.BytesIO(data), format="jpeg_pipe") as container:
            stream = container.streams.video[0]
            stream.thread_type = "NONE"
            stream.codec_context.options = {"err_detect": "+bitstream+buffer+explode"}
            first = next(container.decode(stream), None)
            whole = first is not None and not first.is_corrupt
    except (av.error.PatchWelcomeError, av.error.DecoderNotFoundError):
        return
    except (av.error.FFmpegError, EOFError, IndexError):
        pass
    if not whole:
        raise MediaError(f"{name}: unreadable image (its pixels are damaged)")


def _coding(data: bytes) -> int:
    """The marker of a JPEG's frame (ISO 10918-1, table B.1), 0 where there is none."""
    place = 2
    while data[place : place + 1] == b"\xff":
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return marker
        place += 2 + int.from_bytes(data[place + 2 : place + 4])
    return 0


def animation(source: Path | io.BytesIO, name: str) -> Iterator[Frames]:
    """The (H, W, 3) frames of a GIF as Pillow converts each to RGB: what shows through keeps the color beneath."""
    from PIL import ImageSequence

    with opened(source, name, ("GIF",)) as image:
        for frame in ImageSequence.Iterator(image):
            yield np.asarray(frame.convert("RGB"))


def size(path: Path) -> tuple[int, int]:
    """(height, width) as shown, without decoding a pixel; a PNG's checksums are looked at."""
    with opened(path, path.name) as image:
        height, width = image.height, image.width
        there = image.format != "PNG" or "exif" in image.info  # Pillow decodes a PNG to look for EXIF behind its pixels
        swapped = there and orientation(image) in _SWAPPED
        image.verify()
    return (width, height) if swapped else (height, width)


def problem(path: Path) -> str:
    """Why a picture cannot be read, "" when it can: PNG by its checksums, other formats by decoding them."""
    try:
        with opened(path, path.name) as image:
            if image.format == "PNG":
                image.verify()
            else:
                image.load()
    except MediaError as error:
        return str(error)
    return ""


def orientation(image: Any) -> int:
    """EXIF's orientation, 1 where a picture is shown as it is stored."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if value in range(1, 9) else 1
