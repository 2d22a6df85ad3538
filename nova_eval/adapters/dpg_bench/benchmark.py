"""DPG-Bench: 1065 long prompts, four images a prompt, one score and its categories."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

from nova_eval.adapters.dpg_bench.answers import questioned
from nova_eval.adapters.dpg_bench.names import DPGBenchNames
from nova_eval.adapters.dpg_bench.prompts import CATEGORIES, DETAILED, OVERALL
from nova_eval.adapters.dpg_bench.prompts import official as official_suite
from nova_eval.adapters.dpg_bench.questions import (
    QuestionTable,
    broad_category,
    category_of,
    load_table,
    own_questions,
)
from nova_eval.adapters.dpg_bench.results import result_files
from nova_eval.adapters.intervals import FRACTION
from nova_eval.adapters.names import SIDE
from nova_eval.adapters.reduce import complete, estimate, metric, pairs_of
from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.rule import Rule, under
from nova_eval.adapters.suite import Suite, read_suite
from nova_eval.config import facts_of, read_benchmark
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.protocols import Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

OFFICIAL_CATEGORIES_ARE_OF_THE_LAST_TILE = True
"""Category scores are made of the answers about each prompt's last image alone, before dependent questions are zeroed
(compute_dpg_bench.py ``compute_dpg_one_sample`` returns what its loop leaves behind). Corrected: of all images, zeroed.
With several processes the official code also mixes up which answers belong to which category: not reproduced."""


class DPGBench:
    """The benchmark as ``benchmarks/dpg_bench/benchmark.toml`` describes it."""

    def __init__(self, table: QuestionTable | None = None) -> None:
        self.facts = facts_of("dpg_bench")
        self.config = read_benchmark(self.facts)
        self._given = table

    @cached_property
    def table(self) -> QuestionTable:
        """The questions that are asked."""
        return self._given if self._given is not None else load_table()

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        return read_suite(self.facts, variant, official_suite, mirror=mirror, offline=offline)

    def names(self, endings: Collection[str] = IMAGE_SUFFIXES, side: int = SIDE) -> DPGBenchNames:
        return DPGBenchNames(endings, side)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """One rule, under ``"official"`` or ``"corrected"`` scoring; its version names the table of questions."""
        asked = Rule(OVERALL, "questions", partial(questioned, table=self.table), f"1+{self.table.digest[:8]}")
        return under(scoring, (asked,), {OVERALL: {"official": False}})

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every image is asked all its item's questions, whichever categories are wanted.

        UsageError for a prompt whose own questions cannot be read or depend on each other in a circle.
        """
        for prompt in prompts:
            own_questions(prompt)
        asked = {OVERALL, *CATEGORIES}
        return pairs_of(prompts, wanted, lambda prompt: () if asked.isdisjoint(prompt.tags) else (OVERALL,))

    def reduce(self, rows: Sequence[Score], scoring: str = "official") -> list[Metric]:
        """Broad categories, detailed ones, then ``overall``; fractions.

        ``overall`` is the mean over images. Categories pool the questions of all prompts and are no parts of it.
        """
        looked_at, answers = (_last_of_each(rows), "answers") if scoring == "official" else (rows, "counted")
        broad = _pooled(looked_at, answers, broad_category)
        detailed = _pooled(looked_at, answers, lambda category: f"{DETAILED}{category}")
        undecided = [row for row in looked_at if row.value is None]
        names = [*CATEGORIES, *sorted(broad.keys() - set(CATEGORIES)), *sorted(detailed)]
        pooled = {**broad, **detailed}
        return [
            *(metric(name, estimate([*pooled.get(name, ()), *undecided], FRACTION)) for name in names),
            metric(OVERALL, estimate(rows, FRACTION)),
        ]

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str = "official"
    ) -> list[Score]:
        """One row a wanted image."""
        return complete(self.pairs(prompts, wanted), scores)

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        return result_files(results)

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        return ()


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
