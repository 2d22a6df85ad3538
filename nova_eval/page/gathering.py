"""Runs as a page tells of them: each opened and summarised, and held against the first where they can be."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval.compare.comparing import Series, compare
from nova_eval.compare.gates import gates_of
from nova_eval.compare.sides import of_run
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import NovaEvalError, UsageError
from nova_eval.records import Prompt, SampleKey
from nova_eval.report.tables import run_labels
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome, summarise


@dataclass(frozen=True, slots=True)
class Told:
    """One run. ``other`` are the prompts that say something else than those of the first run under the same ids."""

    opened: Run
    outcome: Outcome
    label: str
    manifest: dict[str, Any]
    other: frozenset[str] = frozenset()

    @property
    def folder(self) -> Path:
        return self.opened.store.folder


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs of a page. ``prompts`` and ``keys`` are all that any of them has, in the first run's order.

    ``series`` holds the runs against the first; ``apart`` says why it does not, where there are several.
    """

    config: BenchmarkConfig
    runs: tuple[Told, ...]
    prompts: tuple[Prompt, ...]
    keys: tuple[SampleKey, ...]
    series: Series | None
    apart: str


def gathered(folders: Sequence[Path], allow: Collection[str] = (), *, held: bool = True) -> Gathered:
    """UsageError where runs are of several benchmarks, or one is named twice. Runs that are too unlike stand apart.

    Without ``held`` none is held against another.
    """
    if not folders:
        raise UsageError("no run was named", remedy="name one; see `nova-eval runs list`")
    places = [folder.resolve() for folder in folders]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise UsageError(f"{twice} is named twice", remedy="name each run once")
    opened = [reopen(folder) for folder in folders]
    if len(benchmarks := sorted({run.spec.benchmark for run in opened})) > 1:
        raise UsageError(f"runs of {' and '.join(benchmarks)} share no page", remedy="make a page for each benchmark")
    outcomes = [summarise(run) for run in opened]
    labels = run_labels([outcome.summary for outcome in outcomes])
    first = {prompt.id: prompt for prompt in opened[0].prompts}
    told = []
    for run, outcome, label in zip(opened, outcomes, labels, strict=True):
        other = frozenset(p.id for p in run.prompts if p.id in first and _unlike(p, first[p.id]))
        told.append(Told(run, outcome, label, run.store.manifest() or {}, other))
    prompts = {prompt.id: prompt for run in reversed(opened) for prompt in run.prompts} | first
    order = dict.fromkeys(prompt.id for run in opened for prompt in run.prompts)
    series, apart = _held(folders, allow) if held else (None, "")
    return Gathered(
        opened[0].config,
        tuple(told),
        tuple(prompts[name] for name in order),
        tuple(dict.fromkeys(key for run in opened for key in run.wanted)),
        series,
        apart,
    )


def _unlike(one: Prompt, other: Prompt) -> bool:
    return (one.text, one.reference) != (other.text, other.reference)


def _held(folders: Sequence[Path], allow: Collection[str]) -> tuple[Series | None, str]:
    if len(folders) < 2:
        return None, ""
    try:
        sides = [of_run(folder) for folder in folders]
        return compare(sides[0], sides[1:], gates_of(sides[0].benchmark.config), allow), ""
    except NovaEvalError as error:
        if allow:
            raise
        return None, str(error)
