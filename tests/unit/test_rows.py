"""A line is read as it was written, or it is no row: whoever can make a checksum can still not make a wrong type."""

from __future__ import annotations

import math
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
    import json
    import zlib

    body = json.dumps(fields)[:-1].replace('"DEEP"', deep).encode()
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)
