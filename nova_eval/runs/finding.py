"""Where runs lie, and which is meant by a name or a spec. Opens none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from nova_eval import files
from nova_eval.config import RunSpec
from nova_eval.errors import unknown
from nova_eval.store import MOST


def folders(results: Path, benchmark: str = "*") -> Iterator[Path]:
    """Every run's folder, in the order of their names."""
    return (path.parent for path in sorted((results / "runs").glob(f"{benchmark}/*/manifest.json")))


def name_of(folder: Path) -> str:
    """``benchmark/run``."""
    return f"{folder.parent.name}/{folder.name}"


def find(name: str, results: Path) -> Path:
    """A run's folder from its path, from ``benchmark/run`` or from ``run``. Did-you-mean among the runs there are."""
    if there := seek(name, results):
        return there
    known = map(name_of, folders(results))
    raise unknown("run", name, known, remedy=f"(looked in {results}; choose another with --results)")


def seek(name: str, results: Path) -> Path | None:
    """The folder that ``find`` finds, ``None`` where there is none."""
    inside = sorted((results / "runs").glob(f"*/{name}")) if name.strip("./") and not name.startswith("/") else []
    choices = (Path(name), results / "runs" / name, *inside)
    return next((folder for folder in choices if (folder / "manifest.json").exists()), None)


def earlier(spec: RunSpec, suite: str, results: Path) -> tuple[Path | None, Mapping[str, str]]:
    """The latest run of ``spec`` over the suite of this digest, and where it keeps the scores of each scorer."""
    found: list[tuple[str, Path, Mapping[str, str]]] = []
    asked = spec.model_dump(mode="json")
    for folder in folders(results, spec.benchmark):
        try:
            manifest = json.loads(files.read(folder / "manifest.json", MOST))
            if manifest["spec"] == asked and manifest["suite"]["digest"] == suite:
                found.append((manifest.get("started", ""), folder, manifest["scorers"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # whoever opens this run is told; it is not ours
    _, folder_found, scored = max(found, key=lambda row: row[:2], default=("", None, {}))
    return folder_found, scored
