"""Videos decoded by FFmpeg: opened as one file of a known container, every frame or none, each as it was coded."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from nova_eval.errors import MediaError
from nova_eval.limits import ClipLimits, Limit, hold_clip
from nova_eval.media.rates import origin, rate
from nova_eval.media.whole import check_file, container_of, incomplete
from nova_eval.protocols import Frames

Size: TypeAlias = tuple[int, int]  # height, width
Keep: TypeAlias = Callable[[Frames], None]
_BT601 = frozenset({0, 2, 5, 6})  # of ISO 23091-2's matrices: RGB, not said, BT.601 for 625 and for 525 lines
# Opening a container decodes a frame to guess what it holds, which costs as much as the frame that is looked at.
_NO_GUESSING = [{"skip_frame": "all"}] * 4
_STRICT = {"err_detect": "+crccheck+bitstream+buffer+explode"}
# The official readers convert the colors of interlaced frames like those of others; FFmpeg's scaler does so no longer.
_AS_PROGRESSIVE = ("setfield=prog",)
_TURNS: dict[tuple[int, ...], tuple[str, ...]] = {
    (1, 0, 0, 1): (),
    (0, 1, -1, 0): ("transpose=clock",),
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (0, -1, 1, 0): ("transpose=cclock",),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}  # signs of a display matrix's a, b, c, d: FFmpeg's filters
_PADDING = 1 << 20  # decoders count the pixels of their buffers, which are larger than pictures
_INVISIBLE = frozenset({"vp8", "mpeg4"})  # codecs with packets that show no frame of their own
_NO_FRAME = "the video has no frame"


class MediaFacts(NamedTuple):
    """What a file says of itself: frame count and rate (0 for an image), sides in pixels."""

    frames: int
    height: int
    width: int
    fps: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants every frame, and who each scaled version; how colors are converted and whether frames are turned."""

    keep: Keep
    scaled: Mapping[Size, Keep] = field(default_factory=dict)
    as_bt601: bool = False
    as_stored: bool = False


class Reading(NamedTuple):
    """``bt601``: the frames are those of a reader that takes all colors for BT.601; ``turned``: not as stored.

    ``rate_is`` says what ``fps`` is where the file does not declare it, as ``rates.origin``.
    """

    fps: float
    bt601: bool
    turned: bool
    rate_is: str = ""


@contextmanager
def opened(source: Path | io.BytesIO, name: str) -> Iterator[tuple[Any, Any]]:
    """The open container and its first video stream.

    MediaError when the content is no container that is read, is not whole, or holds no video, and for whatever FFmpeg
    refuses while it is open. The content alone says what the file is: no playlist, protocol or neighbor is followed.
    """
    import av

    try:
        if isinstance(source, Path):
            check_file(source)
            with source.open("rb") as file:
                container, why = _looked_at(file)
        else:
            container, why = _looked_at(source)
            source.seek(0)
        if why:
            raise MediaError(f"{name}: unreadable video ({why})", remedy=_remedy(container))
        given = str(source.absolute()) if isinstance(source, Path) else source
        with _open(given, container) as inside:
            if not inside.streams.video:
                raise MediaError(f"{name}: no video stream")
            stream = inside.streams.video[0]
            if stream.codec_context is None:  # a codec that FFmpeg does not know
                raise MediaError(
                    f"{name}: unreadable video (its codec is not known)", remedy="encode it again, as h264"
                )
            hold_clip(name, stream.frames if container == "mov" else 1, stream.height, stream.width)
            yield inside, stream
    except EOFError as error:
        raise MediaError(f"{name}: {_NO_FRAME}") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"{name}: unreadable video ({_brief(error)})") from error


def facts(path: Path) -> MediaFacts:
    """The facts of a video, as it is shown; no more than its first frame is decoded. MediaError as for ``decode``.

    Damage inside of further frames is not seen, a file that breaks off is.
    """
    return facts_and_rate(path)[0]


def facts_and_rate(path: Path) -> tuple[MediaFacts, str]:
    """The same, and what its rate is where the file does not declare it."""
    height = width = packets = hidden = 0
    times: list[int | None] = []
    with opened(path, path.name) as (container, stream):
        stream.thread_type = "NONE"
        for packet in container.demux(stream):
            packets += bool(packet.size)
            hidden += bool(packet.size) and packet.is_discard
            times += [packet.pts] if packet.size else []
            if not height and (first := next(iter(packet.decode()), None)) is not None:
                height, width = first.height, first.width
                if any(step.startswith("transpose") for step in _turning(first, path.name)):
                    height, width = width, height
            Limit.FRAMES.hold(path.name, packets)
        found = MediaFacts(packets - hidden, height or stream.height, width or stream.width, rate(stream))
        promised = _promised(container, stream)
        rate_is = origin(path, container, stream, times)
    if not found.frames:
        raise MediaError(f"{path.name}: {_NO_FRAME}")
    if packets < promised:
        raise MediaError(f"{path.name}: the video breaks off after {packets} of {promised} frames")
    hold_clip(path.name, found.frames, found.height, found.width)
    return found, rate_is


