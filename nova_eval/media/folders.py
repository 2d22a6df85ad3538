"""What lies in a folder of media that somebody gives us."""

from __future__ import annotations

import os
from pathlib import Path

from nova_eval.errors import PrerequisiteError

_RUN = frozenset({"manifest.json", "prompts.jsonl"})  # what every run of ours holds


def files_below(folder: Path) -> list[str]:
    """Every file below ``folder`` as a relative path, a folder's own first, by name.

    Hidden folders are left out, links followed once. Runs of ours that lie below are left out too: their media are
    copies, or another sampler's.
    """

    def unreadable(error: OSError) -> None:
        raise PrerequisiteError(f"cannot read the folder {error.filename}: {error.strerror}") from error

    files: list[str] = []
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, onerror=unreadable, followlinks=True):
        status = os.stat(root)
        inside = os.path.relpath(root, folder).replace(os.sep, "/")
        if (status.st_dev, status.st_ino) in seen or (inside != "." and _RUN.issubset(names)):
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files.extend(name if inside == "." else f"{inside}/{name}" for name in sorted(names))
    return files
