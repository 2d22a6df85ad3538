"""One side of a comparison: what a run says of its samples, read from its folder or from a reference file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval.adapters.reduce import coverage_of, reduced
from nova_eval.config import CUSTOM
from nova_eval.errors import UsageError
from nova_eval.identity import digest
from nova_eval.protocols import Benchmark
from nova_eval.records import Prompt, RunSummary, Sample, SampleKey, Score
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.summary import rows_of
from nova_eval.runs.summary import told as told_of


@dataclass(frozen=True, slots=True)
class Side:
    """``prompts`` and ``wanted`` are the part of the suite that the run is of, ``rows`` what scorers say of it.

    ``own`` says that prompts are of its user's: they make no composite. ``where`` is the folder or file.
    """

    where: Path
    name: str
    model: str
    manifest: Mapping[str, Any]
    benchmark: Benchmark
    scoring: str
    own: bool
    prompts: tuple[Prompt, ...]
    wanted: tuple[SampleKey, ...]
    rows: tuple[Score, ...]
    seeds: Mapping[SampleKey, int]
    digests: Mapping[SampleKey, str]


def of_run(folder: Path) -> Side:
    """The side of a run's folder, finished or not. UsageError where nothing of it is scored."""
    opened = reopen(folder)
    return of_opened(opened, *rows_of(opened))


def of_opened(opened: Run, rows: Sequence[Score], samples: Mapping[SampleKey, Sample]) -> Side:
    """The same of a run, or a part of it, whose rows are read."""
    if not any(row.decided for row in rows):
        folder = opened.store.folder
        raise UsageError(f"{folder} has no scores", remedy=f"score it first: nova-eval score {folder}")
    return _side(opened, rows, samples, opened.store.manifest() or {})


def so_far(opened: Run, manifest: Mapping[str, Any]) -> Side:
    """What is on disk of the part of a run that is wanted; nothing at all may be there yet."""
    return _side(opened, *rows_of(opened), manifest)


def _side(opened: Run, rows: Sequence[Score], samples: Mapping[SampleKey, Sample], manifest: Mapping[str, Any]) -> Side:
    return Side(
        where=opened.store.folder,
        name=opened.name,
        model=opened.model,
        manifest=manifest,
        benchmark=opened.benchmark,
        scoring=opened.options.scoring,
        own=opened.own,
        prompts=opened.prompts,
        wanted=opened.wanted,
        rows=tuple(rows),
        seeds={key: samples[key].seed for key in opened.wanted if key in samples},
        digests={key: samples[key].digest for key in opened.wanted if key in samples},
    )


def summary_of(side: Side) -> RunSummary:
    """What a table says of a side: as of its run, but for what sampling cost and notes on its media."""
    told, config = side.manifest, side.benchmark.config
    options, variant = told.get("options", {}), told["spec"]["variant"]
    asked = tuple(options.get("metrics") or ())
    metrics = reduced(side.benchmark, side.prompts, side.wanted, side.rows, side.scoring)
    counts = Counter(key.prompt_id for key in side.wanted).values()
    note = config.note_of(variant, options.get("judges", ""))
    return RunSummary(
        run=side.name,
        model=side.model,
        benchmark=config.name,
        variant=CUSTOM if side.own else variant,
        scoring=side.scoring,
        samples_per_prompt=str(options.get("samples_per_prompt", "")),
        prompts=len(side.prompts),
        samples=len(side.digests),
        metrics=tuple(told_of(metrics, config, side.prompts, asked, own=side.own)),
        coverage=coverage_of(side.benchmark.rows(side.prompts, side.wanted, side.rows, side.scoring)),
        notes=(note,) if note else (),
        suite=0 if asked else told.get("suite", {}).get("prompts", 0),
        per_prompt=(min(counts, default=0), max(counts, default=0)),
        selection=digest(sorted(side.wanted)),
        label=str(options.get("label", "")),
        departs=tuple(map(str, told.get("departs", ()))),
    )
