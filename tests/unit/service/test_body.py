"""A body is JSON with a file, or one tensor of numbers: whatever else it is, is refused in one line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nova_eval.errors import NovaEvalError
from nova_eval.limits import Limit
from nova_eval.records import Prompt
from nova_eval.service import body

CLIP = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
ASKED = body.Asked(benchmark="vbench", prompt={"prompt": "a cat", "dimension": "color"}, metrics=("color",), fps=8.0)


def tensors(header: Any, data: bytes = b"\0" * 72, length: int | None = None) -> bytearray:
    written = header if isinstance(header, bytes) else json.dumps(header).encode()
    return bytearray((len(written) if length is None else length).to_bytes(8, "little") + written + data)


def header(**changes: Any) -> dict[str, Any]:
    frames = {"dtype": "U8", "shape": [2, 3, 4, 3], "data_offsets": [0, 72], **changes}
    return {"__metadata__": {"request": '{"benchmark": "vbench", "prompt": "a cat"}'}, "frames": frames}


def test_frames_come_as_they_were_sent() -> None:
    asked, frames = body.read(bytearray(body.of_frames(ASKED, CLIP)), body.TENSORS)
    assert asked == ASKED
    assert isinstance(frames, np.ndarray)
    assert (frames == CLIP).all()
    assert frames.flags.writeable


def test_a_file_comes_as_it_was_sent() -> None:
    told = body.Asked(benchmark="geneval", suite_prompt=Prompt("geneval/0", "a cat", ("colors",), {"include": [1]}))
    asked, file = body.read(bytearray(body.of_file(told, body.File(b"\x89PNG", "png"))), body.JSON)
    assert file == (b"\x89PNG", "png")
    assert asked.told == told.suite_prompt


@pytest.mark.parametrize(
    "content",
    [
        bytearray(),
        bytearray(b"\xff" * 8),
        tensors(header(), length=1 << 62),
        tensors(header(), length=10**6),
        tensors(b"[" * 10_000),
        tensors(b"{}"),
        tensors({**header(), "more": header()["frames"]}),
        tensors({"frames": header()["frames"]}),
        tensors({**header(), "__metadata__": {"request": "{"}}),
        tensors({**header(), "__metadata__": {"request": "{}", "more": ""}}),
        tensors({**header(), "__metadata__": {"request": {"benchmark": "vbench"}}}),
        tensors(header(dtype="F32")),
        tensors(header(dtype="O")),
        tensors(header(shape=[2, 3, 4])),
        tensors(header(shape=[2, 3, 12, 1])),
        tensors(header(shape=[2.0, 3, 4, 3])),
        tensors(header(shape=[True, 3, 8, 3])),
        tensors(header(shape=[-2, -3, 4, 3])),
        tensors(header(shape=[0, 3, 4, 3])),
        tensors(header(shape=[1 << 40, 1 << 40, 1 << 40, 3])),
        tensors(header(shape=[100_001, 1, 1, 3]), b"\0" * 300_003),
        tensors(header(data_offsets=[0, 71])),
        tensors(header(data_offsets=[1, 72])),
        tensors(header(data_offsets=[0, 1 << 62])),
        tensors(header(data_offsets=[72, 0])),
        tensors(header(), b"\0" * 71),
        tensors(header(), b"\0" * 73),
        tensors(header(more=1)),
        tensors(header(), b""),
    ],
    ids=range(29),
)
def test_safetensors_that_are_not_such_frames(content: bytearray) -> None:
    with pytest.raises(NovaEvalError) as caught:
        body.read(content, body.TENSORS)
    assert len(str(caught.value)) < 400


def test_pictures_are_no_larger_than_those_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(Limit.PIXELS.value[0], "11")
    with pytest.raises(NovaEvalError, match="NOVA_EVAL_MAX_PIXELS"):
        body.read(bytearray(body.of_frames(ASKED, CLIP)), body.TENSORS)


@pytest.mark.parametrize(
    "form", ["", "application/x-pickle", "application/octet-stream", "text/html", "multipart/form-data"]
)
def test_other_types_are_not_read(form: str) -> None:
    with pytest.raises(NovaEvalError, match="is not read"):
        body.read(bytearray(body.of_frames(ASKED, CLIP)), form)
