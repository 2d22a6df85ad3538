"""What nova_eval asks of a benchmark: ``nova_eval.protocols.Benchmark`` says it member by member."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from example_benchmark.names import ExampleNames
from example_benchmark.rules import RULES
from nova_eval.adapters.compose import metrics_of
from nova_eval.adapters.names import SIDE
from nova_eval.adapters.reduce import complete, pairs_of
from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.rule import under
from nova_eval.adapters.sources import Source
from nova_eval.adapters.suite import Find, Suite, read_suite
from nova_eval.config import Facts, read_benchmark
from nova_eval.media import IMAGE_SUFFIXES
from nova_eval.protocols import Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

HERE = Path(str(files("example_benchmark")))


class Example:
    """Is an image bright, and does it show the shape that was asked for?"""

    def __init__(self) -> None:
        self.facts = Facts("example", HERE / "facts", HERE / "prompts")
        self.config = read_benchmark(self.facts)

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        return read_suite(self.facts, variant, official, mirror=mirror, offline=offline)

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        return ()

    def names(self, endings: Collection[str] = IMAGE_SUFFIXES, side: int = SIDE) -> ExampleNames:
        return ExampleNames(endings)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        return under(scoring, RULES)

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterable[tuple[SampleKey, str]]:
        return pairs_of(prompts, wanted, lambda prompt: [rule.name for rule in RULES if rule.name in prompt.tags])

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str
    ) -> list[Score]:
        return complete(self.pairs(prompts, wanted), scores)

    def reduce(self, rows: Sequence[Score], scoring: str) -> list[Metric]:
        return metrics_of(self.config, rows)

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        lines = [f"{results.paths[row.key]} {row.metric} {row.value}\n" for row in results.counted]
        return {"scores.txt": "".join(sorted(lines))}


def official(sources: Mapping[str, Source], find: Find) -> Suite:
    """The prompts in this package. A file of somebody else is pinned in ``SOURCE.toml``, and ``find`` brings it."""
    lines = (HERE / "prompts" / "prompts.txt").read_text(encoding="utf-8").splitlines()
    prompts = tuple(Prompt(f"example/{number:04d}", line, ("light",)) for number, line in enumerate(lines))
    return Suite("example", "official", prompts, "example_benchmark 1.0")
