"""What two sides have in common: the same prompts, samples and rules; and every metric of both over just that."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nova_eval.adapters.compose import formula
from nova_eval.adapters.reduce import reduced
from nova_eval.compare.sides import Side
from nova_eval.errors import UsageError
from nova_eval.records import Metric, Prompt, SampleKey, Score

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig

FEWEST = 2
"""Prompts below which nothing is known of how they vary."""

OF_OTHER = "not scored in the other run"


@dataclass(frozen=True, slots=True)
class Pairing:
    """Metrics of both sides over the samples that both have scored, and the scorers' rows that they were made of.

    ``alone`` counts the prompts and samples that one side has and the other has not. ``identical`` are the samples
    whose bytes are the same, ``seeded`` counts those of the same seed. ``lacking`` says by scorer how many scores the
    reference and the run lack: they are left out on both sides. ``right_or_wrong`` are the metrics that count samples,
    each of which is right (1) or wrong (0).
    """

    reference: Side
    run: Side
    prompts: tuple[Prompt, ...]
    metrics: tuple[tuple[Metric, Metric], ...]
    rows: tuple[tuple[Score, ...], tuple[Score, ...]]
    wanted: tuple[SampleKey, ...]
    alone: Mapping[str, int]
    identical: frozenset[SampleKey]
    seeded: int
    lacking: Mapping[str, tuple[int, int]]
    right_or_wrong: frozenset[str]

    def same(self, metric: str) -> bool:
        """Whether every sample that the metric is made of is byte for byte the same on both sides."""
        if not self.identical:
            return False
        parts = {metric, *self._parts(metric)}
        scored = [row for row in self.rows[1] if row.value is not None]
        keys = {row.key for row in scored if row.metric in parts} or {row.key for row in scored}
        return bool(keys) and keys <= self.identical

    def _parts(self, metric: str) -> list[str]:
        config = self.reference.benchmark.config
        return list(formula(config, metric).coefficients) if metric in config.composites else []


def paired(reference: Side, run: Side) -> Pairing:
    """Both sides cut to what they share. UsageError below two prompts."""
    prompts = shared(reference.prompts, run.prompts)
    if len(prompts) < FEWEST:
        what = "no prompt" if not prompts else "only one prompt"
        raise UsageError(
            f"{reference.name} and {run.name} have {what} in common, {FEWEST} at least are needed",
            remedy="compare runs of the same suite",
        )
    ids, there = {prompt.id for prompt in prompts}, set(run.wanted)
    wanted = tuple(key for key in reference.wanted if key in there and key.prompt_id in ids)
    sides, missing = _masked(reference, run, set(wanted))
    benchmark = reference.benchmark
    metrics = [
        {m.name: m for m in reduced(benchmark, prompts, wanted, rows, side.scoring)}
        for side, rows in zip((reference, run), sides, strict=True)
    ]
    known = benchmark.config.metrics
    composites = benchmark.config.composites if reference.own else ()
    shown = [name for name in known if name not in composites and name in metrics[0] and name in metrics[1]]
    pairs = tuple((metrics[0][name], metrics[1][name]) for name in shown)
    alone = {
        "prompts of the reference": len(reference.prompts) - len(prompts),
        "prompts of the run": len(run.prompts) - len(prompts),
        "samples of the reference": len(reference.wanted) - len(wanted),
        "samples of the run": len(run.wanted) - len(wanted),
    }
    return Pairing(
        reference=reference,
        run=run,
        prompts=prompts,
        metrics=tuple(pair for pair in pairs if pair[0].value is not None or pair[0].unscored or pair[1].unscored),
        rows=(tuple(sides[0]), tuple(sides[1])),
        wanted=wanted,
        alone=alone,
        identical=frozenset(
            key for key in wanted if key in run.digests and reference.digests.get(key) == run.digests[key]
        ),
        seeded=sum(key in run.seeds and reference.seeds.get(key) == run.seeds[key] for key in wanted),
        lacking=missing,
        right_or_wrong=_right_or_wrong(reference.benchmark.config, sides[1]),
    )


def _right_or_wrong(config: BenchmarkConfig, rows: Iterable[Score]) -> frozenset[str]:
    """The dimensions of such scores, and the composites that are nothing but means of them."""
    scored: set[str] = set()
    between: set[str] = set()
    for row in rows:
        if row.value is not None and row.weight > 0:
            scored.add(row.metric)
            if row.weight != 1 or row.value not in (0.0, 1.0):
                between.add(row.metric)
    dimensions = scored & config.dimensions.keys() - between
    composites = {
        name
        for name in config.composites
        if (made := formula(config, name)).coefficients.keys() <= dimensions
        and abs(math.fsum(made.coefficients.values()) - 1) < 1e-9
    }
    return frozenset(dimensions | composites)


def shared(first: Iterable[Prompt], second: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Prompts that say the same on both sides, with the tags that both ask of them. Texts to sample may differ."""
    others = {prompt.id: prompt for prompt in second}
    found = []
    for prompt in first:
        other = others.get(prompt.id)
        if other is not None and (other.text, other.reference) == (prompt.text, prompt.reference):
            tags = tuple(tag for tag in prompt.tags if tag in other.tags)
            found.append(replace(prompt, tags=tags))
    return tuple(found)


def _masked(
    reference: Side, run: Side, wanted: set[SampleKey]
) -> tuple[tuple[list[Score], list[Score]], dict[str, tuple[int, int]]]:
    """The rows of both sides, undecided where one of them is; and how many each side lacks, by metric."""
    sides = [_best(side.rows, wanted) for side in (reference, run)]
    decided = [{pair for pair, row in rows.items() if row.decided} for rows in sides]
    every = sides[0].keys() | sides[1].keys()
    lacking = [Counter(metric for _, metric in every - there) for there in decided]
    cut = [
        [row if pair in others else replace(row, value=None, weight=1.0, reason=OF_OTHER) for pair, row in rows.items()]
        for rows, others in zip(sides, reversed(decided), strict=True)
    ]
    names = sorted(lacking[0].keys() | lacking[1].keys())
    return (cut[0], cut[1]), {name: (lacking[0][name], lacking[1][name]) for name in names}


def _best(rows: Iterable[Score], wanted: set[SampleKey]) -> dict[tuple[SampleKey, str], Score]:
    """One row a pair, a decided one where there is one: several rows of a pair are of one side alike."""
    found: dict[tuple[SampleKey, str], Score] = {}
    for row in rows:
        if row.key in wanted:
            pair = (row.key, row.metric)
            if pair not in found or (row.decided and not found[pair].decided):
                found[pair] = row
    return found
