"""The facts of a run: frozen dataclasses that are written as JSON lines and never changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from nova_eval.errors import UsageError

Part: TypeAlias = tuple[int, int, int, int]  # left, top, width, height in pixels

_PROMPT_ID = re.compile(r"[a-z0-9_]+(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a suite.

    ``id`` such as ``"vbench/0412"`` is its name for ever and is never derived from the text.
    ``tags`` are the dimensions (or categories) that the prompt serves; ``reference`` holds what scorers
    need beside the text (VBench's ``auxiliary_info``, GenEval's ``include`` …). ``rewritten`` is the text to
    sample from when a prompt rewriter was used; scoring always looks at ``text``.
    """

    id: str
    text: str
    tags: tuple[str, ...] = ()
    reference: Mapping[str, Any] = field(default_factory=dict)
    rewritten: str | None = None

    def __post_init__(self) -> None:
        if not _PROMPT_ID.fullmatch(self.id) or ".." in self.id:
            raise UsageError(
                f"prompt id {self.id!r} cannot name a folder",
                remedy="use ids such as 'suite/0001': letters, digits, '_', '.', '-', and single slashes",
            )

    @property
    def sampling_text(self) -> str:
        """The text a sampler is given."""
        return self.text if self.rewritten is None else self.rewritten


class SampleKey(NamedTuple):
    """Names one sample for ever: which prompt, and the how-manieth sample of it (from 0)."""

    prompt_id: str
    index: int  # type: ignore[assignment]  # hides tuple.index, which no key needs


@dataclass(frozen=True, slots=True)
class Sample:
    """One finished sample. Its row in the store promises that the whole media file is on disk.

    ``path`` is relative to the run folder, or absolute for media that somebody else made. ``digest`` is the
    sha256 of the file's bytes, ``bytes`` its size. ``fps`` is 0 for images.
    ``seconds`` is the sampler's share of wall time. ``part`` is (left, top, width, height) where the sample is one of
    several pictures in its file; width and height are then those of the part.
    """

    key: SampleKey
    seed: int
    path: str
    digest: str
    bytes: int
    width: int
    height: int
    frames: int
    fps: float
    seconds: float
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """What one scorer says of one sample under one metric name.

    ``value`` is ``None`` when there is no number, and then ``reason`` says why. With ``weight > 0`` that is an
    *unscored* sample, which lowers coverage. With ``weight == 0`` the benchmark's rule itself leaves the sample out
    of the mean (for example VBench ``color`` when the object is never seen): decided, not missing.
    Aggregates are ``sum(weight * value) / sum(weight)``.
    """

    key: SampleKey
    metric: str
    value: float | None
    weight: float = 1.0
    reason: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.value is None and not self.reason:
            raise ValueError(f"unscored without a reason: {self.metric} of {self.key}")
        if self.value is not None and self.value != self.value:
            raise ValueError(f"NaN is not a score: {self.metric} of {self.key}")

    @property
    def decided(self) -> bool:
        """Whether there is nothing left to do: a number, or the rule's word that there is none to count."""
        return self.value is not None or self.weight == 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that could not be made, or a score that could not be computed, as a row. ``run`` tries it again."""

    key: SampleKey
    reason: str


class Interval(NamedTuple):
    """A two-sided 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Metric:
    """An aggregate over a run: ``value`` in the benchmark's own units, ``None`` when it cannot be stated.

    ``prompts`` and ``samples`` count what entered the mean, ``unscored`` what should have and did not,
    ``excluded`` what the rule left out. ``reason`` says why there is no value, or no interval. ``influence`` says how
    far each prompt pulls the value: the squares sum to its variance.
    """

    name: str
    value: float | None
    interval: Interval | None = None
    prompts: int = 0
    samples: int = 0
    unscored: int = 0
    excluded: int = 0
    higher_is_better: bool = True
    reason: str = ""
    influence: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why ``count`` wanted samples have no score under ``metric``."""

    metric: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what was wanted is decided, counted in (sample, metric) pairs.

    ``excluded`` pairs were left out by the benchmark's own rule and count as decided.
    """

    wanted: int
    scored: int
    excluded: int
    missing: tuple[Missing, ...] = ()

    @property
    def unscored(self) -> int:
        return self.wanted - self.scored - self.excluded

    @property
    def fraction(self) -> float:
        return (self.scored + self.excluded) / self.wanted if self.wanted else 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """What sampling cost: mean seconds a sample, frames made per second, and on which device."""

    seconds_per_sample: float
    frames_per_second: float
    device: str


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Everything a table says of one run. ``samples_per_prompt`` is the rule in words (``"5"``, ``"official"``).

    Of the ``suite`` prompts that serve what was asked for ``prompts`` are wanted, each with as many samples as lie
    between the two of ``per_prompt``; ``selection`` is a digest of which: runs of equal ones compare. 0 and "" where it
    is not known. ``label`` is what its user calls it, "" where that is the model. ``departs`` says which of its
    sampler's settings are not as numbers are published.
    """

    run: str
    model: str
    benchmark: str
    variant: str
    scoring: str
    samples_per_prompt: str
    prompts: int
    samples: int
    metrics: tuple[Metric, ...]
    coverage: Coverage
    latency: Latency | None = None
    notes: tuple[str, ...] = ()
    suite: int = 0
    per_prompt: tuple[int, int] = (0, 0)
    selection: str = ""
    label: str = ""
    departs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParityResult:
    """One recorded reference case against this install: passes when ``difference <= tolerance``.

    ``difference`` is the largest deviation over everything the case compares, in the case's own ``unit``
    (``"exact"`` cases give 0 or infinity). ``note`` explains a failure. ``group`` is the recording that the case is of.
    """

    case: str
    difference: float
    tolerance: float
    unit: str = "absolute"
    note: str = ""
    group: str = ""

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance
