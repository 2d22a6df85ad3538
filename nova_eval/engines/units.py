"""What is handed to workers and what they say: the job of a run, its units, and the report of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

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
    known of them where they are ``None`` and "". ``away``: ``folder`` is not the run's, but one where a worker finds
    the files that it is to look at; what it makes it says.
    """

    folder: Path
    spec: RunSpec
    scoring: str
    prompts: Mapping[str, Prompt]
    scorers: tuple[ScorerPlan, ...]
    device: str
    info: SamplerInfo | None = None
    code: str = ""
    away: bool = False


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
    others are let go before it begins. ``halvings``: so often is the batch of every judge halved, for want of memory,
    which may change the last bits of what a network answers.
    """

    work: tuple[tuple[Sample, tuple[str, ...]], ...]
    keep: frozenset[str] = frozenset()
    halvings: int = 0

    def __len__(self) -> int:
        return len(self.work)


Unit = SampleUnit | ScoreUnit
Role = Literal["any", "sample", "score"]
"""Which units a worker takes; one that samples scores too once there is nothing left to sample."""
ANY: tuple[Role, ...] = ("any",)
Work = tuple[Sample, tuple[str, ...]]  # a sample and the scorers that are to look at it


@dataclass(frozen=True, slots=True)
class UnitReport:
    """How a unit went; ``made`` are the samples of one that ``sampled``. Rows are on disk when this is heard.

    ``peak``: the bytes of an accelerator that its worker took at most, 0 where none has been counted.
    """

    done: int
    failed: int = 0
    last_failure: str = ""
    sampled: bool = False
    made: tuple[Sample, ...] = ()
    peak: int = 0


class Ready(NamedTuple):
    """Said when what a unit needs is loaded, before it is done. ``batch`` is the largest of the judges it needs."""

    batch: int = 1


class Fault(NamedTuple):
    """A unit that was not done for a reason nobody foresaw; unless it is ``spent`` the worker can do others.

    ``memory``: it was short.
    """

    reason: str
    spent: bool = False
    memory: bool = False


class Ended(NamedTuple):
    """A worker is gone. ``blameless``: for a reason that its unit has no part in. ``memory``: it was short."""

    reason: str
    blameless: bool = False
    memory: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to ``worker``: it loads a model, is at a scorer, what befell it or its unit, its end;
    "halved": what follows from its want of memory.
    """

    worker: str
    text: str
    kind: Literal["loads", "is at", "unit", "gone", "halved"] = "unit"


Tell = Callable[[Event], None]


def untold(event: Event) -> None:
    """A ``Tell`` for nobody."""