def decode(source: Path | io.BytesIO, name: str, asked: Asked) -> Reading:
    """Hands over every frame.

    MediaError for a file that ``opened`` refuses, for one with fewer frames than it promises, and for the first frame
    that is not decoded without an error: FFmpeg would fill its gaps from the neighbors, differently with each number
    of threads.
    """
    to_rgb = _ToRgb(as_bt601=asked.as_bt601)
    bt601, turned = True, False
    times: list[int | None] = []
    scalers = {size: _Scaler(*size) for size in asked.scaled}
    upright = _Filters()
    with opened(source, name) as (container, stream):
        for coded in _pictures(container, stream, name, times):
            bt601 = bt601 and (asked.as_bt601 or coded.colorspace in _BT601)
            turning = () if asked.as_stored else _turning(coded, name)
            turned = turned or bool(turning)
            picture = upright(coded, (*_AS_PROGRESSIVE, *turning) if coded.interlaced_frame else turning)
            asked.keep(to_rgb(picture))
            for size, scaler in scalers.items():
                asked.scaled[size](scaler(picture))
        return Reading(rate(stream), bt601, turned, origin(source, container, stream, times))


def first_frame_problem(path: Path) -> str:
    """Why the first frame of a video cannot be decoded or the file is not whole, "" when all is well."""
    try:
        with opened(path, path.name) as (container, stream):
            stream.thread_type = "NONE"  # frame threads read ahead, and one frame is enough
            first = next(container.decode(stream), None)
            if first is None:
                return f"{path.name}: {_NO_FRAME}"
            _turning(first, path.name)
    except MediaError as error:
        return str(error)
    return ""


def _looked_at(file: Any) -> tuple[str, str]:
    """The container, and why the file cannot be read as one."""
    container = container_of(file.read(12))
    if not container:
        return "", "the content is not MP4, MOV, Matroska, WebM, AVI or GIF"
    return container, incomplete(file, container)


def _remedy(container: str) -> str:
    return "" if container else "rewrite other containers without loss: ffmpeg -i FILE -c copy FILE.mp4"


def _open(source: Any, container: str) -> Any:
    import av

    settings: dict[str, Any] = {
        "format": container,
        "options": {"protocol_whitelist": "file"} if isinstance(source, str) else {},
    }
    try:
        return av.open(source, metadata_errors="replace", stream_options=_NO_GUESSING, **settings)
    except TypeError:  # PyAV 19 takes neither
        return av.open(source, **settings)


def _pictures(container: Any, stream: Any, name: str, times: list[int | None]) -> Iterator[Any]:
    """Every frame that is to be shown; ``times`` takes those of all packets.

    One thread decodes: what it finds wrong does not depend on its company.
    """
    import av

    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {**_STRICT, "max_pixels": str(2 * Limit.PIXELS.most + _PADDING)}
    lengths = _prefix(stream)
    promised = _promised(container, stream)
    packets = shown = hidden = 0
    limits = ClipLimits()
    try:
        for packet in container.demux(stream):
            if packet.size:
                packets += 1
                hidden += packet.is_discard
                times.append(packet.pts)
                if packet.is_corrupt or (lengths and not _units_fit(bytes(packet), lengths)):
                    raise MediaError(f"{name}: the video is damaged in its packet {packets}")
            for picture in packet.decode():
                if picture.is_corrupt:
                    raise MediaError(f"{name}: the video is damaged in its frame {shown + 1}")
                shown += 1
                limits.hold(name, shown, picture.height, picture.width)
                yield picture
    except av.error.InvalidDataError as error:
        raise MediaError(f"{name}: the video is damaged after {shown} frames ({_brief(error)})") from error
    if not packets:
        raise MediaError(f"{name}: {_NO_FRAME}")
    if packets < promised:
        raise MediaError(f"{name}: the video breaks off after {packets} of {promised} frames")
    if shown < packets - hidden and (stream.codec_context.name not in _INVISIBLE or not shown):
        raise MediaError(f"{name}: only {shown} of the video's {packets - hidden} frames can be decoded")


