"""What ``compare`` promises, on simulated pairs of runs whose truth is known: coverage, false alarms, power, gates."""

from __future__ import annotations

import itertools
import math
import statistics
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from nova_eval.adapters.compose import formula
from nova_eval.checks.bench.intervals import moments
from nova_eval.checks.bench.kinds import (
    BINARY,
    FEW_WRONG,
    PLAIN,
    SAMPLES,
    SKEWED,
    WEIGHTED,
    Kind,
    drawn,
    kinds_of_vbench,
)
from nova_eval.checks.bench.options import CompareBench
from nova_eval.checks.bench.written import percent, to_markdown
from nova_eval.compare.evidence import Evidence, evidence_of, thinning_of
from nova_eval.compare.flips import sign_flip
from nova_eval.compare.power import LEVEL, holm
from nova_eval.config import facts_of, read_benchmark

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found with one kind of metric and so many prompts; shares of the repetitions, of widths the mean.

    ``detected``: of drops of the size that runs without one say they would have found, the median of them, how many an
    uncorrected test established (80 % are promised).
    ``passed``: how often a drop as large as the gate was said to keep to it (5 % at most).
    """

    metric: str
    prompts: int
    coverage: float
    width: float
    bca_coverage: float
    bca_width: float
    detected: float
    passed: float
    repetitions: int


@dataclass(frozen=True, slots=True)
class Alarms:
    """How often something was called worse, of 16 dimensions and 3 composites of an unchanged model; by Holm and bare.

    ``found`` is how often two dimensions that are down by 4 standard errors were both called worse.
    """

    prompts: int
    false_alarms: float
    without_correction: float
    found: float
    repetitions: int


def measure(asked: CompareBench, say: Callable[[str], None]) -> tuple[list[Outcome], list[Alarms]]:
    """Every kind with every number of prompts; equal seeds give equal figures."""
    outcomes = []
    metrics: dict[str, Callable[[np.random.Generator, int, int, float], Pulls]] = {
        "plain": lambda *of: _pulls(PLAIN, *of),
        "plain, skewed": lambda *of: _pulls(SKEWED, *of),
        "weighted": lambda *of: _pulls(WEIGHTED, *of),
        "binary": lambda *of: _pulls(BINARY, *of),
        "binary, few wrong": lambda *of: _pulls(FEW_WRONG, *of),
        "composite of 16": lambda *of: _composite(_dimensions(*of), "total"),
    }
    for (name, draw), prompts in itertools.product(metrics.items(), asked.prompts):
        say(f"{name}, {prompts} prompts: {asked.repetitions} repetitions")
        outcomes.append(_outcome(asked, name, draw, prompts))
    alarms = []
    for prompts in asked.prompts:
        say(f"16 dimensions of {prompts} prompts: {asked.repetitions} repetitions")
        alarms.append(_alarms(asked, prompts))
    return outcomes, alarms


class Pulls(NamedTuple):
    """Of each repetition the difference and the pulls of prompts on both sides; ``truth`` is the difference it has.

    ``right`` is the share of right answers of the run, where they are right or wrong.
    """

    value: Reals
    before: Reals
    after: Reals
    truth: float
    composite: bool = False
    right: Reals | None = None


def _pulls(kind: Kind, random: np.random.Generator, repetitions: int, prompts: int, drop: float) -> Pulls:
    (one, _, pulls), (other, _, other_pulls) = (
        moments(scores, weights) for scores, weights in drawn(kind, random, repetitions, prompts, drop)
    )
    return Pulls(other - one, pulls, other_pulls, -drop, right=other if kind.right_or_wrong else None)


def _dimensions(random: np.random.Generator, repetitions: int, prompts: int, drop: float) -> dict[str, Pulls]:
    return {name: _pulls(kind, random, repetitions, prompts, drop) for name, kind in kinds_of_vbench().items()}


def _composite(parts: dict[str, Pulls], name: str) -> Pulls:
    """Of dimensions over prompts of their own."""
    import numpy as np

    slopes = formula(read_benchmark(facts_of("vbench")), name).coefficients
    return Pulls(
        np.sum([slope * parts[part].value for part, slope in slopes.items()], axis=0),
        np.concatenate([slope * parts[part].before for part, slope in slopes.items()], axis=1),
        np.concatenate([slope * parts[part].after for part, slope in slopes.items()], axis=1),
        math.fsum(slope * parts[part].truth for part, slope in slopes.items()),
        composite=True,
    )


def _outcome(
    asked: CompareBench, name: str, draw: Callable[[np.random.Generator, int, int, float], Pulls], prompts: int
) -> Outcome:
    """Coverage where there is a small drop; then a drop of the detectable size, which is the gate as well."""
    import numpy as np

    random = np.random.default_rng([asked.seed, prompts, zlib.crc32(name.encode())])
    pilot = draw(random, 200, prompts, 0.0)
    error = math.sqrt(float(np.mean(np.square(pilot.after - pilot.before).sum(axis=1))))
    known = [
        _evidence(found, place, random)
        for found in [draw(random, asked.repetitions, prompts, error)]
        for place in range(asked.repetitions)
    ]
    truth = draw(random, 2, prompts, error).truth
    covered = [facts.interval is None or _holds(facts.interval, truth) for facts in known]
    bca = [facts.bca is not None and _holds(facts.bca, truth) for facts in known]
    unit = abs(truth) / error  # what a drop of one is for a composite
    stated = [_evidence(pilot, place, random, resampling=False).detectable() for place in range(len(pilot.value))]
    smallest = statistics.median(drop for drop in stated if drop is not None)
    fallen = draw(random, asked.repetitions, prompts, smallest / unit)
    after = [_evidence(fallen, place, random, resampling=False) for place in range(asked.repetitions)]
    gate = abs(fallen.truth)
    return Outcome(
        metric=name,
        prompts=prompts,
        coverage=_share(covered),
        width=float(np.mean([facts.interval.high - facts.interval.low for facts in known if facts.interval])),
        bca_coverage=_share(bca),
        bca_width=float(np.mean([facts.bca.high - facts.bca.low for facts in known if facts.bca])),
        detected=_share([facts.p_worse <= LEVEL for facts in after]),
        passed=_share([facts.least is not None and facts.least > -gate for facts in after]),
        repetitions=asked.repetitions,
    )


def _evidence(found: Pulls, place: int, random: np.random.Generator, *, resampling: bool = True) -> Evidence:
    before, after = found.before[place], found.after[place]
    thinning = None
    if found.right is not None:
        thinning = thinning_of(float(found.right[place]), SAMPLES * len(after), before, after)
    return evidence_of(
        float(found.value[place]),
        before,
        after,
        thinning=thinning,
        width=1.0,
        composite=found.composite,
        random=random,
        resampling=resampling,
    )


def _alarms(asked: CompareBench, prompts: int) -> Alarms:
    """Of 16 dimensions and their composites, unchanged; then with two of them down."""
    import numpy as np

    random = np.random.default_rng([asked.seed, prompts])
    parts = _dimensions(random, asked.repetitions, prompts, 0.0)
    found = {**parts, **{name: _composite(parts, name) for name in ("quality", "semantic", "total")}}
    false = bare = right = 0
    down = ("subject_consistency", "object_class")
    for place in range(asked.repetitions):
        worse = {name: _worse(one, place, random) for name, one in found.items()}
        false += min(holm(worse).values()) <= LEVEL
        bare += min(worse.values()) <= LEVEL
        fallen = {name: _worse(found[name], place, random, errors=4.0) for name in down}
        right += all(holm({**worse, **fallen})[name] <= LEVEL for name in down)
    return Alarms(
        prompts=prompts,
        false_alarms=false / asked.repetitions,
        without_correction=bare / asked.repetitions,
        found=right / asked.repetitions,
        repetitions=asked.repetitions,
    )


def _worse(found: Pulls, place: int, random: np.random.Generator, errors: float = 0.0) -> float:
    """The p-value of one repetition, its difference lowered by so many standard errors."""
    import numpy as np

    pulls = found.after[place] - found.before[place]
    count = len(pulls)
    value = float(found.value[place]) - errors * math.sqrt(float(np.square(pulls).sum()))
    scale = 1.0 if found.composite else math.sqrt((count - 1) / count)
    return sign_flip((pulls - pulls.mean()) * scale + value / count, random).low


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] - 1e-12 <= truth <= interval[1] + 1e-12


def _share(found: Sequence[bool]) -> float:
    return sum(found) / len(found)


def lines(measured: tuple[Sequence[Outcome], Sequence[Alarms]]) -> str:
    """Two Markdown tables."""
    outcomes, alarms = measured
    head = [
        "metric",
        "prompts",
        "interval covers",
        "width",
        "BCa covers",
        "width",
        "detected",
        "passes a drop of a gate",
    ]
    first = [
        [
            one.metric,
            str(one.prompts),
            percent(one.coverage),
            f"{one.width:.4f}",
            percent(one.bca_coverage),
            f"{one.bca_width:.4f}",
            percent(one.detected),
            percent(one.passed),
        ]
        for one in outcomes
    ]
    second = [
        [str(one.prompts), percent(one.false_alarms), percent(one.without_correction), percent(one.found)]
        for one in alarms
    ]
    columns = ["prompts a dimension", "false alarms", "without correction", "two down by 4 standard errors: both found"]
    return f"{to_markdown(head, first)}\n\n{to_markdown(columns, second, words=0)}"
