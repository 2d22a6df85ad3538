"""Images and videos on disk: decoding to RGB frames, encoding that is the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from nova_eval.errors import MediaError, PrerequisiteError
from nova_eval.media import pictures, videos
from nova_eval.media.videos import MediaFacts, Size
from nova_eval.media.whole import check_file
from nova_eval.protocols import Frames
from nova_eval.records import Part

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".gif", ".mov", ".mkv", ".webm", ".avi"})

# name → (encoder, pixel format, options). One thread: x264's output depends on the thread count.
CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264-lossless": ("libx264rgb", "rgb24", {"qp": "0", "preset": "fast"}),
    "h264": ("libx264", "yuv420p", {"crf": "16", "preset": "medium"}),
}


MEMORY_LIMIT = 256 << 20
"""Bytes of decoded frames that one clip may keep in memory; the frames of a larger one lie in a temporary file."""

_RUN = 32  # a multiple of every judge's batch


@dataclass(frozen=True, slots=True)
class Clip:
    """A ``Footage``: ``held`` is an array (T, H, W, 3), or a temporary file where that would be too large for memory.

    ``scaled`` holds the same frames at further sizes that were asked for when the file was decoded. ``bt601``: they are
    those of a reader that takes all colors for BT.601; ``turned``: they do not lie as they are stored. ``rate_is`` says
    what ``fps`` is where the file does not declare it.
    """

    held: Frames | FrameFile
    fps: float
    path: Path | None = None
    scaled: Mapping[Size, Frames | FrameFile] = field(default_factory=dict)
    bt601: bool = True
    turned: bool = False
    rate_is: str = ""

    def __len__(self) -> int:
        return len(self.held)

    @property
    def in_memory(self) -> bool:
        return not isinstance(self.held, FrameFile)

    @property
    def frames(self) -> Frames:
        return self.held.take(range(len(self.held))) if isinstance(self.held, FrameFile) else self.held

    @property
    def height(self) -> int:
        return self.held.size[0] if isinstance(self.held, FrameFile) else int(self.held.shape[1])

    @property
    def width(self) -> int:
        return self.held.size[1] if isinstance(self.held, FrameFile) else int(self.held.shape[2])

    def take(self, indices: Sequence[int]) -> Frames:
        return _taken(self.held, indices)

    def cut(self, part: Part) -> Clip:
        """One of several pictures in a file. MediaError where the file ends before it does."""
        left, top, width, height = part
        if left + width > self.width or top + height > self.height:
            name = self.path.name if self.path else "the picture"
            raise MediaError(f"{name}: {self.width}×{self.height} pixels, too few to hold {part}")
        return Clip(self.frames[:, top : top + height, left : left + width], self.fps)

    def runs(self) -> Iterator[Frames]:
        """Of a clip in a file, runs of a multiple of 32 frames: judges meet the batches they would in a short one."""
        if self.in_memory:
            yield self.frames
            return
        length = max(_RUN, MEMORY_LIMIT // 2 // (3 * self.height * self.width) // _RUN * _RUN)
        for start in range(0, len(self), length):
            yield self.take(range(start, min(start + length, len(self))))

    def at_size(self, height: int, width: int, indices: Sequence[int] | None = None) -> Frames:
        wanted = range(len(self)) if indices is None else indices
        if (self.height, self.width) == (height, width):
            return self.take(wanted)
        if (height, width) in self.scaled:
            return _taken(self.scaled[height, width], wanted)
        if self.path is not None and self.path.suffix.lower() in VIDEO_SUFFIXES:
            again = read(self.path, sizes=[(height, width)], as_stored=not self.turned)
            return _taken(again.scaled[height, width], wanted)
        return _stacked(videos.scaled_from_rgb(self.take(wanted), height, width))

    def as_opencv(self, *, shown: bool = False) -> Clip:
        if self.path is None or (self.bt601 and (shown or not self.turned)):
            return self
        return read(self.path, as_bt601=True, as_stored=not shown)


class FrameFile:
    """uint8 (H, W, 3) frames in a nameless temporary file, gone with this object: appended, then read by place."""

    def __init__(self, folder: Path | None = None) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  (it lives as long as this object)
        self._count = 0
        self.size: Size = (0, 0)

    def __len__(self) -> int:
        return self._count

    def append(self, frame: Frames) -> None:
        """MediaError for a frame of another size than the first, PrerequisiteError for a full disk."""
        size = int(frame.shape[0]), int(frame.shape[1])
        if self._count and size != self.size:
            raise MediaError(f"the frames change their size from {self.size} to {size}")
        try:
            self._file.write(np.ascontiguousarray(frame).data)
        except OSError as error:
            raise PrerequisiteError(
                f"cannot write decoded frames ({error.strerror})", remedy="set TMPDIR to a folder with room"
            ) from error
        self.size, self._count = size, self._count + 1

    def take(self, indices: Sequence[int]) -> Frames:
        self._file.flush()
        frames = np.empty((len(indices), *self.size, 3), np.uint8)
        each = 3 * self.size[0] * self.size[1]
        for place, index in enumerate(indices):
            self._file.seek((index if index >= 0 else self._count + index) * each)
            self._file.readinto(frames[place].data)
        return frames


class _Kept:
    """Frames as they come: in memory, or in a temporary file of ``folder`` once they exceed the limit."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._frames: list[Frames] = []
        self._bytes = 0
        self._file: FrameFile | None = None

    def __call__(self, frame: Frames) -> None:
        self._bytes += frame.nbytes
        if self._file is None and self._bytes > MEMORY_LIMIT:
            self._file = FrameFile(self._folder)
            for earlier in self._frames:
                self._file.append(earlier)
            self._frames.clear()
        (self._frames.append if self._file is None else self._file.append)(frame)

    def held(self) -> Frames | FrameFile:
        return _stacked(self._frames) if self._file is None else self._file