def _promised(container: Any, stream: Any) -> int:
    """How many packets the index of an MP4 or MOV lists, else 0; an AVI counts pauses of its clock as frames."""
    return int(stream.frames) if "mp4" in container.format.name else 0


def _prefix(stream: Any) -> int:
    """Bytes of the lengths before the units of an H.264 or H.265 packet; 0 where units have none (avcC, hvcC)."""
    extra = stream.codec_context.extradata or b""
    place = {"h264": 4, "hevc": 21}.get(stream.codec_context.name)
    if place is None or len(extra) <= place or extra[0] != 1:
        return 0
    return (extra[place] & 3) + 1


def _units_fit(packet: bytes, prefix: int) -> bool:
    """Whether the units fill the packet, and none holds what no encoder writes (ISO 14496-10, 7.4.1): 00 00 and 00–02.

    A decoder may run over a hole of zeros without noticing it.
    """
    place = 0
    while place < len(packet):
        length = int.from_bytes(packet[place : place + prefix])
        place += prefix
        unit = packet[place : place + length].rstrip(b"\0")
        place += length
        if not length or place > len(packet) or any(code in unit for code in (b"\0\0\0", b"\0\0\1", b"\0\0\2")):
            return False
    return True


def _turning(picture: Any, name: str) -> tuple[str, ...]:
    """FFmpeg's filters that show a picture as its display matrix asks; MediaError for an angle that is not right.

    The matrix (ISO 14496-12, 8.3.2) has rows (a, b, u), (c, d, v), (x, y, w): a pixel right of another comes to lie at
    (a, b) from it, one below another at (c, d).
    """
    from av.sidedata.sidedata import Type

    data = picture.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return ()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    signs = tuple((value > 0) - (value < 0) for value in (a, b, c, d))
    if signs not in _TURNS:
        raise MediaError(f"{name}: the video asks to be shown at an angle", remedy="turn its frames themselves")
    return _TURNS[signs]


class _Filters:
    """FFmpeg's filters, one after another, without scaling; their graph is kept for pictures of one form."""

    def __init__(self) -> None:
        self._form: tuple[Any, ...] = ()
        self._graph: Any = None

    def __call__(self, picture: Any, steps: tuple[str, ...]) -> Any:
        if not steps:
            return picture
        form = (*_form(picture), steps)
        if form != self._form:
            self._form, self._graph = form, _graph(picture, steps)
        self._graph.push(picture)
        return self._graph.pull()


class _ToRgb:
    """What ``VideoFrame.reformat`` does, whose tables and threads are kept for pictures of one form."""

    def __init__(self, *, as_bt601: bool) -> None:
        from av.video.reformatter import Colorspace

        self._matrix = Colorspace.ITU601 if as_bt601 else None
        self._form: tuple[Any, ...] = ()
        self._reformatter: Any = None

    def __call__(self, picture: Any) -> Frames:
        from av.video.reformatter import VideoReformatter

        form = _form(picture)
        if form != self._form:
            self._form, self._reformatter = form, VideoReformatter()
        converted = self._reformatter.reformat(picture, format="rgb24", src_colorspace=self._matrix)
        frames: Frames = converted.to_ndarray()
        return frames


class _Scaler:
    """FFmpeg's bilinear scaler to one size, then RGB."""

    def __init__(self, height: int, width: int) -> None:
        self._steps = (f"scale={width}:{height}:flags=bilinear", "format=rgb24")
        self._filters = _Filters()

    def __call__(self, picture: Any) -> Frames:
        scaled: Frames = self._filters(picture, self._steps).to_ndarray(format="rgb24")
        return scaled


def _form(picture: Any) -> tuple[Any, ...]:
    return picture.width, picture.height, picture.format.name, picture.color_range, picture.colorspace


def _graph(picture: Any, steps: tuple[str, ...]) -> Any:
    from av.filter import Graph

    graph = Graph()
    last: Any = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base or Fraction(1, 1000),
    )
    for step in steps:
        name, _, settings = step.partition("=")
        following = graph.add(name, settings) if settings else graph.add(name)
        last.link_to(following)
        last = following
    last.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def scaled_from_rgb(frames: Frames, height: int, width: int) -> list[Frames]:
    import av

    scaler = _Scaler(height, width)
    return [scaler(av.VideoFrame.from_ndarray(np.ascontiguousarray(f), format="rgb24")) for f in frames]


def _brief(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:160] or type(error).__name__
