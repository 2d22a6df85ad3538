"""What is claimed of a run beside a reference, metric by metric, so that the claims hold together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from nova_eval.compare.evidence import Evidence, evidence
from nova_eval.compare.likeness import Difference
from nova_eval.compare.pairing import Pairing
from nova_eval.compare.power import LEVEL, holm, needed
from nova_eval.records import Interval, Metric

SAME = "the samples are byte for byte the same"


class Verdict(StrEnum):
    BETTER = "better"
    WORSE = "worse"
    NO_WORSE = "no worse than the gate"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric of both sides, in raw units. ``gate`` is the largest drop that is no matter, ``None`` without one.

    ``p_worse`` and ``p_better`` are corrected for all metrics and runs that are looked at. ``detectable`` is the
    smallest drop that would have been found with 80 % power; ``needed`` so many prompts would decide, with the same
    power, that a run that has not changed keeps to the gate (without a gate: that this difference is there).
    ``unscored`` scores are left out because a side lacks them. ``reason`` says why nothing can be told, or that the
    samples are the same.
    """

    metric: str
    reference: float | None
    run: float | None
    evidence: Evidence | None
    gate: float | None
    p_worse: float | None
    p_better: float | None
    detectable: float | None
    needed: int | None
    within_gate: bool
    unscored: int
    higher_is_better: bool
    verdict: Verdict
    reason: str = ""

    @property
    def difference(self) -> float | None:
        """Run − reference."""
        return None if self.reference is None or self.run is None else self.run - self.reference

    @property
    def interval(self) -> Interval | None:
        """Of the difference, two-sided, 95 %."""
        return self._turned(self.evidence.interval if self.evidence else None)

    @property
    def bca(self) -> Interval | None:
        """The same by resampling prompts."""
        return self._turned(self.evidence.bca if self.evidence else None)

    def _turned(self, interval: Interval | None) -> Interval | None:
        if interval is None or self.higher_is_better:
            return interval
        return Interval(-interval.high, -interval.low)

    @property
    def complete(self) -> bool:
        """Whether both sides have all that the metric is made of."""
        return self.reference is not None and self.run is not None and not self.unscored


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside the reference. ``findings`` are in the order of the benchmark's table.

    ``differences`` are those of the manifests; ``allowed`` says which of them stand although scores may depend on them.
    """

    pairing: Pairing
    findings: tuple[Finding, ...]
    differences: tuple[Difference, ...] = ()
    allowed: tuple[str, ...] = ()

    @property
    def regressed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict is Verdict.WORSE]

    @property
    def undecided(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict is Verdict.CANNOT_TELL]

    @property
    def complete(self) -> bool:
        return all(finding.complete for finding in self.findings)


def judged(pairings: Sequence[Pairing], gates: Mapping[str, float], share: float = 1.0) -> list[Comparison]:
    """The claims about each run. All runs and metrics are one family: Holm keeps any false "worse" among them at 5 %.
    Metrics of which all samples are the same on both sides are none of it: nothing can be claimed of them.

    "No worse than the gate" is claimed metric by metric at its full 5 %: that all keep to theirs needs no correction,
    and it comes before "worse": a drop that is there and is no matter fails nothing.

    ``share`` is how much of the 5 % of every claim this look may spend, where it is one of several: p-values are
    divided by it, and limits are those of so much less.
    """
    found: dict[tuple[int, str], tuple[Metric, Metric, Evidence | None]] = {}
    for place, pairing in enumerate(pairings):
        for reference, run in pairing.metrics:
            found[place, run.name] = (
                reference,
                run,
                evidence(
                    reference,
                    run,
                    pairing.reference.benchmark.config,
                    share * LEVEL,
                    right_or_wrong=run.name in pairing.right_or_wrong,
                ),
            )
    known = {
        (place, name): facts
        for (place, name), (_, _, facts) in found.items()
        if facts is not None and not pairings[place].same(name)
    }
    worse = holm({key: min(1.0, facts.p_worse / share) for key, facts in known.items()})
    better = holm({key: min(1.0, facts.p_better / share) for key, facts in known.items()})
    return [
        Comparison(
            pairing,
            tuple(
                _finding(
                    pairing,
                    *found[place, run.name],
                    gate=gates.get(run.name),
                    p_worse=worse.get((place, run.name)),
                    p_better=better.get((place, run.name)),
                    tests=len(known) / share,
                )
                for _, run in pairing.metrics
            ),
        )
        for place, pairing in enumerate(pairings)
    ]


def _finding(
    pairing: Pairing,
    reference: Metric,
    run: Metric,
    facts: Evidence | None,
    *,
    gate: float | None,
    p_worse: float | None,
    p_better: float | None,
    tests: float,
) -> Finding:
    same = pairing.same(run.name)
    if same and facts is not None:
        facts = replace(facts, interval=Interval(0.0, 0.0), bca=Interval(0.0, 0.0), least=0.0)
    least = None if facts is None else facts.least
    within = gate is not None and least is not None and least > -gate
    if same and facts is not None:
        within, verdict, reason = True, Verdict.NO_WORSE, SAME
    elif facts is None:
        verdict, reason = Verdict.CANNOT_TELL, _why(reference, run)
    else:
        verdict, reason = _claim(p_worse, p_better, within=within), ""
    smallest = None if facts is None or same else facts.detectable(tests)
    enough = None
    if facts is not None and verdict is Verdict.CANNOT_TELL:
        margin, many = (gate, 1) if gate else (abs(facts.value), tests)
        enough = needed(facts.prompts, facts.error, margin, many)
    return Finding(
        metric=run.name,
        reference=reference.value,
        run=run.value,
        evidence=facts,
        gate=gate,
        p_worse=p_worse,
        p_better=p_better,
        detectable=smallest,
        needed=enough,
        within_gate=within,
        unscored=run.unscored,
        higher_is_better=run.higher_is_better,
        verdict=verdict,
        reason=reason,
    )


def _claim(p_worse: float | None, p_better: float | None, *, within: bool) -> Verdict:
    if p_better is not None and p_better <= LEVEL:
        return Verdict.BETTER
    if within:
        return Verdict.NO_WORSE
    return Verdict.WORSE if p_worse is not None and p_worse <= LEVEL else Verdict.CANNOT_TELL


def _why(reference: Metric, run: Metric) -> str:
    for side, metric in (("reference", reference), ("run", run)):
        if metric.value is None:
            return f"{side}: {metric.reason}"
    return "fewer than two prompts that both have scored"
