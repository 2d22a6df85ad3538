"""Whether a file that was fetched is what it should be: its size, its form, and a few names that it must hold."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from nova_eval import reading
from nova_eval.errors import PrerequisiteError
from nova_eval.weights.catalogue import WeightFile
from nova_eval.weights.loading import load_state_dict

_FAR, _SLACK = 2, 4096
_ARCHIVE = 64  # an archive may hold this many times its member


def most_bytes(row: WeightFile, *, in_archive: bool = False) -> int:
    """More than this is not the file, nor an archive of it."""
    return row.bytes * (_ARCHIVE if in_archive else _FAR) + _SLACK


def problem_of(row: WeightFile, path: Path) -> str:
    """Why ``path`` is not the file of ``row``, or "" where it opens and holds what it must; nothing in it is run."""
    size = path.stat().st_size
    if not row.bytes / _FAR - _SLACK <= size <= most_bytes(row):
        return f"{size:,} bytes are far from the expected {row.bytes:,}"
    try:
        found = _shapes(row, path)
    except PrerequisiteError as error:
        return f"it does not open as {row.name}: {error.problem.replace(str(path), '').strip(': ')}"
    for name, shape in row.holds.items():
        if name not in found:
            return f"it is not {row.name}: it holds no {name!r}"
        if shape and found[name] != shape:
            return f"it is not {row.name}: {name!r} is {found[name]}, not {shape}"
    return ""


def not_weights(path: Path) -> str:
    """A page that a server or a proxy sent in a file's place is not weights, nor is half of an archive.

    Servers that do not announce a length end a whole file and a broken connection in the same way.
    """
    with path.open("rb") as stream:
        beginning = stream.read(512).lstrip().lower()
    if beginning.startswith(b"pk\x03\x04") and not zipfile.is_zipfile(path):
        return "the archive is cut off"
    if not beginning:
        return "the file is empty"
    return "the answer is a web page" if beginning.startswith((b"<!doctype html", b"<html")) else ""


def _shapes(row: WeightFile, path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a weight file's tensors by name, the keys of a configuration, nothing of other files."""
    if row.wrapping != "file":
        found = load_state_dict(path, row.wrapping)
        if not found:
            raise PrerequisiteError(f"{path} holds no weights")
        return {name: tuple(tensor.shape) for name, tensor in found.items()}
    kind = Path(row.file).suffix
    if kind not in (".json", ".yaml"):
        return {}
    read = reading.json_file if kind == ".json" else reading.yaml_file
    return dict.fromkeys(read(path, dict[str, Any], error=PrerequisiteError), ())
