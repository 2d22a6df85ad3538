"""T2I-CompBench(++): eight categories of 300 prompts, ten images a prompt, each category a mean of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nova_eval.adapters.compose import metrics_of
from nova_eval.adapters.names import SIDE
from nova_eval.adapters.reduce import (
    NOT_SCORED,
    complete,
    pairs_of,
)
from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.rule import Rule, under
from nova_eval.adapters.suite import Suite, read_suite
from nova_eval.adapters.t2i_compbench.attributes import attribute_binding
from nova_eval.adapters.t2i_compbench.names import T2ICompBenchNames
from nova_eval.adapters.t2i_compbench.numeracy import numeracy
from nova_eval.adapters.t2i_compbench.parses import Parses, bring_parses, load_parses
from nova_eval.adapters.t2i_compbench.positions import position_2d, position_3d
from nova_eval.adapters.t2i_compbench.prompts import CATEGORIES, KIND
from nova_eval.adapters.t2i_compbench.prompts import official as official_suite
from nova_eval.adapters.t2i_compbench.results import result_files
from nova_eval.adapters.t2i_compbench.similarity import complex_action, non_spatial
from nova_eval.adapters.t2i_compbench.spatial import (
    complex_spatial,
    spatial_2d,
    spatial_3d,
)
from nova_eval.config import facts_of, read_benchmark
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.protocols import Asking, Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

COMPLEX_PARTS: Mapping[str, tuple[str, ...]] = {
    "spatial": ("complex_attribute", "complex_spatial"),
    "action": ("complex_attribute", "complex_action"),
    "both": ("complex_attribute", "complex_spatial", "complex_action"),
}
"""Whose mean a complex image scores, by the kind of its prompt. Source: 3_in_1_eval/3_in_1.py."""

_UNKNOWN_KIND = "which rules judge this prompt is unknown without complex_val_spatial.txt and complex_val_action.txt"

_ALL_PHRASES = {"number": None, "no_question_is_a_full_score": False, "four_decimals": False}
_PLACES: Mapping[str, Any] = {
    "naive_matching": False,
    "below_half_is_zero": False,
    "position": partial(position_2d, on_top_of_never_holds=False, near_on_one_axis_is_near=False),
}
_REPAIRS: Mapping[str, Mapping[str, Any]] = {
    "color": _ALL_PHRASES,
    "shape": _ALL_PHRASES,
    "texture": _ALL_PHRASES,
    "spatial_2d": {**_PLACES, "objects_are_parsed": False},
    "spatial_3d": {
        "naive_matching": False,
        "objects_are_parsed": False,
        "position": partial(position_3d, columns_first=False),
    },
    "numeracy": {"labels_are_renamed": False},
    "complex_attribute": _ALL_PHRASES,
    "complex_spatial": _PLACES,
}


def official(parses: Parses) -> tuple[Rule, ...]:
    """The rules as published, every defect at its ``OFFICIAL_…`` value, over these readings of the prompts."""
    read = f"1+{parses.digest[:8]}"
    questions, places, depths, texts = "attribute_questions", "places", "places_and_depth", "image_text"

    def rule(name: str, role: str, judged: Callable[..., Asking[Score]], **settings: Any) -> Rule:
        return Rule(name, role, partial(judged, parses=parses, **settings), read)

    return (
        *(rule(name, questions, attribute_binding, metric=name) for name in ("color", "shape", "texture")),
        rule("spatial_2d", places, spatial_2d),
        rule("spatial_3d", depths, spatial_3d),
        Rule("numeracy", "counts", numeracy),
        Rule("non_spatial", texts, non_spatial),
        rule("complex_attribute", questions, attribute_binding, metric="complex_attribute"),
        rule("complex_spatial", places, complex_spatial),
        rule("complex_action", texts, complex_action),
    )


class T2ICompBench:
    """The benchmark as ``benchmarks/t2i_compbench/benchmark.toml`` describes it."""

    def __init__(self, parses: Parses | None = None) -> None:
        self.facts = facts_of("t2i_compbench")
        self.config = read_benchmark(self.facts)
        self._given = parses

    @cached_property
    def parses(self) -> Parses:
        """The readings of the prompts that the rules go by."""
        return self._given if self._given is not None else load_parses()

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        return read_suite(self.facts, variant, official_suite, mirror=mirror, offline=offline)

    def names(self, endings: Collection[str] = IMAGE_SUFFIXES, side: int = SIDE) -> T2ICompBenchNames:
        return T2ICompBenchNames(endings)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """Seven categories and the three parts of the eighth, under ``"official"`` or ``"corrected"`` scoring."""
        return under(scoring, official(self.parses), _REPAIRS)

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every (sample, scorer) pair that the metrics need; complex prompts need two or three."""
        return pairs_of(prompts, wanted, _needed)

    def reduce(self, rows: Sequence[Score], scoring: str = "official") -> list[Metric]:
        """Eight categories, each the mean over its images as a fraction. The benchmark has no overall score."""
        return metrics_of(self.config, rows)

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str = "official"
    ) -> list[Score]:
        """One row a wanted image and category, the parts of complex images put together."""
        kinds = {prompt.id: prompt.reference.get(KIND) for prompt in prompts}
        rows: list[Score] = []
        parts: dict[SampleKey, dict[str, Score]] = {}
        for row in complete(self.pairs(prompts, wanted), scores):
            if row.metric in COMPLEX_PARTS["both"]:
                parts.setdefault(row.key, {})[row.metric] = row
            elif row.metric == "complex" and row.reason == NOT_SCORED:
                rows.append(replace(row, reason=_UNKNOWN_KIND))
            else:
                rows.append(row)
        rows += [
            _together(key, [found[name] for name in COMPLEX_PARTS[str(kinds[key.prompt_id])]])
            for key, found in parts.items()
        ]
        return rows

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        return result_files(results)

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        """The rules ask about what a parser read in the prompts."""
        return (bring_parses(mirror),)


def _needed(prompt: Prompt) -> tuple[str, ...]:
    names = [name for name in CATEGORIES if name in prompt.tags]
    if "complex" in names and prompt.reference.get(KIND) in COMPLEX_PARTS:
        names.remove("complex")
        names += COMPLEX_PARTS[prompt.reference[KIND]]
    return tuple(names)


def _together(key: SampleKey, parts: Sequence[Score]) -> Score:
    """The mean of a complex image's parts; undecided while one of them is, left out where one is left out."""
    for part in sorted(parts, key=lambda part: part.weight == 0):
        if part.value is None:
            return replace(part, metric="complex", reason=f"{part.metric}: {part.reason}", detail={})
    value = sum(part.value or 0.0 for part in parts) / len(parts)
    return Score(key, "complex", value, detail={part.metric: part.value for part in parts})
