"""Runs the command line as a user would and reads back what must be equal between equal runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


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
