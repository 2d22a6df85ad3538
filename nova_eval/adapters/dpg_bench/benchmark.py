"""DPG-Bench: 1065 long prompts, four images a prompt, one score and its categories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial

from nova_eval.adapters.dpg_bench.answers import questioned
from nova_eval.adapters.dpg_bench.prompts import CATEGORIES, OVERALL
from nova_eval.adapters.dpg_bench.questions import (
    Table,
    broad_category,
    category_of,
    load_table,
    own_questions,
)
from nova_eval.adapters.reduce import complete, coverage_of, estimate, metric
from nova_eval.adapters.rule import Rule, corrected
from nova_eval.config import load_benchmark_config
from nova_eval.errors import unknown
from nova_eval.protocols import Scorer
from nova_eval.records import Coverage, Metric, Prompt, SampleKey, Score

OFFICIAL_CATEGORIES_ARE_OF_THE_LAST_TILE = True
"""Category scores are made of the answers about each prompt's last image alone, before dependent questions are zeroed
(compute_dpg_bench.py ``compute_dpg_one_sample`` returns what its loop leaves behind). Corrected: of all images, zeroed.
With several processes the official code also mixes up which answers belong to which category: not reproduced."""

DETAILED = "L2 "
"""What the names of detailed categories begin with: ``"L2 attribute - color"``."""


class DPGBench:
    """The benchmark as ``benchmarks/dpg_bench/benchmark.toml`` describes it."""

    def __init__(self, table: Table | None = None) -> None:
        self.config = load_benchmark_config("dpg_bench")
        self.name = self.config.name
        self.version = self.config.version
        self._given = table

    @cached_property
    def table(self) -> Table:
        """The questions that are asked."""
        return self._given if self._given is not None else load_table()

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """One rule, under ``"official"`` or ``"corrected"`` scoring; its version names the table of questions."""
        if scoring not in {"official", "corrected"}:
            raise unknown("scoring", scoring, ["official", "corrected"])
        asked = Rule(OVERALL, "questions", partial(questioned, table=self.table), f"1+{self.table.digest[:8]}")
        return (asked,) if scoring == "official" else corrected((asked,), {OVERALL: {"official": False}})

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every image is asked all its item's questions, whichever categories are wanted.

        UsageError for a prompt whose own questions cannot be read or depend on each other in a circle.
        """
        for prompt in prompts:
            own_questions(prompt)
        asked = {prompt.id for prompt in prompts if not {OVERALL, *CATEGORIES}.isdisjoint(prompt.tags)}
        for key in wanted:
            if key[0] in asked:
                yield SampleKey(*key), OVERALL

    def reduce(
        self,
        prompts: Sequence[Prompt],
        wanted: Sequence[SampleKey],
        scores: Iterable[Score],
        scoring: str = "official",
    ) -> list[Metric]:
        """Broad categories, detailed ones, then ``overall``; fractions.

        ``overall`` is the mean over images. Categories pool the questions of all prompts and are no parts of it.
        """
        rows = complete(self.pairs(prompts, wanted), scores)
        looked_at, answers = (_last_of_each(rows), "answers") if scoring == "official" else (rows, "counted")
        broad = _pooled(looked_at, answers, broad_category)
        detailed = _pooled(looked_at, answers, lambda category: f"{DETAILED}{category}")
        undecided = [row for row in looked_at if row.value is None]
        names = [*CATEGORIES, *sorted(broad.keys() - set(CATEGORIES)), *sorted(detailed)]
        pooled = {**broad, **detailed}
        return [
            *(metric(name, estimate([*pooled.get(name, ()), *undecided])) for name in names),
            metric(OVERALL, estimate(rows)),
        ]

    def coverage(
        self,
        prompts: Sequence[Prompt],
        wanted: Sequence[SampleKey],
        scores: Iterable[Score],
        scoring: str = "official",
    ) -> Coverage:
        """How many of the wanted images are decided, and why the others are not."""
        return coverage_of(complete(self.pairs(prompts, wanted), scores))


def _last_of_each(rows: Sequence[Score]) -> list[Score]:
    last: dict[str, Score] = {}
    for row in rows:
        if row.key.prompt_id not in last or row.key.index > last[row.key.prompt_id].key.index:
            last[row.key.prompt_id] = row
    return list(last.values())


def _pooled(rows: Sequence[Score], answers: str, name_of: Callable[[str], str]) -> dict[str, list[Score]]:
    """One row an image and category, weighted by the number of its questions, so that means pool questions."""
    pooled: dict[str, list[Score]] = {}
    for row in rows:
        found: dict[str, list[float]] = {}
        for question, subject in row.detail.get("subjects", {}).items():
            found.setdefault(name_of(category_of(subject)), []).append(row.detail[answers][question])
        for name, values in found.items():
            pooled.setdefault(name, []).append(Score(row.key, name, sum(values) / len(values), float(len(values))))
    return pooled
