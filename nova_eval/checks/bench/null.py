"""A sampler, a rule and a benchmark that cost nothing, so that what remains is bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nova_eval.adapters.reduce import complete
from nova_eval.config import BenchmarkConfig, Dimension, Profile, Variant
from nova_eval.protocols import Frames, Item, SamplerInfo, Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

_PIXEL = np.zeros((1, 1, 1, 3), np.uint8)


class NullSampler:
    """One black pixel a sample."""

    light = True

    def __init__(self) -> None:
        self.info = SamplerInfo(name="null", modality="image")

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        return [_PIXEL for _ in prompts]


class NullScorer:
    """One for everything."""

    name, version, role = "null", "1", None

    def score(self, item: Item) -> Score:
        return Score(item.sample.key, self.name, 1.0)


class NullBenchmark:
    """The mean of ones, with as much of a benchmark as a run that is there already asks for."""

    name, version = "null", "1"
    config = BenchmarkConfig(
        name="null",
        version="1",
        modality="image",
        dimensions={"null": Dimension()},
        judges={"none": {}},
        variants={"null": Variant(judges="none")},
        profiles={"null": Profile(variant="null", sampler={"name": "null"})},
    )

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        return [NullScorer()]

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterable[tuple[SampleKey, str]]:
        return [(key, "null") for key in wanted]

    def reduce(self, rows: Sequence[Score], scoring: str) -> list[Metric]:
        values = [row.value for row in rows if row.value is not None]
        return [Metric("null", sum(values) / len(values) if values else None, samples=len(values))]

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str
    ) -> list[Score]:
        return complete(self.pairs(prompts, wanted), scores)
