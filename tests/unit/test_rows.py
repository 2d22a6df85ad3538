"""A line is read as it was written, or it is no row: whoever can make a checksum can still not make a wrong type."""

from __future__ import annotations

import gc
import json
import math
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nova_eval import rows
from nova_eval.records import Failure, Sample, SampleKey, Score

KEY = SampleKey("vbench/0001", 2)
SAMPLE = Sample(KEY, 7, "media/vbench/0001/2.mp4", "ab" * 32, 100, 64, 48, 17, 8.0, 0.5)
SCORE = Score(KEY, "color", 0.25, 1.0, "", {"seen": [1, "red", None]})


@pytest.mark.parametrize("sample", [SAMPLE, replace(SAMPLE, part=(0, 0, 32, 24)), Failure(KEY, "no room")])
def test_a_sample_comes_back(sample: Sample | Failure) -> None:
    assert rows.sample_of(rows.fields_of(rows.sample_line(sample))) == sample


@pytest.mark.parametrize("score", [SCORE, replace(SCORE, value=None, reason="too dark", detail={"a": "\udce9"})])
def test_a_score_comes_back_with_whose_it_is(score: Score) -> None:
    assert rows.score_of(rows.fields_of(rows.score_line(score, SAMPLE))) == (score, SAMPLE.digest)


@pytest.mark.parametrize("damage", [b"", b"{}\n", rows.sample_line(SAMPLE)[:-1], rows.sample_line(SAMPLE)[1:]])
def test_a_broken_line_is_no_row(damage: bytes) -> None:
    with pytest.raises(ValueError, match="not a whole line"):
        rows.fields_of(damage)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key", "vbench/0001"),
        ("key", ["vbench/0001", "2"]),
        ("key", ["vbench/0001", math.inf]),
        ("key", ["vbench/0001", True]),
        ("key", None),
        ("seed", 0.5),
        ("seed", 1 << 63),
        ("path", 3),
        ("digest", None),
        ("bytes", -1),
        ("width", "64"),
        ("frames", [1]),
        ("fps", math.inf),
        ("fps", "8"),
        ("seconds", math.nan),
        ("part", [0, 0, 1]),
        ("part", {"left": 0}),
        ("failed", 3),
        ("nonsense", 1),
    ],
)
def test_a_sample_of_another_type_is_no_row(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        rows.sample_of(rows.fields_of(_line(rows.fields_of(rows.sample_line(SAMPLE)) | {name: value})))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", math.inf),
        ("value", -math.inf),
        ("value", math.nan),
        ("value", "0.5"),
        ("value", 10**400),
        ("value", True),
        ("weight", -1),
        ("weight", None),
        ("metric", None),
        ("reason", None),
        ("detail", []),
        ("detail", {"a": math.nan}),
        ("detail", {"a": [1 << 70]}),
        ("detail", {"a": 1 << 64}),
        ("detail", {"a": -(1 << 63) - 1}),
        ("detail", {"a": [[-math.inf]]}),
        ("of", 3),
    ],
)
def test_a_score_of_another_type_is_no_row(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        rows.score_of(rows.fields_of(_line(rows.fields_of(rows.score_line(SCORE, SAMPLE)) | {name: value})))


@pytest.mark.parametrize("text", ["1e999", "-1E+0400", "1" + "0" * 400 + ".5", "[" * 70 + "]" * 70])
def test_what_no_json_of_ours_holds_is_no_row(text: str) -> None:
    fields = rows.fields_of(rows.score_line(SCORE, SAMPLE)) | {"detail": "DEEP"}
    with pytest.raises(ValueError, match="detail"):
        rows.score_of(rows.fields_of(_line(fields, f'{{"a": {text}}}')))


@pytest.mark.parametrize("value", [(1 << 64) - 1, -(1 << 63), 1e308, 5e-324, [[[]]] * 40, "NaN", "[" * 99])
def test_what_only_looks_so_is_one(value: object) -> None:
    score = replace(SCORE, detail={"a": value})
    assert rows.score_of(rows.fields_of(rows.score_line(score, SAMPLE))) == (score, SAMPLE.digest)


def test_depth_is_no_row() -> None:
    with pytest.raises(ValueError, match="deep"):
        rows.fields_of(_line({"detail": "DEEP"}, ("[" * 5000 + "]" * 5000)))


def _line(fields: dict[str, Any], deep: str = "") -> bytes:
    """With a true checksum, as a stranger can make it."""
    return _checked(json.dumps(fields).replace('"DEEP"', deep).encode())


_ODD = [
    *(None, True, 0, 1, -1, 8, 1.0, -0.0, 0.1, 1e300, 5e-324, math.nan, math.inf, -math.inf),
    *(1 << 53, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), -(1 << 63) - 1, 10**400),
    *("", "x", "é😀", "\udce9", "\x00", "1"),
    *([], {}, [0], ["a/0", 0], ["a/0", 0.0], [0, 1, 2, 3], [0, 1, 2, -3], [0, 1, 2], {"a": 1, "b": [math.nan]}),
    *({"\udce9": "é"}, {"a": {"b": [1.5, "x", None, True]}}, {"a": [[]] * 3}, {"a": 1 << 70}, {"a": math.inf}),
]
_LINES = {
    "a sample": (rows.sample_line(SAMPLE), rows.sample_in, rows.sample_of),
    "a part": (rows.sample_line(replace(SAMPLE, part=(0, 1, 2, 3))), rows.sample_in, rows.sample_of),
    "a failure": (rows.sample_line(Failure(KEY, "no room")), rows.sample_in, rows.sample_of),
    "a score": (rows.score_line(SCORE, SAMPLE), rows.score_in, rows.score_of),
}


