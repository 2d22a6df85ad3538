"""What judges said of themselves when they were made, so that the next command need not load a network to hear it.

A judge's digest is of its code and its files: what is remembered counts for as long as both, and the packages that a
judge is made with, are as they were.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from typing_extensions import TypedDict

from nova_eval import files, judges, reading, weights
from nova_eval.environment import cache_root, package_versions
from nova_eval.errors import NovaEvalError, PrerequisiteError
from nova_eval.weights import catalogue


class _Known(TypedDict):
    code: str
    files: dict[str, list[int]]
    digest: str
    light: bool


def recall(judge: str) -> tuple[str, bool] | None:
    """The letters that name the folder of a judge's scores, and whether it is light; ``None`` where nothing is known.

    Judges without files are made in a moment, and those of other packages may depend on whatever they like.
    """
    row = _rows().get(judge)
    if row is None or row["code"] != _code() or row["files"] != _states(judge):
        return None
    return row["digest"], row["light"]


def remember(judge: str, digest: str, *, light: bool) -> None:
    """Writes down what a judge said, unless its files may still change without a trace."""
    states = _states(judge)
    if not (states and judges.JUDGES.is_own(judge) and all(files.is_settled(s) for s in states.values())):
        return
    rows = {**_rows(), judge: _Known(code=_code(), files=states, digest=digest, light=light)}
    with suppress(PrerequisiteError):  # a memory that cannot be written costs time, nothing else
        files.write(_memory(), json.dumps(rows))


def _memory() -> Path:
    return cache_root() / "looks" / "judges.json"


def _rows() -> dict[str, _Known]:
    try:
        return reading.json_file(_memory(), dict[str, _Known])
    except NovaEvalError:
        return {}


def _states(judge: str) -> dict[str, list[int]]:
    """The files of a judge that are here, as they are now."""
    found = [path for row in catalogue.needs(judge) if (path := catalogue.find(row.name)) is not None]
    try:
        return {str(path.absolute()): list(files.state(path)) for path in found}
    except OSError:
        return {}


@cache
def _code() -> str:
    """What a judge is made with, as one digest."""
    folders = [Path(str(package.__file__)).parent for package in (judges, weights)]
    sources = [path for folder in folders for path in sorted(folder.glob("*.*")) if path.is_file()]
    read = sha256(b"".join(path.read_bytes() for path in sources))
    read.update(json.dumps(package_versions(), sort_keys=True).encode())
    return read.hexdigest()
