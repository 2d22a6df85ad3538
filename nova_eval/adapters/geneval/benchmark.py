"""GenEval: six tasks, 553 prompts, four images a prompt, every image right or wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from nova_eval.adapters.compose import metrics_of
from nova_eval.adapters.geneval.clauses import check_clauses
from nova_eval.adapters.geneval.decision import image_score
from nova_eval.adapters.geneval.names import GenEvalNames
from nova_eval.adapters.geneval.prompts import IMAGES, PROMPTS, TASKS
from nova_eval.adapters.geneval.prompts import official as official_suite
from nova_eval.adapters.geneval.results import result_files
from nova_eval.adapters.intervals import FRACTION
from nova_eval.adapters.names import SIDE
from nova_eval.adapters.reduce import (
    complete,
    estimate,
    metric,
    pairs_of,
)
from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.rule import Rule, under
from nova_eval.adapters.suite import Suite, read_suite
from nova_eval.config import CUSTOM, facts_of, read_benchmark
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.protocols import Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

OFFICIAL = tuple(Rule(task, "objects", partial(image_score, metric=task)) for task in TASKS)


class GenEval:
    """The benchmark as ``benchmarks/geneval/benchmark.toml`` describes it, or the part of it with ``tasks``."""

    def __init__(self, tasks: Sequence[str] = TASKS) -> None:
        self.facts = facts_of("geneval")
        whole = read_benchmark(self.facts)
        self.config = whole.model_copy(update={"dimensions": {task: whole.dimensions[task] for task in tasks}})
        self.tasks = tuple(tasks)

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        return read_suite(self.facts, variant, official_suite, mirror=mirror, offline=offline)

    def names(self, endings: Collection[str] = IMAGE_SUFFIXES, side: int = SIDE) -> GenEvalNames:
        return GenEvalNames(endings)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """One rule a task, the same under both scorings: no defect of the official rules is known."""
        return [rule for rule in under(scoring, OFFICIAL) if rule.name in self.tasks]

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every (sample, task) pair; a prompt serves one task.

        UsageError for a prompt of one's own that asks for what cannot be judged.
        """
        for prompt in prompts:
            if prompt.id.startswith(f"{CUSTOM}/") and not set(self.tasks).isdisjoint(prompt.tags):
                check_clauses(prompt)
        return pairs_of(prompts, wanted, lambda prompt: [task for task in self.tasks if task in prompt.tags])

    def reduce(self, rows: Sequence[Score], scoring: str = "official") -> list[Metric]:
        """The tasks, the share of correct images and of prompts with a correct image, and ``overall``.

        A task is the mean over its images. ``overall`` is the mean over *tasks* whatever their number of images, and is
        stated only when every image of every task is decided.
        """
        metrics = metrics_of(self.config, rows)
        whole = [metric(IMAGES, estimate(rows, FRACTION)), metric(PROMPTS, estimate(_best_by_prompt(rows), FRACTION))]
        return [*metrics[: len(self.tasks)], *whole, *metrics[len(self.tasks) :]]

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str = "official"
    ) -> list[Score]:
        """One row a wanted image."""
        self.scorers(scoring)
        return complete(self.pairs(prompts, wanted), scores)

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        return result_files(results)

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        return ()


def _best_by_prompt(rows: Sequence[Score]) -> list[Score]:
    """One row a prompt: right if any of its images is; undecided when none is right and some are not decided."""
    best: dict[str, Score] = {}
    for row in sorted(rows, key=lambda row: (row.value != 1, row.value is not None, row.key)):
        best.setdefault(row.key.prompt_id, row)
    return list(best.values())
