"""One line of a file of rows: a sample, a failure or a score as JSON that ends in a checksum of what stands before it.

The checksum is no promise that the row is ours: whoever makes a run can make checksums. Every field has its type.
"""

from __future__ import annotations

import gc
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.identity import canonical_json, encoded
from nova_eval.records import Failure, Sample, SampleKey, Score

LONGEST = 1 << 24  # bytes
_CHECK = ',"crc":"'  # the last field of every line; the checksum covers all bytes before it
_CHECKED = _CHECK.encode()
_OF = "of"
_MOST, _HUGE = 1 << 63, sys.float_info.max

Fields = dict[str, Any]

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_Whole = Annotated[int, Field(ge=0, lt=_MOST)]
_Number = Annotated[float, Field(ge=0)]

Reader = Callable[[bytes], Fields]


@contextmanager
def many() -> Iterator[None]:
    """While rows are read and held: the collector of cycles waits, which would look at each of them again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def sample_line(row: Sample | Failure) -> bytes:
    """The line of a sample, or of one that could not be made."""
    if isinstance(row, Failure):
        return _line({"key": list(row.key), "failed": row.reason})
    fields = {**asdict(row), "key": list(row.key)}
    if row.part is None:  # most samples are a file of their own
        del fields["part"]
    return _line(fields)


def score_line(row: Score, of: Sample) -> bytes:
    """The line of a score, with the digest of the bytes it speaks of."""
    return _line({**asdict(row), "key": list(row.key), _OF: of.digest})


def sample_in(line: bytes) -> Sample | Failure:
    """The sample of a line, or why there is none. ValueError for a line that is broken, or of another kind."""
    body = _body(line)
    if (fields := _quickly(_quick_sample(), body)) is None:
        return sample_of(_fields(body))
    (prompt, index), part = fields["key"], fields.get("part")
    return Sample(
        SampleKey(prompt, index),
        fields["seed"],
        fields["path"],
        fields["digest"],
        fields["bytes"],
        fields["width"],
        fields["height"],
        fields["frames"],
        fields["fps"],
        fields["seconds"],
        part,
    )


def score_in(line: bytes) -> tuple[Score, str]:
    """The score of a line, and the digest of the bytes it speaks of. ValueError as of ``sample_in``."""
    body = _body(line)
    if (fields := _quickly(_quick_score(), body)) is None:
        return score_of(_fields(body))
    (prompt, index), detail = fields["key"], fields["detail"]
    if detail and reading.unsound(detail, halves=True):
        raise ValueError("detail")
    key = SampleKey(prompt, index)
    return Score(key, fields["metric"], fields["value"], fields["weight"], fields["reason"], detail), fields[_OF]


def fields_of(line: bytes) -> Fields:
    """What a whole line holds. ValueError for one that is broken."""
    return _fields(_body(line))


def _body(line: bytes) -> bytes:
    """The JSON of a line without its checksum, once that is seen to be true."""
    body, mark, check = line.rpartition(_CHECKED)
    if not mark or check[8:] != b'"}\n' or check[:8] != b"%08x" % zlib.crc32(body):
        raise ValueError("not a whole line")
    return body + b"}"


def _fields(body: bytes) -> Fields:
    try:
        fields = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(fields, dict):
        raise ValueError("no object")
    return fields


def sample_of(fields: Fields) -> Sample | Failure:
    """The sample, or why there is none. ValueError for fields that no such row has."""
    key = _key(fields)
    if "failed" in fields:
        return Failure(key, _text(fields["failed"], "failed"))
    part = fields.get("part")
    if part is not None:
        if not isinstance(part, list) or len(part) != 4:
            raise ValueError("part")
        part = tuple(_whole(side, "part") for side in part)
    try:
        sample = Sample(**{**fields, "key": key, "part": part})
    except TypeError as error:
        raise ValueError(str(error)) from error
    _text(sample.path, "path"), _text(sample.digest, "digest")
    for name in ("seed", "bytes", "width", "height", "frames"):
        _whole(getattr(sample, name), name)
    return replace(sample, fps=_number(sample.fps, "fps"), seconds=_number(sample.seconds, "seconds"))


def score_of(fields: Fields) -> tuple[Score, str]:
    """The score, and the digest of the bytes it speaks of. ValueError for fields that no such row has."""
    key, of = _key(fields), _text(fields.pop(_OF, None), _OF)
    try:
        score = Score(**{**fields, "key": key})
    except TypeError as error:
        raise ValueError(str(error)) from error
    _text(score.metric, "metric"), _text(score.reason, "reason")
    weight = _number(score.weight, "weight")
    value = None if score.value is None else _number(score.value, "value", least=-_HUGE)
    if type(score.detail) is not dict or (score.detail and reading.unsound(score.detail, halves=True)):
        raise ValueError("detail")
    return replace(score, value=value, weight=weight), of


# --- the commonest rows, by one call each: what is not of just this form is read field by field ---------------------


class _SampleRow(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]

    key: tuple[str, _Whole]
    seed: _Whole
    path: str
    digest: str
    bytes: _Whole
    width: _Whole
    height: _Whole
    frames: _Whole
    fps: _Number
    seconds: _Number
    part: NotRequired[tuple[_Whole, _Whole, _Whole, _Whole]]


class _ScoreRow(TypedDict):
    __pydantic_config__ = _STRICT  # type: ignore[misc]

    key: tuple[str, _Whole]
    metric: str
    value: float | None
    weight: _Number
    reason: str
    detail: dict[str, Any]
    of: str


@cache
def _quick_sample() -> Reader:
    return _reader(_SampleRow)


@cache
def _quick_score() -> Reader:
    return _reader(_ScoreRow)


def _reader(form: Any) -> Reader:
    adapter: TypeAdapter[Any] = TypeAdapter(form)
    return adapter.validator.validate_json


def _quickly(read: Reader, body: bytes) -> Fields | None:
    try:
        return read(body)
    except ValueError:
        return None


def _line(fields: Mapping[str, Any]) -> bytes:
    body = canonical_json(fields)[:-1]
    return encoded(f'{body}{_CHECK}{zlib.crc32(encoded(body)):08x}"}}\n')


def _key(fields: Fields) -> SampleKey:
    key = fields.get("key")
    if not isinstance(key, list) or len(key) != 2:
        raise ValueError("key")
    return SampleKey(_text(key[0], "key"), _whole(key[1], "key"))


def _text(value: object, name: str) -> str:
    if type(value) is not str:
        raise ValueError(name)
    return value


def _whole(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value < _MOST:
        raise ValueError(name)
    return value


def _number(value: object, name: str, least: float = 0.0) -> float:
    if type(value) not in (int, float) or not least <= value <= _HUGE:  # type: ignore[operator]
        raise ValueError(name)
    return float(value)  # type: ignore[arg-type]