def read(
    path: Path,
    *,
    sizes: Sequence[Size] = (),
    folder: Path | None = None,
    as_bt601: bool = False,
    as_stored: bool = False,
) -> Clip:
    """Decodes a whole image or video. Raises MediaError when it is missing, unreadable, truncated or has no frame.

    ``sizes``: further (height, width) at which a video's frames are kept, all made in the same pass. ``folder`` has
    room for the frames of a video that are too large for memory. A video's colors are converted as the file says, or
    by BT.601 with ``as_bt601``. Frames are turned as the file says and every viewer does, or left ``as_stored``.
    """
    if _is_image(path):
        return _picture(path, path, as_stored=as_stored)
    kept, scaled = _Kept(folder), {size: _Kept(folder) for size in sizes}
    asked = videos.Asked(kept, scaled, as_bt601=as_bt601, as_stored=as_stored)
    seen = _animated(path, asked) if path.suffix.lower() == ".gif" else videos.decode(path, path.name, asked)
    further = {size: frames.held() for size, frames in scaled.items()}
    return Clip(kept.held(), seen.fps, path, further, *seen[1:])


def read_bytes(content: bytes, name: str) -> Clip:
    """The same of bytes that lie in no file of their own; ``name`` ends as the file would."""
    path, source = Path(name), io.BytesIO(content)
    if _shows_image(path):
        return _picture(source, path)
    kept = _Kept(None)
    seen = videos.decode(source, path.name, videos.Asked(kept))
    return Clip(kept.held(), seen.fps, None, {}, *seen[1:])


def _animated(path: Path, asked: videos.Asked) -> videos.Reading:
    """A GIF as VBench reads it, with Pillow; its facts are FFmpeg's."""
    (facts, rate_is), count = videos.facts_and_rate(path), 0
    for count, frame in enumerate(pictures.animation(path, path.name), 1):  # noqa: B007
        asked.keep(frame)
        for size, keep in asked.scaled.items():
            keep(*videos.scaled_from_rgb(frame[None], *size))
    if count != facts.frames:
        raise MediaError(f"{path.name}: only {count} of the video's {facts.frames} frames can be decoded")
    return videos.Reading(facts.fps, bt601=True, turned=False, rate_is=rate_is)


def _picture(source: Path | io.BytesIO, path: Path, *, as_stored: bool = False) -> Clip:
    pixels, turned = pictures.decode(source, path.name, as_stored=as_stored)
    return Clip(pixels[None], 0.0, path if source is path else None, turned=turned)


def probe(path: Path) -> MediaFacts:
    """The facts of an image or video from its container, without decoding a frame. MediaError as for ``read``.

    Damage inside of frames is not seen, a file that breaks off is.
    """
    if _is_image(path):
        height, width = pictures.size(path)
        return MediaFacts(1, height, width, 0.0)
    return videos.facts(path)


def encode_video(frames: Frames, fps: float, codec: str = "h264") -> bytes:
    """An mp4 file of ``frames`` (T, H, W, 3). Equal input gives equal bytes; ``codec`` is a key of ``CODECS``."""
    import av

    encoder, pixel_format, options = CODECS[codec]
    _, height, width, _ = frames.shape
    if pixel_format == "yuv420p" and (height % 2 or width % 2):
        pixel_format = "yuv444p"  # 4:2:0 needs even sides
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream: Any = container.add_stream(encoder, rate=Fraction(fps).limit_denominator(1001), options=dict(options))
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.thread_count = 1
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def encode_image(frame: Frames) -> bytes:
    """A PNG file of one (H, W, 3) frame."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def _is_image(path: Path) -> bool:
    """Whether the file is an image; MediaError when it is neither image nor video, or ``check_file`` refuses it."""
    check_file(path)
    return _shows_image(path)


def _shows_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
        known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise MediaError(f"{path.name}: not an image or video by its ending", remedy=f"known endings: {known}")
    return suffix in IMAGE_SUFFIXES


def _stacked(frames: list[Frames]) -> Frames:
    """One array; every frame of the list is let go as soon as it is in it."""
    if len({frame.shape for frame in frames}) > 1:
        raise MediaError("the frames change their size")
    stack = np.empty((len(frames), *frames[0].shape), np.uint8) if frames else np.empty((0, 0, 0, 3), np.uint8)
    for place in range(len(frames) - 1, -1, -1):
        stack[place] = frames.pop()
    return stack


def _taken(held: Frames | FrameFile, indices: Sequence[int]) -> Frames:
    """A view where the places of an array are evenly spaced."""
    if isinstance(held, FrameFile):
        return held.take(indices)
    if isinstance(indices, range) and indices.start >= 0 and indices.stop >= 0 and indices.step > 0:
        return held[indices.start : indices.stop : indices.step]
    return held[list(indices)]
