"""Which bytes a weight file must have: its publisher's checksum, or that of the first file that was fetched here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.weights.catalogue import Entry, cache_folder


def lock_path() -> Path:
    """``lock.json`` in the weights folder: what was fetched first, by name."""
    return cache_folder() / "lock.json"


def locked() -> dict[str, dict[str, Any]]:
    """``{name: {"sha256", "bytes", "url"}}``; nothing while there is no file, or none that can be read."""
    try:
        rows: dict[str, dict[str, Any]] = json.loads(lock_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return rows


def pinned(entry: Entry) -> tuple[str, str]:
    """The checksum (or the beginning of it) that the file must have and who says so; both "" for the first fetch."""
    if entry.sha256:
        return entry.sha256, "publisher"
    sha256 = str(locked().get(entry.name, {}).get("sha256", ""))
    return sha256, "first fetch" if sha256 else ""


def mismatch(entry: Entry, sha256: str) -> str:
    """What is wrong with bytes of this checksum, or ""."""
    expected, source = pinned(entry)
    if sha256.startswith(expected):
        return ""
    short = f"{expected[:12]}…" if len(expected) > 12 else expected
    return f"sha256 {sha256[:12]}… is not the pinned {short} ({source})"


def pin(entry: Entry, sha256: str, size: int, url: str) -> None:
    """Writes down what was fetched. An entry that is there already stays as it is."""
    from filelock import FileLock

    path = lock_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".lock.json.lock")):
        rows = locked()
        if entry.name in rows:
            return
        rows[entry.name] = {"sha256": sha256, "bytes": size, "url": url}
        files.write(path, json.dumps(dict(sorted(rows.items())), indent=2) + "\n")
