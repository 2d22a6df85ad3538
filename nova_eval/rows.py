"""One line of a file of rows: a sample, a failure or a score as JSON that ends in a checksum of what stands before it.

The checksum is no promise that the row is ours: whoever makes a run can make checksums. Every field has its type.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nova_eval import reading
from nova_eval.identity import canonical_json, encoded
from nova_eval.records import Failure, Sample, SampleKey, Score

LONGEST = 1 << 24  # bytes
_CHECK = ',"crc":"'  # the last field of every line; the checksum covers all bytes before it
_OF = "of"
_MOST, _HUGE = 1 << 63, sys.float_info.max

Fields = dict[str, Any]


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


def fields_of(line: bytes) -> Fields:
    """What a whole line holds. ValueError for one that is broken."""
    body, mark, check = line.rpartition(_CHECK.encode())
    if not mark or check[8:] != b'"}\n' or check[:8] != b"%08x" % zlib.crc32(body):
        raise ValueError("not a whole line")
    try:
        fields = json.loads(body + b"}")
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
    _number(sample.fps, "fps"), _number(sample.seconds, "seconds")
    return sample


def score_of(fields: Fields) -> tuple[Score, str]:
    """The score, and the digest of the bytes it speaks of. ValueError for fields that no such row has."""
    key, of = _key(fields), _text(fields.pop(_OF, None), _OF)
    try:
        score = Score(**{**fields, "key": key})
    except TypeError as error:
        raise ValueError(str(error)) from error
    _text(score.metric, "metric"), _text(score.reason, "reason"), _number(score.weight, "weight")
    if score.value is not None:
        _number(score.value, "value", least=-_HUGE)
    if type(score.detail) is not dict or (score.detail and reading.unsound(score.detail, halves=True)):
        raise ValueError("detail")
    return score, of


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
    return value  # type: ignore[return-value]
