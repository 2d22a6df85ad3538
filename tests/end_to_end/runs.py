"""Runs the command line as a user would and reads back what must be equal between equal runs."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any


def nova_eval(*words: object, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nova_eval", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def metrics(done: subprocess.CompletedProcess[str]) -> dict[str, float | None]:
    """The values of a ``--json`` run by name."""
    return {metric["name"]: metric["value"] for metric in json.loads(done.stdout)["metrics"]}


def only_run(results: Path) -> Path:
    """The one run folder under ``results``."""
    (manifest,) = results.glob("runs/*/*/manifest.json")
    return manifest.parent


def facts(run: Path) -> dict[str, Any]:
    """Rows without their timings, digests of all media, and the bytes of every table."""
    samples = sorted({_without(line, "seconds", "crc") for line in _lines(run / "samples") if '"failed"' not in line})
    scores = {
        folder.name: sorted({_without(line, "crc") for line in _lines(folder)}) for folder in (run / "scores").iterdir()
    }
    media = {str(path.relative_to(run)): _digest(path) for path in sorted((run / "media").rglob("*")) if path.is_file()}
    tables = {path.name: _digest(path) for path in sorted((run / "tables").iterdir())}
    return {"samples": samples, "scores": scores, "media": media, "tables": tables}


def _lines(folder: Path) -> list[str]:
    """Every promised line: what follows the last newline of a file was never promised."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().split("\n")[:-1]]


def _without(line: str, *fields: str) -> str:
    row = json.loads(line)
    return json.dumps({name: value for name, value in row.items() if name not in fields}, sort_keys=True)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
