"""What a request for scores says: JSON with an encoded file, or safetensors with frames. Nothing is unpickled."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from math import prod
from mmap import mmap
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from nova_eval import reading
from nova_eval.errors import UsageError
from nova_eval.limits import hold_clip
from nova_eval.protocols import Frames
from nova_eval.records import Prompt

JSON, TENSORS = "application/json", "application/x-safetensors"
LONGEST_HEADER = 1 << 20
"""Bytes of what a file of safetensors says of itself, the request in it included."""
_LENGTH = 8  # bytes of the number that a file of safetensors begins with
_REQUEST = "request"
Content: TypeAlias = bytearray | mmap
Kind: TypeAlias = Literal["png", "jpg", "webp", "mp4"]


class Asked(BaseModel):
    """What is asked of one sample. Of ``prompt`` and ``suite_prompt`` there is one.

    ``prompt`` is a text, or an object as ``--prompts`` takes it; ``suite_prompt`` one of a suite with all its fields.
    ``metrics``: only these dimensions. ``fps`` is the rate of frames that come without a file. ``media``, in JSON, is a
    file in base64, and ``kind`` its ending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmark: str
    prompt: str | dict[str, Any] | None = None
    suite_prompt: Prompt | None = None
    metrics: tuple[str, ...] = ()
    scoring: Literal["", "official", "corrected"] = ""
    fps: float | None = None
    media: str | None = None
    kind: Kind | None = None

    @property
    def told(self) -> str | dict[str, Any] | Prompt:
        """The prompt. UsageError unless there is one."""
        if (self.prompt is None) == (self.suite_prompt is None):
            raise UsageError("the request has no prompt, or two", remedy="give 'prompt' or 'suite_prompt'")
        found = self.suite_prompt if self.prompt is None else self.prompt
        assert found is not None
        return found


class File(NamedTuple):
    """An encoded image or video."""

    content: bytes
    kind: Kind


def read(content: Content, form: str) -> tuple[Asked, Frames | File]:
    """The request and its frames or file, of a body of the media type ``form``. UsageError, MediaError in one line."""
    if form == TENSORS:
        return _of_tensors(content)
    if form != JSON:
        raise UsageError(f"a body of the type {form[:60]!r} is not read", remedy=f"send {JSON} or {TENSORS}")
    asked = reading.json_text(bytes(content), "the request", Asked)
    if asked.media is None or asked.kind is None:
        raise UsageError("the request brings no media", remedy="give 'media' (base64) and 'kind', or send safetensors")
    try:
        file = b64decode(asked.media, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"the request: media is not base64 ({error})") from error
    return asked.model_copy(update={"media": None}), File(file, asked.kind)


def of_frames(asked: Asked, frames: Frames) -> bytes:
    """The body of the type safetensors for frames uint8 (T, H, W, 3)."""
    from safetensors.numpy import save

    return bytes(save({"frames": np.ascontiguousarray(frames)}, {_REQUEST: _text(asked)}))


def of_file(asked: Asked, file: File) -> bytes:
    """The body of the type JSON for an encoded file."""
    told = asked.model_copy(update={"media": b64encode(file.content).decode(), "kind": file.kind})
    return _text(told).encode()


def _text(asked: Asked) -> str:
    told = {name: value for name in Asked.model_fields if (value := getattr(asked, name)) not in (None, (), "")}
    if asked.suite_prompt is not None:
        told["suite_prompt"] = asdict(asked.suite_prompt)
    return json.dumps(told, allow_nan=False)


class _Tensor(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    dtype: Literal["U8"]
    shape: list[int]
    data_offsets: list[int]


def _of_tensors(content: Content) -> tuple[Asked, Frames]:
    """Reads the form itself, which is a length, JSON and bytes: one tensor of numbers is all that may come."""
    length = int.from_bytes(content[:_LENGTH], "little")
    start = _LENGTH + length
    if len(content) < _LENGTH or length > LONGEST_HEADER or start > len(content):
        raise UsageError("the body is no safetensors: its header is longer than what is there or may be")
    where = "the header of the safetensors"
    header = reading.json_text(bytes(content[_LENGTH:start]), where, dict[str, Any])
    if header.keys() != {"__metadata__", "frames"}:
        raise UsageError(
            f"{where} names {', '.join(sorted(header))[:200] or 'nothing'}",
            remedy=f"one tensor, frames, and in __metadata__ the {_REQUEST}",
        )
    tensor = reading.typed(header["frames"], f"{where}, frames", _Tensor)
    told = reading.typed(header["__metadata__"], f"{where}, __metadata__", dict[str, str])
    if told.keys() != {_REQUEST}:
        raise UsageError(f"{where}: __metadata__ should hold {_REQUEST!r} alone")
    asked = reading.json_text(told[_REQUEST], f"the {_REQUEST} in __metadata__", Asked)
    if asked.media is not None or asked.kind is not None:
        raise UsageError("the request brings frames and media", remedy="send one of them")
    return asked, _frames(tensor, content, start)


def _frames(tensor: _Tensor, content: Content, start: int) -> Frames:
    shape, size = tensor.shape, len(content) - start
    if len(shape) != 4 or shape[-1] != 3 or not all(0 < side < 1 << 31 for side in shape):
        raise UsageError(f"frames have the shape {str(shape)[:60]}", remedy="give uint8 (T, H, W, 3)")
    hold_clip("the frames", *shape[:3])
    if tensor.data_offsets != [0, size] or prod(shape) != size:
        raise UsageError(f"frames of the shape {shape} need {prod(shape):,} bytes, {size:,} came")
    return np.frombuffer(content, np.uint8, size, start).reshape(shape)
