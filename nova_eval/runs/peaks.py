"""How much of an accelerator sampling and scoring took at most, by what earlier runs on this machine measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nova_eval import environment, files, reading
from nova_eval.errors import NovaEvalError, PrerequisiteError
from nova_eval.identity import digest
from nova_eval.runs.run import Run

SAMPLING, SCORING = "sampling", "scoring"


def remember(opened: Run, found: Mapping[str, int]) -> None:
    """Keeps the larger of what is known and ``found``: bytes that a process took for SAMPLING and SCORING."""
    rows, names = _rows(), _names(opened)
    rows |= {names[what]: max(taken, rows.get(names[what], 0)) for what, taken in found.items()}
    with suppress(PrerequisiteError):  # what cannot be written costs time, nothing else
        files.write(_memory(), json.dumps(rows))


def recall(opened: Run) -> tuple[int, int]:
    """The bytes that a process of this run takes for sampling and for scoring; 0 where that was not measured."""
    rows, names = _rows(), _names(opened)
    return rows.get(names[SAMPLING], 0), rows.get(names[SCORING], 0)


def _names(opened: Run) -> dict[str, str]:
    """What a peak depends on, as a digest: the machine, what is loaded, and how much of it is worked on at once."""
    spec = opened.spec.sampler.model_dump(mode="json")
    sampler = {"sampler": spec, "info": opened.info, "batch": opened.options.batch}
    machine = {"accelerators": environment.devices(), "versions": environment.package_versions()}
    judges = sorted(plan.folder for plan in opened.judging.plans)
    return {SAMPLING: digest({**machine, **sampler}), SCORING: digest({**machine, **sampler, "judges": judges})}


def _rows() -> dict[str, int]:
    try:
        return reading.json_file(_memory(), dict[str, int])
    except NovaEvalError:
        return {}


def _memory() -> Path:
    return environment.cache_root() / "looks" / "peaks.json"
