"""An open run: what was asked for, what it is called, where it lies, and which scorers and samples it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.options import RunOptions
from nova_eval.protocols import Benchmark, SamplerInfo
from nova_eval.records import Prompt, Sample, SampleKey
from nova_eval.runs.external import ExternalMedia
from nova_eval.runs.judging import Judging
from nova_eval.store import RunStore

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is open. ``prompts`` and ``wanted`` are the part asked for, ``suite`` all there are.

    ``whole`` are the prompts that official names count: more than ``suite`` where that is a chosen part of them.

    ``identity`` is a digest of all that makes its samples, "" where that is not known, whatever its folder is called.
    ``departs`` says which settings are not as numbers are published.
    ``light`` says that neither its sampler nor its judges use an accelerator or much memory.
    """

    spec: RunSpec
    options: RunOptions
    config: BenchmarkConfig
    benchmark: Benchmark
    suite: tuple[Prompt, ...]
    suite_facts: Mapping[str, Any]
    whole: tuple[Prompt, ...]
    prompts: tuple[Prompt, ...]
    wanted: tuple[SampleKey, ...]
    info: SamplerInfo
    external: ExternalMedia | None
    judging: Judging
    light: bool
    store: RunStore
    identity: str
    departs: tuple[str, ...]
    say: Say = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.spec.benchmark}/{self.store.folder.name}"

    @property
    def own(self) -> bool:
        """Whether its prompts are those of a user, written or chosen."""
        return self.options.prompts is not None

    @property
    def model(self) -> str:
        """The name that its user gave or its checkpoint has; the folder is called after it in plain letters."""
        return self.info.name

    def pairs(self, keys: Sequence[SampleKey] | None = None) -> list[tuple[SampleKey, str]]:
        """The (sample, scorer name) pairs that the metrics need of ``keys`` (default: of all that is wanted)."""
        needed = self.benchmark.pairs(self.prompts, self.wanted)
        if keys is None:
            return list(needed)
        places = {key: place for place, key in enumerate(keys)}
        return sorted((pair for pair in needed if pair[0] in places), key=lambda pair: places[pair[0]])

    def samples(self) -> tuple[dict[SampleKey, Sample], dict[SampleKey, str]]:
        """The samples that stand, and why others that are wanted do not."""
        return self.store.samples() if self.external is None else self.external.samples(self.store)
