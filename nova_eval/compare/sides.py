"""One side of a comparison: what a run says of its samples, read from its folder or from a reference file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nova_eval.errors import UsageError
from nova_eval.protocols import Benchmark
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.runs.opening import reopen
from nova_eval.runs.summary import rows_of


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
    rows, samples = rows_of(opened)
    if not any(row.decided for row in rows):
        raise UsageError(f"{folder} has no scores", remedy=f"score it first: nova-eval score {folder}")
    return Side(
        where=folder,
        name=opened.name,
        model=opened.model,
        manifest=opened.store.manifest() or {},
        benchmark=opened.benchmark,
        scoring=opened.options.scoring,
        own=opened.own,
        prompts=opened.prompts,
        wanted=opened.wanted,
        rows=tuple(rows),
        seeds={key: samples[key].seed for key in opened.wanted if key in samples},
        digests={key: samples[key].digest for key in opened.wanted if key in samples},
    )
