"""Whether a video file is whole, by what its container says of its own length, before a frame is decoded."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nova_eval.errors import MediaError
from nova_eval.limits import Limit

CONTAINERS = ("mov", "matroska", "avi", "gif")
"""FFmpeg's names of the containers that are read: MP4 and MOV, Matroska and WebM, AVI, GIF."""

_UNFINISHED = "the video was never finished"
_EBML, _SEGMENT, _CLUSTER, _CRC = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xBF
_SUMMED = frozenset({_CLUSTER, 0x1654AE6B})  # frames, and how they are coded; a title or a tag moves no number
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"sidx", b"moof", b"pnot", b"uuid"})
_PART = 1 << 20


def container_of(start: bytes) -> str:
    """The container by a file's first 12 bytes, whatever its name says; "" when it is none of ``CONTAINERS``."""
    if start[4:8] in _BOXES:
        return "mov"
    if start[:4] == _EBML.to_bytes(4):
        return "matroska"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return "avi"
    return "gif" if start[:6] in (b"GIF87a", b"GIF89a") else ""


def incomplete(file: BinaryIO, container: str) -> str:
    """Why a video file is not whole, "" where nothing that its container promises is missing.

    The sizes of boxes, elements and chunks are compared with the file's, and Matroska's checksums are checked (ISO
    14496-12, RFC 8794, the OpenDML extensions of AVI, GIF89a). A container without a length promises nothing.
    """
    size = file.seek(0, 2)
    checks: dict[str, Callable[[BinaryIO, int], str]] = {
        "mov": _boxes,
        "matroska": _elements,
        "avi": _chunks,
        "gif": _blocks,
    }
    return checks[container](file, size)


def check_file(path: Path) -> None:
    """MediaError for what is missing, is empty, is too large, or is no file: a pipe or a device may never end."""
    try:
        status = path.stat()
    except OSError as error:
        raise MediaError(f"{path.name}: no such file ({error.strerror})") from error
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path.name}: not a file", remedy="give a file, no folder, pipe or device")
    if not status.st_size:
        raise MediaError(f"{path.name}: the file is empty")
    Limit.FILE.hold(path.name, status.st_size)


def _breaks_off(size: int, promised: int) -> str:
    return f"the video breaks off: the file has {size} of at least {promised} bytes"


def _boxes(file: BinaryIO, size: int) -> str:
    place = 0
    kinds: list[bytes] = []
    while place < size:
        header = _at(file, place, 16)
        length, kind = int.from_bytes(header[:4]), header[4:8]
        if not (kind.isascii() and kind.isalnum()) and {b"moov", b"mdat"} <= set(kinds):
            break  # something that is no box lies behind a whole file
        if len(header) < 8:
            return _breaks_off(size, place + 8)
        length = int.from_bytes(header[8:16]) if length == 1 else length or size - place
        if length < 8:
            return f"the video is damaged at byte {place}"
        if place + length > size:
            return _breaks_off(size, place + length)
        if kind == b"sidx" and (needed := _indexed(_at(file, place, min(length, _PART)), place + length)) > size:
            return _breaks_off(size, needed)
        kinds.append(kind)
        place += length
    return _breaks_off(size, size + 8) if kinds and kinds[-1] == b"moof" else ""


def _indexed(box: bytes, end: int) -> int:
    """Where the last part that a segment index lists ends in the file."""
    wide = 8 if box[8:9] == b"\1" else 4
    first = int.from_bytes(box[20 + wide : 20 + 2 * wide])
    count = int.from_bytes(box[22 + 2 * wide : 24 + 2 * wide])
    entries = range(24 + 2 * wide, min(len(box) - 11, 24 + 2 * wide + 12 * count), 12)
    return end + first + sum(int.from_bytes(box[at : at + 4]) & 0x7FFFFFFF for at in entries)


def _elements(file: BinaryIO, size: int) -> str:
    place = 0
    open_ended = {_SEGMENT: False, _CLUSTER: False}
    while place < size:
        head = element(_at(file, place, 12))
        if head is None:
            return _breaks_off(size, place + 12) if size - place < 12 else f"the video is damaged at byte {place}"
        kind, length, used = head
        inside = place + used
        if length is None:
            if kind not in open_ended:
                return f"the video is damaged at byte {place}"
            open_ended[kind] = True
            place = inside
            continue
        if inside + length > size:
            return _breaks_off(size, inside + length)
        if kind == _SEGMENT:
            place = inside
            continue
        if kind in _SUMMED and not _sums_agree(file, inside, length):
            return f"the video is damaged: the checksum of the part at byte {place} does not agree"
        place = inside + length
    return ""


def element(head: bytes) -> tuple[int, int | None, int] | None:
    """Kind, length (``None``: until the next of its level) and size of the header of a Matroska element."""
    if not head or not head[0] >> 4:
        return None
    wide = 9 - head[0].bit_length()
    if len(head) <= wide or not head[wide]:
        return None
    long = 9 - head[wide].bit_length()
    digits = head[wide : wide + long]
    if len(digits) < long:
        return None
    value = int.from_bytes(digits) & ((1 << 7 * long) - 1)
    return int.from_bytes(head[:wide]), None if value == (1 << 7 * long) - 1 else value, wide + long


def _sums_agree(file: BinaryIO, place: int, length: int) -> bool:
    """Whether an element that begins with a CRC-32 has it; one without agrees."""
    start = _at(file, place, 6)
    if length < 6 or start[:2] != bytes([_CRC, 0x84]):
        return True
    total, left = 0, length - 6
    while left > 0 and (part := file.read(min(left, _PART))):
        total, left = zlib.crc32(part, total), left - len(part)
    return total == int.from_bytes(start[2:6], "little")


def _chunks(file: BinaryIO, size: int) -> str:
    place = 0
    while place < size:
        header = _at(file, place, 12)
        if header[:4] != b"RIFF":
            return ""  # something that is no part of the video lies behind it
        length = int.from_bytes(header[4:8], "little")
        if length == 0:
            return _UNFINISHED
        if place + 8 + length > size:
            return _breaks_off(size, place + 8 + length)
        place += 8 + length + length % 2
    return ""


def _blocks(file: BinaryIO, size: int) -> str:
    def colors(flags: int) -> int:
        return 3 << (flags & 7) + 1 if flags & 0x80 else 0

    start = _at(file, 0, 13)
    if len(start) < 13:
        return _breaks_off(size, 13)
    place = 13 + colors(start[10])
    while place < size:
        head = _at(file, place, 10)
        if head[0] == 0x3B:
            return ""
        if head[0] == 0x21:
            place += 2
        elif head[0] == 0x2C and len(head) == 10:
            place += 11 + colors(head[9])
        else:
            return f"the video is damaged at byte {place}" if len(head) == 10 else _breaks_off(size, place + 10)
        while (block := _at(file, place, 1)) and block[0]:
            place += 1 + block[0]
        place += 1
    return _breaks_off(size, max(place, size + 1))


def _at(file: BinaryIO, place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
