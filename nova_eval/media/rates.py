"""How many frames a second a video has, and whether its file says so or FFmpeg had to find out."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from nova_eval.media.whole import element

UNEVEN = "the average: frames come unevenly"
UNDECLARED = "the average of the times of its frames: the file declares none"
GUESSED = "a guess of FFmpeg's: the file has neither a rate nor times"

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_TRACKS, _TRACK, _KIND, _VIDEO, _DURATION = 0x1654AE6B, 0xAE, 0x83, 1, 0x23E383
_MOST = 1 << 20  # bytes of the description of tracks


def rate(stream: Any) -> float:
    """Frames a second."""
    return float(stream.average_rate or stream.guessed_rate or 0.0)


def origin(source: Path | io.BytesIO, container: Any, stream: Any, times: Sequence[int | None]) -> str:
    """What ``rate`` is where it is not as the file declares it; "" where it is.

    ``times`` are those of the stream's packets, in ticks of its clock: clocks round, so that steps may differ by one.
    """
    if not stream.average_rate:
        return GUESSED
    known = sorted(time for time in times if time is not None)
    steps = [later - time for time, later in pairwise(known)]
    if len(known) == len(times) and steps and max(steps) - min(steps) > 1:
        return UNEVEN
    return UNDECLARED if "matroska" in container.format.name and not _declared(source) else ""


def _declared(source: Path | io.BytesIO) -> bool:
    """Whether a Matroska file says how long a frame of its video lasts (RFC 9559, DefaultDuration)."""
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source.getvalue()) as file:
        for kind, body in _elements(_tracks(file)):
            fields = dict(_elements(body)) if kind == _TRACK else {}
            if int.from_bytes(fields.get(_KIND, b"")) == _VIDEO:
                return _DURATION in fields
    return False


def _tracks(file: BinaryIO) -> bytes:
    """What a file says of its tracks."""
    place = 0
    while True:
        file.seek(place)
        head = element(file.read(12))
        if head is None or head[0] == _CLUSTER:
            return b""
        kind, length, used = head
        if kind == _TRACKS:
            file.seek(place + used)
            return file.read(min(length or 0, _MOST))
        place += used if kind == _SEGMENT else used + (length or 0)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while (head := element(data[place : place + 12])) is not None:
        kind, length, used = head
        yield kind, data[place + used : place + used + (length or 0)]
        place += used + (length or 0)
