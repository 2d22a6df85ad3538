"""How far two runs of one checkpoint lie apart, and what that makes of gates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal
from itertools import combinations
from typing import TYPE_CHECKING

from nova_eval.compare.evidence import Evidence, evidence
from nova_eval.compare.likeness import differences
from nova_eval.compare.pairing import Pairing, paired
from nova_eval.compare.power import LEVEL, detectable
from nova_eval.compare.sides import Side
from nova_eval.errors import UsageError
from nova_eval.records import SampleKey
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, in_unit, rounded

if TYPE_CHECKING:
    from nova_eval.config import BenchmarkConfig

STANDARD_ERRORS = 3.0
"""A gate of so many is kept by nine of ten runs that have not changed."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What a metric of an unchanged checkpoint does, in raw units.

    ``error`` is the standard error of the difference of two runs, ``detectable`` the smallest drop that is found with
    80 % power, ``clears`` the chance that an unchanged run is established to keep to ``gate``, ``proposed`` a gate of
    three standard errors. Where nothing varied nothing is known.
    """

    metric: str
    error: float
    prompts: int
    detectable: float | None
    gate: float | None
    clears: float | None
    proposed: float | None


def calibrated(runs: Sequence[Side], gates: Mapping[str, float]) -> list[Noise]:
    """From runs of one checkpoint and several seeds. UsageError where they are not that."""
    if len(runs) < 2:
        raise UsageError("one run says nothing of the noise", remedy="name runs of one checkpoint with several seeds")
    pairings = []
    for first, second in combinations(runs, 2):
        other = [one for one in differences(first, second) if one.what or one.place.startswith("sampler.")]
        if other:
            told = ", ".join(f"{one.place} ({one.reference}, {one.run})" for one in other[:3])
            raise UsageError(
                f"{first.name} and {second.name} differ in more than the seed: {told}",
                remedy="calibrate with runs of one checkpoint",
            )
        pairing = paired(first, second)
        if pairing.seeded or pairing.identical:
            raise UsageError(
                f"{first.name} and {second.name} have samples of the same seed",
                remedy="run the checkpoint with another --seed",
            )
        pairings.append(pairing)
    return _noises(pairings, gates, 1.0)


def of_one_run(run: Side, gates: Mapping[str, float]) -> list[Noise]:
    """From one run: the samples of each prompt are halved, and the halves compared as two runs would be."""
    counts: dict[str, int] = {}
    for key in run.wanted:
        counts[key.prompt_id] = max(counts.get(key.prompt_id, 0), key.index + 1)
    half = {prompt: count // 2 for prompt, count in counts.items() if count > 1}
    if len(half) < 2:
        raise UsageError(
            f"{run.name} has one sample a prompt, which says nothing of the noise",
            remedy="use more samples a prompt, or `gates calibrate` with runs of several seeds",
        )
    share = math.fsum(half.values()) / math.fsum(counts[prompt] for prompt in half)
    first = _part(run, half, lambda key: key.index)
    second = _part(run, half, lambda key: key.index - half[key.prompt_id])
    return _noises([paired(first, second)], gates, math.sqrt(share))


def _part(run: Side, half: Mapping[str, int], place: Callable[[SampleKey], int]) -> Side:
    """The samples whose ``place`` within the half is 0 or more and below its size, under that index."""

    def moved(key: SampleKey) -> SampleKey | None:
        found = place(key) if key.prompt_id in half else -1
        return SampleKey(key.prompt_id, found) if 0 <= found < half[key.prompt_id] else None

    rows = tuple(replace(row, key=key) for row in run.rows if (key := moved(row.key)) is not None)
    wanted = tuple(key for old in run.wanted if (key := moved(old)) is not None)
    prompts = tuple(prompt for prompt in run.prompts if prompt.id in half)
    return replace(run, rows=rows, wanted=wanted, prompts=prompts, seeds={}, digests={})


def _noises(pairings: Sequence[Pairing], gates: Mapping[str, float], scale: float) -> list[Noise]:
    config = pairings[0].reference.benchmark.config
    facts: dict[str, list[Evidence]] = {}
    for pairing in pairings:
        for reference, run in pairing.metrics:
            counts = run.name in pairing.right_or_wrong
            if (found := evidence(reference, run, config, resampling=False, right_or_wrong=counts)) is not None:
                facts.setdefault(run.name, []).append(found)
    return [_noise(name, rows, gates.get(name), scale, len(facts)) for name, rows in facts.items()]


def _noise(name: str, rows: Sequence[Evidence], gate: float | None, scale: float, tests: int) -> Noise:
    error = scale * math.sqrt(math.fsum(row.error**2 for row in rows) / len(rows))
    freedom = math.fsum(row.freedom for row in rows) / len(rows)
    prompts = min(row.prompts for row in rows)
    thinning = rows[0].thinning and rows[0].thinning.scaled(scale**2)
    return Noise(
        metric=name,
        error=error,
        prompts=prompts,
        detectable=detectable(error, freedom, prompts, tests, thinning),
        gate=gate,
        clears=clearing(error, freedom, gate) if gate and error > 0 else None,
        proposed=_rounded_up(STANDARD_ERRORS * error) if error > 0 else None,
    )


def clearing(error: float, freedom: float, gate: float) -> float:
    """The chance that a run that has not changed is established to keep to ``gate``."""
    from scipy.special import stdtr, stdtrit

    return float(stdtr(freedom, float(gate / error - stdtrit(freedom, 1 - LEVEL))))


def _rounded_up(value: float) -> float:
    """To two digits."""
    exact = Decimal(repr(value))
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), rounding=ROUND_CEILING))


def noise_table(config: BenchmarkConfig, title: str, noises: Sequence[Noise]) -> Table:
    """A row a metric."""

    def number(value: float | None) -> Cell:
        if value is None:
            return Cell(MISSING)
        exact = in_unit(value, config.report.unit)
        return Cell(rounded(exact, config.report.decimals), exact)

    def chance(value: float | None) -> Cell:
        return Cell(MISSING) if value is None else Cell(f"{100 * value:.0f} %", Decimal(repr(value)))

    every = [noise.clears for noise in noises if noise.clears is not None]
    notes = [
        "Standard error: of the difference of two runs of one checkpoint. Detectable: the smallest drop that is found "
        "with 80 % power.",
        "Kept: the chance that a run that has not changed is established to keep to the gate; else it cannot tell.",
        f"Proposed: {STANDARD_ERRORS:g} standard errors, kept by nine of ten such runs.",
    ]
    if every:
        notes.append(f"All gates at once, were metrics independent: {100 * math.prod(every):.0f} %.")
    return build(
        title,
        [
            (Column("metric", "Metric"), lambda n: Cell(config.label(n.metric), n.metric)),
            (Column("error", "Standard error", "right"), lambda n: number(n.error)),
            (Column("detectable", "Detectable", "right"), lambda n: number(n.detectable)),
            (Column("gate", "Gate", "right"), lambda n: number(n.gate)),
            (Column("clears", "Kept", "right"), lambda n: chance(n.clears)),
            (Column("proposed", "Proposed", "right"), lambda n: number(n.proposed)),
            (Column("prompts", "Prompts", "right"), lambda n: Cell(str(n.prompts), n.prompts)),
        ],
        noises,
        footnotes=notes,
    )


def as_toml(noises: Sequence[Noise]) -> str:
    """The block of ``benchmark.toml`` with the proposed gates."""
    rows = [f"{noise.metric} = {noise.proposed:g}" for noise in noises if noise.proposed is not None]
    return "\n".join(["[gates]", *rows])
