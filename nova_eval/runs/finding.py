"""Where runs lie, and which is meant by a name. Opens none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from nova_eval.errors import CorruptStoreError, unknown
from nova_eval.store import RunStore


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


def scored_in(folder: Path) -> Mapping[str, str]:
    """Where the run in ``folder`` keeps the scores of each scorer; nothing where no run can be read there."""
    try:
        scorers: Mapping[str, str] = (RunStore(folder).manifest() or {}).get("scorers", {})
    except CorruptStoreError:
        return {}  # whoever opens this run is told
    return scorers
