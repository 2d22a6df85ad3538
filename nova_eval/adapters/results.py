"""What a benchmark needs to write a run's scores in the shape of its official result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nova_eval.records import Metric, Prompt, SampleKey, Score


@dataclass(frozen=True)
class OfficialResults:
    """``rows`` are the scorers' rows, ``counted`` those that the metrics are made of; ``paths`` are the exported files.

    Of ``rows`` and ``counted`` only what has a number and a path is here.
    """

    model: str
    prompts: Sequence[Prompt]
    rows: Sequence[Score]
    counted: Sequence[Score]
    metrics: Sequence[Metric]
    paths: Mapping[SampleKey, str]

    @cached_property
    def prompt(self) -> Mapping[str, Prompt]:
        """Prompts by id."""
        return {prompt.id: prompt for prompt in self.prompts}

    @cached_property
    def metric(self) -> Mapping[str, Metric]:
        """Metrics by name."""
        return {metric.name: metric for metric in self.metrics}

    def complete(self, name: str) -> bool:
        """Whether the metric is stated over everything that was wanted."""
        metric = self.metric.get(name)
        return metric is not None and metric.value is not None and not metric.unscored

    def of(self, metric: str) -> list[Score]:
        """The scorers' rows under a name, by the place of their prompts in the suite."""
        places = {prompt.id: place for place, prompt in enumerate(self.prompts)}
        rows = [row for row in self.rows if row.metric == metric]
        return sorted(rows, key=lambda row: (places[row.key.prompt_id], row.key.index))