@pytest.mark.parametrize("kind", _LINES)
def test_both_ways_to_read_a_row_agree(kind: str) -> None:
    """The quick one takes only what the careful one takes, and finds the same there, types included."""
    line, quick, careful = _LINES[kind]
    fields = rows.fields_of(line)
    seen = {True: 0, False: 0}
    for name in [*fields, "part", "failed", "value", "crc", "more"]:
        others = [fields | {name: odd} for odd in _ODD]
        for each in [fields, {other: fields[other] for other in fields if other != name}, *others]:
            for ascii in (True, False):
                odd = _checked(json.dumps(each, ensure_ascii=ascii).encode("utf-8", "surrogatepass"))
                said = _said(quick, odd)
                assert said == _said(lambda line: careful(rows.fields_of(line)), odd), odd
                seen[bool(said)] += 1
    assert min(seen.values()) > 20


@pytest.mark.parametrize(
    "text",
    [
        '{"key":["a/0",0],"failed":"x","crc":"00000000"}',
        '{"key":["a/0",0],"failed":"x"},{"key":["a/0",0],"failed":"x"}',
        '{"key":["a/0",0],"key":["a/0",1],"failed":"x"}',
        '{"key":["a/0",01],"failed":"x"}',
        '{"key":["a/0",1.0],"failed":"x"}',
        '\ufeff{"key":["a/0",1],"failed":"x"}',
    ],
)
def test_both_ways_agree_on_json_that_is_written_oddly(text: str) -> None:
    for quick, careful in ((rows.sample_in, rows.sample_of), (rows.score_in, rows.score_of)):
        line = _checked(text.encode())
        assert _said(quick, line) == _said(lambda line, read=careful: read(rows.fields_of(line)), line)


def test_the_collector_is_left_as_it_was() -> None:
    with rows.many():
        assert not gc.isenabled()
        with rows.many():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def _checked(text: bytes) -> bytes:
    body = text.rstrip()[:-1]
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


def _said(read: Callable[[bytes], object], line: bytes) -> str:
    """What is read, with its types; "" for no row."""
    try:
        return repr(read(line))
    except ValueError:
        return ""
