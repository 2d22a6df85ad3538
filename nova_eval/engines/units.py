"""What is handed to workers and what they say: the job of a run, its units, and the report of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nova_eval.config import RunSpec
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt, Sample, SampleKey


@dataclass(frozen=True, slots=True)
class ScorerPlan:
    """One scorer of a run: ``folder`` names its scores, ``judge`` the judge that answers (None: pixels suffice)."""

    name: str
    folder: str
    judge: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker process must know; picklable.

    ``info`` and ``code`` are those of the sampler that the run was named after; a worker refuses others. Nothing is
    known of them where they are ``None`` and "".
    """

    folder: Path
    spec: RunSpec
    scoring: str
    prompts: Mapping[str, Prompt]
    scorers: tuple[ScorerPlan, ...]
    device: str
    info: SamplerInfo | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class SampleUnit:
    """Samples to make."""

    keys: tuple[SampleKey, ...]

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class ScoreUnit:
    """Samples to score, each with the names of the scorers that have not looked at it yet.

    ``keep`` are the families of judges (``weights.catalogue.family``) to hold in memory for this unit and later ones;
    others are let go before it begins.
    """

    work: tuple[tuple[Sample, tuple[str, ...]], ...]
    keep: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.work)


Unit = SampleUnit | ScoreUnit
Work = tuple[Sample, tuple[str, ...]]  # a sample and the scorers that are to look at it


@dataclass(frozen=True, slots=True)
class UnitReport:
    """How a unit went. Rows are on disk when this is sent."""

    done: int
    failed: int = 0
    last_failure: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to ``worker``: it loads a model, is at a scorer, or what befell it or its unit."""

    worker: str
    text: str
    kind: Literal["loads", "is at", "unit"] = "unit"


Tell = Callable[[Event], None]


def untold(event: Event) -> None:
    """A ``Tell`` for nobody."""
