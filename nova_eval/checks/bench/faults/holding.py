"""What a run holds on disk, read without the product: rows, media, tables; and what of two such states differs."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]


def facts(run: Path) -> dict[str, Any]:
    """Rows that decide, without their timings, digests of all media, and of every table: equal between equal runs."""
    samples = sorted({_text(row, "seconds") for row in rows(run / "samples") if "failed" not in row})
    scores = {
        folder.name: sorted({_text(row) for row in rows(folder) if _decides(row)})
        for folder in sorted((run / "scores").glob("*"))
    }
    media = {str(path.relative_to(run)): digest(path) for path in sorted((run / "media").rglob("*")) if path.is_file()}
    media = {name: of for name, of in media.items() if not name.endswith((".damaged", ".tmp"))}
    return {"samples": samples, "scores": scores, "media": media, "tables": tables(run)}


def tables(run: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in sorted((run / "tables").glob("*")) if path.is_file()}


def rows(folder: Path) -> Iterator[Row]:
    """Every whole row: what follows the last newline of a file was never promised."""
    for path in sorted(folder.glob("*.jsonl")):
        if path.is_file():
            for line in path.read_bytes().split(b"\n")[:-1]:
                body, _, check = line.rpartition(b',"crc":"')
                if check[:8] == b"%08x" % zlib.crc32(body):
                    yield json.loads(body + b"}")


def line(row: Row) -> bytes:
    """A row as a run holds it, its checksum included."""
    body = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))[:-1].encode(
        "utf-8", "surrogatepass"
    )
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


class Finished(NamedTuple):
    """What a run has promised: samples whose media is whole, with the moment it was written, and rows of scores."""

    samples: dict[tuple[str, int], tuple[str, int]]
    scores: set[str]


def finished(run: Path | None) -> Finished:
    if run is None:
        return Finished({}, set())
    samples = {}
    for row in rows(run / "samples"):
        path = run / row.get("path", "")
        if "failed" not in row and path.is_file() and digest(path) == row["digest"]:
            samples[(str(row["key"][0]), int(row["key"][1]))] = (row["digest"], path.stat().st_mtime_ns)
    scores = {folder.name + _text(row) for folder in (run / "scores").glob("*") for row in rows(folder)}
    return Finished(samples, scores)


def lost(before: Finished, after: Finished) -> int:
    """How much of what was promised is not there any more, or was made anew."""
    changed = sum(after.samples.get(key) != value for key, value in before.samples.items())
    return changed + len(before.scores - after.scores)


def doubled(run: Path) -> int:
    """How many samples and scores have more rows than one."""
    samples = Counter(tuple(row["key"]) for row in rows(run / "samples") if "failed" not in row)
    scores = Counter(
        (folder.name, *row["key"], row["metric"], row["of"])
        for folder in (run / "scores").glob("*")
        for row in rows(folder)
        if row["value"] is not None
    )
    return sum(number - 1 for number in (*samples.values(), *scores.values()))


def temporary(folder: Path) -> list[Path]:
    """Files that were on their way."""
    return list(folder.rglob(".*.tmp"))


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _decides(row: Row) -> bool:
    """Whether a row of scores is a number, or the rule's word that there is none."""
    return row["value"] is not None or row["weight"] == 0


def _text(row: Row, *without: str) -> str:
    return json.dumps({name: value for name, value in row.items() if name not in without}, sort_keys=True)
