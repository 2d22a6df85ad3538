"""A run without its media in one small file: scores by sample, seeds, digests, prompts and manifest, as Parquet."""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.adapters import load_benchmark
from nova_eval.adapters.reduce import reduced
from nova_eval.compare.likeness import FOLDERS
from nova_eval.compare.sides import Side, of_run
from nova_eval.errors import CorruptStoreError, NovaEvalError, UsageError
from nova_eval.identity import canonical_json, digest
from nova_eval.limits import Limit
from nova_eval.manifest import PartRecord
from nova_eval.records import Metric, Prompt, SampleKey, Score
from nova_eval.rows import many, score_of
from nova_eval.runs.finding import find
from nova_eval.runs.part import Part, recorded

SCHEMA = 1
ENDING = ".parquet"
_KEY = b"nova_eval.reference"
_ROOM = 400_000  # bytes: above it, what scorers say beside their scores is left out where no metric is made of it
_MOST = 1 << 30
_SHA256 = re.compile("[0-9a-f]{64}")


def save(side: Side, path: Path) -> Path:
    """Writes the reference, whole or not at all. Equal runs give equal bytes."""
    data = _encoded(side)
    if len(data) > _ROOM:
        bare = replace(side, rows=tuple(replace(row, detail={}) for row in side.rows))
        data = _encoded(bare) if _metrics(bare) == _metrics(side) else data
    return files.write(path, data, remedy="choose another place")


@many()
def load(path: Path) -> Side:
    """The side that was saved. CorruptStoreError, in one line, for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _readable(path):
        data = files.read(path, _MOST)
        with pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True) as opened:
            head = (opened.schema_arrow.metadata or {}).get(_KEY)
            if head is None:
                raise CorruptStoreError(f"{path} is a Parquet file, but no reference", remedy=_REMEDY)
            told = reading.json_text(head, str(path), dict[str, Any], **_HOW)
            if told.get("schema") != SCHEMA:
                raise CorruptStoreError(
                    f"{path}: a reference of schema {told.get('schema')}, this version of nova_eval reads {SCHEMA}",
                    remedy=f"use the version that wrote it, or {_REMEDY}",
                )
            if told.pop("check", "") != digest(told):
                raise CorruptStoreError(f"{path}: changed since it was written", remedy=_REMEDY)
            table: pa.Table = opened.read()
        return _side(path, reading.typed(told, str(path), _Told, **_HOW), table.to_pydict())


_REMEDY = "make it anew from the run: nova-eval reference save RUN FILE"
_HOW: reading.How = {"error": CorruptStoreError, "remedy": _REMEDY, "halves": True}


class _Told(TypedDict):
    """What stands in the head of a reference."""

    name: str
    model: str
    scoring: str
    own: bool
    part: PartRecord
    prompts: str
    manifest: dict[str, Any]
    rows: int


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except NovaEvalError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"no such file: {path}", remedy="name one that `nova-eval reference save` wrote") from error
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        reason = " ".join(str(error).split())[:150]
        raise CorruptStoreError(f"{path} is no whole reference ({reason})", remedy=_REMEDY) from error


def open_side(name: str, results: Path) -> Side:
    """A reference file, or a run by its folder or name."""
    path = Path(name)
    return load(path) if path.suffix == ENDING else of_run(find(name, results))


def _encoded(side: Side) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted(side.rows, key=lambda row: (row.metric, row.key, canonical_json(row)))
    words = pa.dictionary(pa.int32(), pa.string())
    columns = {
        "prompt_id": pa.array([row.key.prompt_id for row in rows], words),
        "index": pa.array([row.key.index for row in rows], pa.int32()),
        "metric": pa.array([row.metric for row in rows], words),
        "value": pa.array([row.value for row in rows], pa.float64()),
        "weight": pa.array([row.weight for row in rows], pa.float64()),
        "reason": pa.array([row.reason for row in rows], words),
        "detail": pa.array([canonical_json(row.detail) if row.detail else None for row in rows], pa.string()),
        "seed": pa.array([side.seeds.get(row.key) for row in rows], pa.uint64()),
        "digest": pa.array([_bytes(side.digests.get(row.key)) for row in rows], pa.binary(32)),
    }
    prompts = "\n".join(canonical_json(prompt) for prompt in side.prompts)
    told = {
        "schema": SCHEMA,
        "name": side.name,
        "model": side.model,
        "scoring": side.scoring,
        "own": side.own,
        "part": Part(side.prompts, side.wanted).record(),
        "prompts": base64.b64encode(zlib.compress(prompts.encode(), 9)).decode(),
        "manifest": _of_anywhere(side.manifest),
        "rows": len(rows),
    }
    told = json.loads(json.dumps(told, default=str))
    head = json.dumps({**told, "check": digest(told)}, sort_keys=True)
    table = pa.table(columns).replace_schema_metadata({_KEY: head.encode()})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd", compression_level=19, write_page_checksum=True)
    return stream.getvalue()


def _of_anywhere(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Without the folders of the machine that made the run."""
    options = {name: value for name, value in manifest.get("options", {}).items() if name not in FOLDERS}
    return {**manifest, **({"options": options} if "options" in manifest else {})}


def _side(path: Path, told: _Told, columns: Mapping[str, Sequence[Any]]) -> Side:
    texts = zlib.decompressobj().decompress(base64.b64decode(told["prompts"]), Limit.TEXT.most)
    suite = [prompt for _, prompt in reading.json_lines(texts, str(path), Prompt, **_HOW)]
    part = recorded(suite, told["part"])
    keys = [SampleKey(*key) for key in zip(columns["prompt_id"], columns["index"], strict=True)]
    if len(keys) != told["rows"]:
        raise ValueError(f"{len(keys)} of {told['rows']} rows")
    scores = zip(*(columns[name] for name in ("metric", "value", "weight", "reason", "detail")), strict=True)
    rows = tuple(_score(key, *score) for key, score in zip(keys, scores, strict=True))
    seeds, digests = columns["seed"], columns["digest"]
    return Side(
        where=path,
        name=told["name"],
        model=told["model"],
        manifest=told["manifest"],
        benchmark=load_benchmark(told["manifest"]["spec"]["benchmark"]),
        scoring=told["scoring"],
        own=told["own"],
        prompts=part.prompts,
        wanted=part.wanted,
        rows=rows,
        seeds={key: seed for key, seed in zip(keys, seeds, strict=True) if seed is not None},
        digests={key: found.hex() for key, found in zip(keys, digests, strict=True) if found is not None},
    )


def _score(key: SampleKey, *row: Any) -> Score:
    metric, value, weight, reason, detail = row
    said = json.loads(detail) if detail else {}
    fields = {"metric": metric, "value": value, "weight": weight, "reason": reason, "detail": said}
    try:
        return score_of({**fields, "key": list(key), "of": ""})[0]
    except ValueError as error:
        raise ValueError(
            f"{metric} of {key.prompt_id} [{key.index}]: value {value}, weight {weight}: {error}"
        ) from error


def _bytes(digest_: str | None) -> bytes | None:
    """A sha256; ``None`` for another text, which a stranger's row may hold."""
    return bytes.fromhex(digest_) if digest_ and _SHA256.fullmatch(digest_) else None


def _metrics(side: Side) -> list[Metric] | None:
    """``None`` where the benchmark cannot do without what was left out."""
    try:
        return reduced(side.benchmark, side.prompts, side.wanted, side.rows, side.scoring)
    except (KeyError, TypeError, ValueError):
        return None
