"""From the rows on disk to a run's metrics, coverage and latency. Reads only; needs no network and no torch."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nova_eval import environment
from nova_eval.adapters.own import why_not
from nova_eval.adapters.reduce import coverage_of
from nova_eval.adapters.rule import RATE_IS, count
from nova_eval.config import CUSTOM, BenchmarkConfig
from nova_eval.identity import digest
from nova_eval.plan import share
from nova_eval.records import Latency, Metric, Prompt, RunSummary, Sample, SampleKey, Score
from nova_eval.rows import many
from nova_eval.runs.part import serving
from nova_eval.runs.run import Run

if TYPE_CHECKING:
    from nova_eval.report.grid import Table


NOT_SAMPLED = "not sampled yet"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A summary and what it was made from: all rows, and of those ``counted`` what the metrics are of.

    ``share_unscored`` counts the pairs that this shard has yet to decide.
    """

    summary: RunSummary
    rows: tuple[Score, ...]
    counted: tuple[Score, ...]
    samples: dict[SampleKey, Sample]
    share_unscored: int


@many()
def summarise(opened: Run) -> Outcome:
    """What the rows on disk say now of the samples that are wanted."""
    rows, samples = rows_of(opened)
    scoring = opened.options.scoring
    counted = opened.benchmark.rows(opened.prompts, opened.wanted, rows, scoring)
    metrics = opened.benchmark.reduce(counted, scoring)
    metrics = told(metrics, opened.config, opened.prompts, opened.options.metrics, own=opened.own)
    note = opened.config.note_of(opened.spec.variant, opened.options.judges)
    own_notes = opened.suite_facts.get("notes", ()) if opened.own else ()
    there = [samples[key] for key in opened.wanted if key in samples]
    counts = Counter(key.prompt_id for key in opened.wanted).values()
    summary = RunSummary(
        run=opened.name,
        model=opened.model,
        benchmark=opened.spec.benchmark,
        variant=CUSTOM if opened.own else opened.spec.variant,
        scoring=scoring,
        samples_per_prompt=str(opened.options.samples_per_prompt),
        prompts=len(opened.prompts),
        samples=len(there),
        metrics=tuple(metrics),
        coverage=coverage_of(counted),
        latency=_latency(opened, there),
        notes=(*([note] if note else []), *own_notes, *_long_clips(opened, there), *_rates(counted)),
        suite=len(serving(opened.suite, opened.options.metrics)),
        per_prompt=(min(counts, default=0), max(counts, default=0)),
        selection=digest(sorted(opened.wanted)),
        label=opened.options.label,
        departs=opened.departs,
    )
    mine = share(opened.wanted, opened.options)
    own = counted if len(mine) == len(opened.wanted) else opened.benchmark.rows(opened.prompts, mine, rows, scoring)
    return Outcome(summary, tuple(rows), tuple(counted), samples, coverage_of(own).unscored)


def clips_of(opened: Run, outcome: Outcome) -> Table:
    """What each wanted sample scored."""
    from nova_eval.report.clips import clip_table

    return clip_table(opened.config, opened.prompts, opened.wanted, outcome.samples, outcome.counted)


def told(
    metrics: Sequence[Metric], config: BenchmarkConfig, prompts: Sequence[Prompt], asked: Sequence[str], *, own: bool
) -> list[Metric]:
    """Those that were asked for, all without any; prompts of one's ``own`` make no composite."""
    kept = [metric for metric in metrics if not asked or metric.name in asked]
    return [_of_own(metric, config, prompts) for metric in kept] if own else kept


def _of_own(metric: Metric, config: BenchmarkConfig, prompts: Sequence[Prompt]) -> Metric:
    """A dimension that none of the prompts serves says why."""
    if metric.name in config.composites:
        return replace(metric, value=None, interval=None, reason="prompts of one's own have no total")
    if metric.value is None and not metric.unscored and metric.name in config.dimensions:
        return replace(metric, reason=why_not(config, metric.name, prompts))
    return metric


@many()
def rows_of(opened: Run) -> tuple[list[Score], dict[SampleKey, Sample]]:
    """The score rows of the wanted samples, a reason in place of each one that cannot be there; and the samples."""
    samples, absent = opened.samples()
    wanted = set(opened.wanted)
    rows = []
    for plan in opened.judging.plans:
        found = opened.store.scores(plan.folder, samples)
        rows += [row for (key, _), row in sorted(found.items()) if key in wanted]
    unavailable = opened.judging.unavailable
    for key, name in opened.pairs():
        if name in unavailable:
            rows.append(Score(key, name, None, reason=unavailable[name]))
        elif key not in samples:
            rows.append(Score(key, name, None, reason=absent.get(key, NOT_SAMPLED)))
    return rows, samples


def _long_clips(opened: Run, samples: Sequence[Sample]) -> list[str]:
    """A line where clips are so long that published rows follow another protocol."""
    protocol = opened.config.protocol
    if opened.own or not protocol.long_clips or not opened.config.with_baselines(opened.spec.variant):
        return []
    long = sum(sample.fps > 0 and sample.frames / sample.fps >= protocol.long_clips for sample in samples)
    if not long:
        return []
    return [
        f"{long} of {len(samples)} clips {'lasts' if long == 1 else 'last'} {protocol.long_clips:.1f} s or more; "
        f"published leaderboard rows score such clips with {protocol.long_protocol}, whose numbers differ"
    ]


def _rates(rows: Sequence[Score]) -> list[str]:
    """A line for each kind of frame rate that scores depend on and files do not declare."""
    counts = Counter(str(row.detail[RATE_IS]) for row in rows if RATE_IS in row.detail)
    return [f"of {count(number, 'clip')} the frame rate is {what}" for what, number in sorted(counts.items())]


def _latency(opened: Run, samples: Sequence[Sample]) -> Latency | None:
    timed = [sample for sample in samples if sample.seconds > 0]
    if not timed:
        return None
    seconds = statistics.fmean(sample.seconds for sample in timed)
    frames = statistics.fmean(sample.frames for sample in timed)
    device = str((opened.store.manifest() or {}).get("device") or environment.cpu_name())
    return Latency(seconds, frames / seconds, device)
