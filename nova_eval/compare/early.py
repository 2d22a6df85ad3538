"""A run that goes on until it is decided: look by look what is missing is sampled and scored, and nothing more."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from nova_eval.compare.deciding import Plan, Settled, State, planned, state, worse
from nova_eval.compare.likeness import checked
from nova_eval.compare.sides import Side, so_far
from nova_eval.compare.stopping import Rule
from nova_eval.compare.verdicts import Verdict
from nova_eval.errors import GATE_FAILED, INCOMPLETE, OK, UsageError
from nova_eval.progress import once
from nova_eval.protocols import Sampler
from nova_eval.records import Sample, SampleKey
from nova_eval.runs import pipeline
from nova_eval.runs.part import cut
from nova_eval.runs.places import devices
from nova_eval.runs.run import Run


@dataclass(frozen=True, slots=True)
class Saving:
    """Samples that the comparison takes with all prompts, those of them that the run has made, and what that saved.

    ``seconds`` are of sampling on one device, by the mean of the run's own samples; 0 where they were not timed.
    ``accelerated`` says that the device is no CPU.
    """

    planned: int
    made: int
    seconds: float
    accelerated: bool

    @property
    def saved(self) -> int:
        return self.planned - self.made


@dataclass(frozen=True, slots=True)
class Decided:
    """Where a run against a reference stands when it ends."""

    run: Run
    reference: Side
    plan: Plan
    rule: Rule
    state: State
    saving: Saving


def run_until_decided(
    opened: Run,
    reference: Side,
    gates: Mapping[str, float],
    rule: Rule,
    *,
    every: bool = False,
    allow: Collection[str] = (),
    live: Sampler | None = None,
) -> Decided:
    """Called again it goes on at the look where it was: what is decided follows from the rows that are there.

    ``live`` is a sampler of this process.

    UsageError where run and reference are unlike, or a part of the run alone was asked for.
    """
    _undivided(opened)
    manifest = pipeline.manifest_of(opened)
    nothing_yet = so_far(opened, manifest)
    checked(reference, nothing_yet, allow)
    plan = planned(reference, nothing_yet, rule)
    opened = replace(opened, say=once(opened.say))
    tried: set[str] = set()

    def there() -> Side:
        return so_far(cut(opened, plan.part(plan.order)), manifest)

    def now() -> State:
        return state(plan, reference, there(), gates, rule, every=every, tried=tried)

    found = now()
    while found.waiting:
        opened.say(_next(plan, found))
        pipeline.run(cut(opened, found.asked), live=live)
        before, found = found, now()
        if found.waiting and found.looks == before.looks:
            tried.update(found.waiting)
            found = now()
    outcome = pipeline.run(cut(opened, found.asked), sampling=False, scoring=False)
    return Decided(opened, reference, plan, rule, found, _saving(opened, plan, outcome.samples))


def exit_code(settled: Sequence[Settled], *, strict: bool = False) -> int:
    """As of ``compare --gate``: 1 where something is worse, 3 where scores are missing, 1 if ``strict`` cannot tell."""
    if worse(settled):
        return GATE_FAILED
    if any(one.incomplete for one in settled):
        return INCOMPLETE
    return GATE_FAILED if strict and any(one.verdict is Verdict.CANNOT_TELL for one in settled) else OK


def _undivided(opened: Run) -> None:
    asked = opened.options
    if asked.limit is not None or asked.part[1] > 1:
        word = "--limit" if asked.limit is not None else "--shard"
        raise UsageError(f"{word} and --until-decided both say which prompts are sampled", remedy=f"leave {word} out")
    if opened.external is not None:
        raise UsageError(
            "--until-decided saves samples, and those of a folder are there",
            remedy="run without it, then hold it against the reference with `nova-eval compare`",
        )


def _next(plan: Plan, found: State) -> str:
    left = sum(one.open for one in found.settled)
    return f"look {found.looks + 1} of {len(plan.looks)}: {left} of {len(found.settled)} metrics are open"


def _saving(opened: Run, plan: Plan, samples: Mapping[SampleKey, Sample]) -> Saving:
    all_ = plan.part(plan.order).wanted
    there = [key for key in all_ if key in samples]
    timed = [sample.seconds for sample in samples.values() if sample.seconds > 0]
    mean = statistics.fmean(timed) if timed else 0.0
    return Saving(
        planned=len(all_),
        made=len(there),
        seconds=mean * (len(all_) - len(there)),
        accelerated=any(name != "cpu" for name in devices(opened)),
    )
