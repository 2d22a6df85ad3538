"""Images and videos on disk: decoding to RGB frames, encoding that is the same bytes every time."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval.errors import MediaError
from nova_eval.protocols import Frames

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})
VIDEO_SUFFIXES = frozenset({".mp4", ".gif", ".mov", ".mkv", ".webm", ".avi"})

# name → (encoder, pixel format, options). One thread: x264's output depends on the thread count.
CODECS: dict[str, tuple[str, str, dict[str, str]]] = {
    "h264-lossless": ("libx264rgb", "rgb24", {"qp": "0", "preset": "fast"}),
    "h264": ("libx264", "yuv420p", {"crf": "16", "preset": "medium"}),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Decoded media: ``frames`` uint8 RGB (T, H, W, 3), ``fps`` frames per second (0 for an image)."""

    frames: Frames
    fps: float
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def height(self) -> int:
        return int(self.frames.shape[1])

    @property
    def width(self) -> int:
        return int(self.frames.shape[2])

    def at_size(self, height: int, width: int) -> Frames:
        """All frames at (height, width), aspect not kept, as FFmpeg's bilinear scaler makes them from the source.

        Scaling before the conversion to RGB is what the official VBench reader does; frames without a file behind
        them are scaled from RGB.
        """
        if (self.height, self.width) == (height, width):
            return self.frames
        if self.path is not None and self.path.suffix.lower() in VIDEO_SUFFIXES:
            return _decode_video(self.path, scale=(height, width))[0]
        import av

        scaled = [
            _scaled_rgb(av.VideoFrame.from_ndarray(frame, format="rgb24"), height, width) for frame in self.frames
        ]
        return np.stack(scaled)


def read(path: Path) -> Clip:
    """Decodes a whole image or video. Raises MediaError when it is missing, unreadable, truncated or has no frame."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise MediaError(f"{path.name}: no such file")
    if path.stat().st_size == 0:
        raise MediaError(f"{path.name}: the file is empty")
    if suffix in IMAGE_SUFFIXES:
        return Clip(_decode_image(path)[None], 0.0, path)
    if suffix in VIDEO_SUFFIXES:
        frames, fps = _decode_video(path)
        return Clip(frames, fps, path)
    known = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    raise MediaError(f"{path.name}: not an image or video by its ending", remedy=f"known endings: {known}")


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


def _decode_image(path: Path) -> Frames:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise MediaError(f"{path.name}: unreadable image ({_brief(error)})") from error


def _decode_video(path: Path, scale: tuple[int, int] | None = None) -> tuple[Frames, float]:
    import av

    frames: list[Frames] = []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path.name}: no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            fps = float(stream.average_rate or stream.guessed_rate or 0.0)
            frames.extend(
                _scaled_rgb(picture, *scale) if scale else picture.to_ndarray(format="rgb24")
                for picture in container.decode(stream)
            )
    except av.error.FFmpegError as error:
        raise MediaError(f"{path.name}: unreadable video ({_brief(error)})") from error
    if not frames:
        raise MediaError(f"{path.name}: the video has no frame")
    return np.stack(frames), fps


def _scaled_rgb(picture: Any, height: int, width: int) -> Frames:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base or Fraction(1, 1000),
    )
    scaler = graph.add("scale", f"{width}:{height}:flags=bilinear")
    to_rgb, sink = graph.add("format", "rgb24"), graph.add("buffersink")
    source.link_to(scaler)
    scaler.link_to(to_rgb)
    to_rgb.link_to(sink)
    graph.configure()
    graph.push(picture)
    output: Any = graph.pull()
    scaled: Frames = output.to_ndarray(format="rgb24")
    return scaled


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
