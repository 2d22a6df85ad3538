"""Where runs lie, and which is meant by a name. Opens none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.errors import CorruptStoreError, UsageError, unknown
from nova_eval.store import RunStore

_DIGEST = re.compile(r"[0-9a-f]{8}")


def folders(results: Path, benchmark: str = "*") -> Iterator[Path]:
    """Every run's folder, in the order of their names."""
    found = sorted((results / "runs").glob(f"{benchmark}/*/manifest.json"))
    return (path.parent for path in found if not path.parent.name.startswith("."))  # those are being removed


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
    called = files.given(name)
    inside = sorted(results.glob("runs/*")) if name.strip("./") and not called.is_absolute() else []
    choices = (called, results / "runs" / called, *(benchmark / called for benchmark in inside))
    return next((folder for folder in choices if (folder / "manifest.json").exists()), None)


def home(runs: Path, model: str, identity: str, name: str = "") -> Path:
    """The folder below ``runs`` of the run of this identity: the one called ``name``, or after its model and identity.

    Without a name, a run that was renamed is found by its identity. UsageError where that is of several, and where a
    folder of that name is of another run.
    """
    usual = runs / (name or f"{model}-{identity}")
    there = _manifest(usual)
    if there and identity_of(there) != identity:
        raise UsageError(
            f"{name_of(usual)} is another run: of other settings, prompts, seed or weights",
            remedy="give this one a --name of its own",
        )
    if name or there:
        return usual
    others = [folder for folder in folders(runs.parent.parent, runs.name) if identity_of(_manifest(folder)) == identity]
    if len(others) > 1:
        raise UsageError(
            f"{len(others)} runs are of these settings: {', '.join(folder.name for folder in others)}",
            remedy="say which with --name",
        )
    return others[0] if others else usual


def identity_of(manifest: Mapping[str, Any]) -> str:
    """The digest of all that makes a run's samples; "" where the manifest does not tell."""
    told = manifest.get("identity") or str(manifest.get("run", "")).rpartition("-")[2]  # earlier versions named it so
    return told if _DIGEST.fullmatch(told) else ""


def label_in(folder: Path) -> str:
    """What the run in ``folder`` is called in tables, "" where that is its model."""
    return str(_manifest(folder).get("options", {}).get("label", ""))


def scored_in(folder: Path) -> Mapping[str, str]:
    """Where the run in ``folder`` keeps the scores of each scorer; nothing where no run can be read there."""
    scorers: Mapping[str, str] = _manifest(folder).get("scorers", {})
    return scorers


def _manifest(folder: Path) -> Mapping[str, Any]:
    """Nothing where there is none, or none that can be read: whoever opens that run is told."""
    try:
        return RunStore(folder).manifest() or {}
    except CorruptStoreError:
        return {}
