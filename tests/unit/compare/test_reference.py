"""A reference file says all that its run said; what is none is refused in one line."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_sides import TASKS, right, side

from nova_eval.compare import comparing, export, reference
from nova_eval.errors import CorruptStoreError, NovaEvalError, UsageError

MANIFEST_SPEC = {"benchmark": "geneval", "variant": "sprites", "codec": "png", "seed": 0}


def made(name: str, **changes: Any) -> Any:
    old = side(name, right, spec=MANIFEST_SPEC)
    digests = {key: f"{place:064x}" for place, key in enumerate(old.wanted)}
    return dataclasses.replace(old, digests=digests, **changes)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return reference.save(made("old"), tmp_path / "old.parquet")


def test_what_is_read_is_what_was_saved(saved: Path) -> None:
    old, read = made("old"), reference.load(saved)
    for field in ("name", "model", "scoring", "own", "prompts", "wanted", "seeds", "digests", "manifest"):
        assert getattr(read, field) == getattr(old, field), field
    assert sorted(read.rows, key=str) == sorted(old.rows, key=str)
    new = side("new", lambda *of: 0.0, spec=MANIFEST_SPEC)
    direct, by_file = (export.to_json(comparing.compare(one, [new], {}), 3) for one in (old, read))
    assert direct == by_file


def test_equal_runs_give_equal_bytes(saved: Path, tmp_path: Path) -> None:
    turned = made("old", rows=made("old").rows[::-1])
    assert reference.save(turned, tmp_path / "again.parquet").read_bytes() == saved.read_bytes()


def test_unscored_samples_stay_unscored(tmp_path: Path) -> None:
    old = side("old", lambda task, number, index: None if number == 3 else 1.0, spec=MANIFEST_SPEC)
    read = reference.load(reference.save(dataclasses.replace(old, digests={}), tmp_path / "old.parquet"))
    assert {row.reason for row in read.rows if row.value is None} == {"the judge broke"}
    assert sum(row.value is None for row in read.rows) == 2 * len(TASKS)


def test_details_that_no_metric_is_made_of_are_left_out_of_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = made("old")
    told = dataclasses.replace(old, rows=tuple(dataclasses.replace(row, detail={"k": "v"}) for row in old.rows))
    assert reference.load(reference.save(told, tmp_path / "a.parquet")).rows[0].detail == {"k": "v"}
    monkeypatch.setattr(reference, "_ROOM", 0)
    assert reference.load(reference.save(told, tmp_path / "b.parquet")).rows[0].detail == {}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_cut_file_is_one_line(saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CorruptStoreError, match="is no whole reference"):
        reference.load(saved)


@pytest.mark.parametrize("place", [0.02, 0.1, 0.5, 0.9])
def test_a_changed_byte_never_gives_other_numbers(saved: Path, place: float) -> None:
    before, data = reference.load(saved), bytearray(saved.read_bytes())
    data[int(place * len(data))] ^= 0x5A
    saved.write_bytes(data)
    try:
        after = reference.load(saved)
    except NovaEvalError:
        return
    assert after == dataclasses.replace(before, benchmark=after.benchmark)


def test_another_version_and_other_files_are_one_line(saved: Path, tmp_path: Path) -> None:
    table = pq.read_table(saved)
    told = json.loads(table.schema.metadata[b"nova_eval.reference"])
    newer = json.dumps({**told, "schema": 2}).encode()
    pq.write_table(table.replace_schema_metadata({b"nova_eval.reference": newer}), saved)
    with pytest.raises(CorruptStoreError, match="a reference of schema 2, this version of nova_eval reads 1"):
        reference.load(saved)
    changed = json.dumps({**told, "model": "another"}).encode()
    pq.write_table(table.replace_schema_metadata({b"nova_eval.reference": changed}), saved)
    with pytest.raises(CorruptStoreError, match="changed since it was written"):
        reference.load(saved)
    pq.write_table(table.replace_schema_metadata({}), saved)
    with pytest.raises(CorruptStoreError, match="a Parquet file, but no reference"):
        reference.load(saved)
    with pytest.raises(UsageError, match="no such file"):
        reference.load(tmp_path / "none.parquet")


@pytest.mark.parametrize(("column", "value"), [("value", float("nan")), ("value", float("inf")), ("weight", -1.0)])
def test_no_number_that_is_none_gets_in(saved: Path, column: str, value: float) -> None:
    table = pq.read_table(saved)
    changed = table.column(column).to_pylist()
    changed[0] = value
    where = table.schema.get_field_index(column)
    pq.write_table(table.set_column(where, table.schema.field(column), [changed]), saved)
    with pytest.raises(CorruptStoreError, match=f"{column} {value}"):
        reference.load(saved)
