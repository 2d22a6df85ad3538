"""The runs there are: what each is of, how far it is, what came out; and giving one another name, or up."""

from __future__ import annotations

import shutil
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.config import CUSTOM
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.options import check_name
from nova_eval.runs.finding import folders, name_of
from nova_eval.runs.holding import at_work, held
from nova_eval.runs.opening import reopen
from nova_eval.runs.options import usual_settings
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import settings_of
from nova_eval.store import RunStore


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as a list has it. ``settings`` are those of its sampler that are not its defaults.

    ``prompts`` are wanted with between ``per_prompt`` samples each, ``wanted`` in all, of which ``done`` are there.
    ``scored`` is the share of scores that is decided, ``score`` the ``headline`` metric in raw units where it is known.
    ``problem`` says why a run cannot be read: then nothing else is known.
    """

    name: str
    folder: Path
    problem: str = ""
    label: str = ""
    model: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    variant: str = ""
    scoring: str = ""
    suite: int = 0
    prompts: int = 0
    per_prompt: tuple[int, int] = (0, 0)
    wanted: int = 0
    done: int = 0
    scored: float | None = None
    headline: str = ""
    score: float | None = None
    status: str = ""
    at_work: bool = False
    started: str = ""
    finished: str = ""


def entries(results: Path, benchmark: str = "*") -> list[Entry]:
    """Every run below ``results``, of all benchmarks or of one, in the order of their names."""
    return [entry(folder) for folder in folders(results, benchmark)]


def entry(folder: Path) -> Entry:
    """What is known of one run."""
    try:
        opened, manifest = reopen(folder), RunStore(folder).manifest() or {}
        complete = manifest.get("status") == "complete"
        done = len(opened.wanted) if complete else len(set(opened.wanted) & opened.samples()[0].keys())
        working = at_work(opened.store)
        told = manifest.get("coverage", {}).get("fraction")
        scored = summarise(opened).summary.coverage.fraction if working else told
    except NovaEvalError as error:
        return Entry(name_of(folder), folder, problem=error.problem)
    counts = Counter(key.prompt_id for key in opened.wanted).values()
    metrics = manifest.get("metrics", {})
    headline = opened.config.headline if len(metrics) != 1 else next(iter(metrics))
    return Entry(
        name=name_of(folder),
        folder=folder,
        label=opened.options.label,
        model=opened.model,
        settings=settings(opened),
        seed=opened.spec.seed,
        variant=opened.spec.variant,
        scoring=opened.options.scoring,
        suite=len(opened.suite),
        prompts=len(opened.prompts),
        per_prompt=(min(counts, default=0), max(counts, default=0)),
        wanted=len(opened.wanted),
        done=done,
        scored=scored,
        headline=headline if metrics.get(headline) is not None else "",
        score=metrics.get(headline),
        status=str(manifest.get("status", "")),
        at_work=working,
        started=str(manifest.get("started", "")),
        finished=str(manifest.get("finished", "")),
    )


def settings(opened: Run) -> dict[str, Any]:
    """What the sampler was told that neither its profile nor its own defaults say. Imports nobody's code."""
    told, config = opened.spec.sampler, opened.config
    known = settings_of(SAMPLERS.get(told.name)) if SAMPLERS.is_own(told.name) else {}
    usual = {name: setting.default for name, setting in known.items()}
    own_names = told.settings.get("names") == CUSTOM
    usual |= usual_settings(told.name, known, config.profiles.get(opened.options.profile), config, own_names=own_names)
    return {
        name: value
        for name, value in told.settings.items()
        if (name not in usual or usual[name] != value) and value != opened.model
    }


def rename(folder: Path, name: str) -> Path:
    """Gives a run another name and returns its folder. UsageError where there is one of that name."""
    check_name(name)
    target = folder.parent / name
    if target.exists() or target.is_symlink():
        raise UsageError(f"{name_of(target)} is there already", remedy="choose another name")
    with _held(folder):
        _move(folder, target)
    return target


def remove(folder: Path) -> None:
    """Deletes a run with all it holds; media that it only names stay. PrerequisiteError while a process works on it."""
    if folder.is_symlink():
        raise UsageError(f"{folder} is a link", remedy="remove the link, or name the folder it leads to")
    if not (folder / "prompts.jsonl").is_file():
        raise UsageError(f"{folder} is no run: it has no prompts.jsonl", remedy="remove it by other means")
    leaving = folder.with_name(f".{folder.name}.removed")
    with _held(folder):
        shutil.rmtree(leaving, ignore_errors=True)
        _move(folder, leaving)
        try:
            (leaving / "manifest.json").unlink()  # no run any more, whatever comes between
            shutil.rmtree(leaving)
        except OSError as error:
            raise PrerequisiteError(f"cannot remove {leaving}: {error.strerror or error}") from error


def _held(folder: Path) -> AbstractContextManager[None]:
    return held(RunStore(folder), name_of(folder))


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
        files.sync_folder(target.parent)
    except OSError as error:
        raise PrerequisiteError(f"cannot rename {folder}: {error.strerror or error}") from error
