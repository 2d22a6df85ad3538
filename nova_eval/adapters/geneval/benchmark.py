"""GenEval: six tasks, 553 prompts, four images a prompt, every image right or wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from nova_eval.adapters.compose import estimates
from nova_eval.adapters.geneval.decision import image_score
from nova_eval.adapters.geneval.prompts import TASKS
from nova_eval.adapters.reduce import (
    complete,
    coverage_of,
    estimate,
    metric,
)
from nova_eval.adapters.rule import Ask, Rule, first_frame
from nova_eval.config import load_benchmark_config
from nova_eval.errors import unknown
from nova_eval.protocols import Scorer
from nova_eval.records import Coverage, Metric, Prompt, SampleKey, Score

OFFICIAL = tuple(
    Rule(task, "objects", partial(image_score, metric=task), asks=(Ask("detect", first_frame),)) for task in TASKS
)

CORRECTED = OFFICIAL
"""No defect of the official rules is known, so both scorings are one and share their rows."""

IMAGES, PROMPTS = "correct_images", "correct_prompts"


class GenEval:
    """The benchmark as ``benchmarks/geneval/benchmark.toml`` describes it, or the part of it with ``tasks``."""

    def __init__(self, tasks: Sequence[str] = TASKS) -> None:
        whole = load_benchmark_config("geneval")
        self.config = whole.model_copy(update={"dimensions": {task: whole.dimensions[task] for task in tasks}})
        self.name = self.config.name
        self.version = self.config.version
        self.tasks = tuple(tasks)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """One rule a task, the same under both scorings."""
        sets = {"official": OFFICIAL, "corrected": CORRECTED}
        if scoring not in sets:
            raise unknown("scoring", scoring, sets)
        return [rule for rule in sets[scoring] if rule.name in self.tasks]

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every (sample, task) pair; a prompt serves one task."""
        tasks = {prompt.id: [task for task in self.tasks if task in prompt.tags] for prompt in prompts}
        for key in wanted:
            for task in tasks.get(key[0], ()):
                yield SampleKey(*key), task

    def reduce(
        self,
        prompts: Sequence[Prompt],
        wanted: Sequence[SampleKey],
        scores: Iterable[Score],
        scoring: str = "official",
    ) -> list[Metric]:
        """The tasks, the share of correct images and of prompts with a correct image, and ``overall``.

        A task is the mean over its images. ``overall`` is the mean over *tasks* whatever their number of images, and is
        stated only when every image of every task is decided.
        """
        self.scorers(scoring)
        rows = complete(self.pairs(prompts, wanted), scores)
        parts = {task: estimate([row for row in rows if row.metric == task]) for task in self.tasks}
        return [
            *(metric(task, part) for task, part in parts.items()),
            metric(IMAGES, estimate(rows)),
            metric(PROMPTS, estimate(_best_by_prompt(rows))),
            *(metric(name, part) for name, part in estimates(self.config, parts).items()),
        ]

    def coverage(
        self,
        prompts: Sequence[Prompt],
        wanted: Sequence[SampleKey],
        scores: Iterable[Score],
        scoring: str = "official",
    ) -> Coverage:
        """How many of the wanted images are decided, and why the others are not."""
        self.scorers(scoring)
        return coverage_of(complete(self.pairs(prompts, wanted), scores))


def _best_by_prompt(rows: Sequence[Score]) -> list[Score]:
    """One row a prompt: right if any of its images is; undecided when none is right and some are not decided."""
    best: dict[str, Score] = {}
    for row in sorted(rows, key=lambda row: (row.value != 1, row.value is not None, row.key)):
        best.setdefault(row.key.prompt_id, row)
    return list(best.values())
