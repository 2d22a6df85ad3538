"""How far a run is decided: its looks in turn, a pure function of what is on disk, the plan, the gates and the rule."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nova_eval.adapters.reduce import NOT_SCORED
from nova_eval.compare.evidence import Evidence, evidence
from nova_eval.compare.pairing import FEWEST, Pairing, paired, shared
from nova_eval.compare.sides import Side
from nova_eval.compare.stopping import Claims, Rule, Seen, least_level, look, looks_of
from nova_eval.compare.verdicts import SAME, Verdict
from nova_eval.errors import UsageError
from nova_eval.plan import stratified
from nova_eval.protocols import Benchmark
from nova_eval.records import Prompt, SampleKey, Score
from nova_eval.runs.part import Part, cut, serving
from nova_eval.runs.summary import NOT_SAMPLED

SEED = 0
"""Draws the planned order: the same whatever a run's own seed, so that runs of one suite share it."""


@dataclass(frozen=True)
class Plan:
    """Prompts in the order in which they are wanted, each with the metrics that it serves, and where looks are taken.

    ``looks`` are numbers of prompts, the last being all. ``keys`` are the samples of each prompt that both sides want.
    ``lacking`` says of how many prompts that serve a metric the reference lacks a score: they are left out of it.
    """

    order: tuple[Prompt, ...]
    looks: tuple[int, ...]
    keys: Mapping[str, tuple[SampleKey, ...]]
    lacking: Mapping[str, int]

    @cached_property
    def counts(self) -> Mapping[str, tuple[int, ...]]:
        """Of each metric the prompts that serve it, by look."""
        names = dict.fromkeys(tag for prompt in self.order for tag in prompt.tags)
        return {
            name: tuple(sum(name in prompt.tags for prompt in self.order[:length]) for length in self.looks)
            for name in names
        }

    def part(self, prompts: Iterable[Prompt]) -> Part:
        """These prompts, with their samples."""
        found = tuple(prompts)
        return Part(found, tuple(key for prompt in found for key in self.keys[prompt.id]))


def planned(reference: Side, run: Side, rule: Rule) -> Plan:
    """Of the prompts that both have, each with the metrics of which the reference has all scores of it.

    UsageError where there are too few to decide anything.
    """
    both = set(reference.wanted)
    keys: dict[str, list[SampleKey]] = {}
    for key in run.wanted:
        if key in both:
            keys.setdefault(key.prompt_id, []).append(key)
    prompts = [prompt for prompt in shared(reference.prompts, run.prompts) if prompt.id in keys]
    names = [name for name in run.benchmark.config.dimensions if any(name in prompt.tags for prompt in prompts)]
    decided = _decided(reference.rows)
    known = {name: _finished(run.benchmark, prompts, keys, name, decided) for name in names}
    kept = [
        replace(prompt, tags=tuple(tag for tag in prompt.tags if prompt.id in known.get(tag, ()))) for prompt in prompts
    ]
    order = stratified([prompt for prompt in kept if prompt.tags], SEED)
    most = max((len(found) for found in known.values()), default=0)
    if most < max(FEWEST, rule.fewest):
        raise UsageError(
            f"{reference.name} has scores of {most} of this run's prompts a dimension, {max(FEWEST, rule.fewest)} at "
            f"least are needed {rule.name}",
            remedy="use a reference of the same suite" if rule.fewest == FEWEST else "leave --anytime out",
        )
    lacking = {name: sum(name in prompt.tags for prompt in prompts) - len(known[name]) for name in names}
    plan = Plan(order, _looks(order, rule.shares), {name: tuple(found) for name, found in keys.items()}, lacking)
    due = [place for place in range(len(plan.looks)) if any(_news(plan, name, place, rule) for name in plan.counts)]
    return replace(plan, looks=tuple(dict.fromkeys((*(plan.looks[place] for place in due), len(order)))))


def _looks(order: Sequence[Prompt], shares: Sequence[float]) -> tuple[int, ...]:
    """The shortest beginnings that hold these shares of the prompts of every metric."""
    total: dict[str, int] = {}
    for prompt in order:
        for tag in prompt.tags:
            total[tag] = total.get(tag, 0) + 1
    there = dict.fromkeys(total, 0)
    lengths, waiting = [], list(shares)
    for length, prompt in enumerate(order, 1):
        for tag in prompt.tags:
            there[tag] += 1
        reached = min(there[tag] / total[tag] for tag in total)
        if waiting and reached >= waiting[0] - 1e-9:
            lengths.append(length)
            waiting = [share for share in waiting if share - 1e-9 > reached]
    return (*(length for length in lengths if length < len(order)), len(order))


@dataclass(frozen=True, slots=True)
class Settled:
    """What is known of a metric, by the look at which it was decided or else by the last that was taken.

    ``look`` counts from 1; 0 is none. ``verdict`` is ``CANNOT_TELL`` for one that is open, and ``reason`` says why.
    """

    metric: str
    verdict: Verdict
    look: int
    prompts: int
    planned: int
    reference: float | None
    run: float | None
    evidence: Evidence | None
    gate: float | None
    reason: str = ""
    incomplete: bool = False

    @property
    def open(self) -> bool:
        """Whether more prompts might decide it; what lacks scores needs those first."""
        return self.verdict is Verdict.CANNOT_TELL and not self.incomplete


@dataclass(frozen=True, slots=True)
class State:
    """``settled`` is in the order of the benchmark's table. ``asked`` is the part that the looks by now need.

    ``waiting`` says which open metrics lack scores of the look that is next; it is empty once all is said.
    """

    looks: int
    settled: tuple[Settled, ...]
    asked: Part
    waiting: tuple[str, ...]


def state(
    plan: Plan,
    reference: Side,
    run: Side,
    gates: Mapping[str, float],
    rule: Rule,
    *,
    every: bool = False,
    tried: Collection[str] = (),
) -> State:
    """Takes every look of which all prompts are finished, until nothing is open.

    Unless ``every`` metric is to be decided, the looks end with the first that finds something worse. Metrics whose
    scores were ``tried`` in vain are not looked at from where one is missing: no other prompt stands in for it.
    """
    names = [name for name in run.benchmark.config.dimensions if name in plan.counts]
    found = {name: _unseen(plan, name, gates) for name in plan.lacking}
    open_, claims, asked = names, Claims(), dict[str, Prompt]()
    decided, taken = _decided(run.rows), 0
    for place, length in enumerate(plan.looks):
        if not open_ or (not every and worse(found.values())):
            break
        begun = plan.looks[place - 1] if place else 0
        asked |= {prompt.id: prompt for prompt in serving(plan.order[begun:length], open_)}
        done = {name: _finished(run.benchmark, plan.order[:length], plan.keys, name, decided) for name in open_}
        lacking = [name for name in open_ if len(done[name]) < plan.counts[name][place]]
        if waiting := tuple(name for name in lacking if name not in tried):
            return State(taken, _all(plan, found), plan.part(asked.values()), waiting)
        for name in lacking:
            found[name] = replace(found[name], incomplete=True, reason=_why(run, plan, name, done[name]))
        open_ = [name for name in open_ if name not in lacking]
        if not open_:
            break
        taken, last = place + 1, length == len(plan.order)
        if due := {name: gates.get(name) for name in open_ if _news(plan, name, place, rule)}:
            pairing = _cut(plan, reference, run, plan.order[:length], tuple(due))
            seen = _seen(plan, pairing, due, place, rule)
            verdicts, claims = look(seen, rule, len(names), claims)
            for name, one in seen.items():
                found[name] = _settled(pairing, one, name, taken, verdicts.get(name), last=last)
        open_ = [name for name in open_ if found[name].verdict is Verdict.CANNOT_TELL]
    return State(taken, _all(plan, found), plan.part(asked.values()), ())


def worse(settled: Iterable[Settled]) -> list[Settled]:
    """What is established to be worse."""
    return [one for one in settled if one.verdict is Verdict.WORSE]


def _why(run: Side, plan: Plan, name: str, done: Collection[str]) -> str:
    """Of one that was tried, why a score is missing."""
    short = [prompt for prompt in serving(plan.order, [name]) if prompt.id not in done]
    keys = [key for prompt in short for key in plan.keys[prompt.id]]
    wanted = set(run.benchmark.pairs(short, keys))
    reasons = sorted(row.reason for row in run.rows if not row.decided and (row.key, row.metric) in wanted)
    return next((reason for reason in reasons if reason != NOT_SAMPLED), NOT_SCORED)


def _all(plan: Plan, found: Mapping[str, Settled]) -> tuple[Settled, ...]:
    """With what the reference lacks, which leaves a metric incomplete whatever is decided of it."""
    return tuple(
        replace(one, incomplete=True, reason=one.reason or f"the reference lacks scores of {lacking} of its prompts")
        if (lacking := plan.lacking[name])
        else one
        for name, one in found.items()
    )


def _unseen(plan: Plan, name: str, gates: Mapping[str, float]) -> Settled:
    return Settled(
        metric=name,
        verdict=Verdict.CANNOT_TELL,
        look=0,
        prompts=0,
        planned=plan.counts[name][-1] if name in plan.counts else 0,
        reference=None,
        run=None,
        evidence=None,
        gate=gates.get(name),
    )


def _news(plan: Plan, name: str, place: int, rule: Rule) -> bool:
    """Whether a look has more prompts of a metric than the one before, and enough."""
    return _counts(plan, name, place, rule) != _counts(plan, name, place - 1, rule)


def _counts(plan: Plan, name: str, place: int, rule: Rule) -> tuple[int, ...]:
    return looks_of(plan.counts[name][: place + 1], rule.fewest)


def _seen(plan: Plan, pairing: Pairing, due: Mapping[str, float | None], place: int, rule: Rule) -> dict[str, Seen]:
    seen = {}
    for reference, run in pairing.metrics:
        if run.name in due:
            counts, all_ = _counts(plan, run.name, place, rule), plan.counts[run.name][-1]
            level = least_level(rule, counts, all_)
            facts = evidence(
                reference,
                run,
                pairing.run.benchmark.config,
                level,
                resampling=False,
                right_or_wrong=run.name in pairing.right_or_wrong,
            )
            if facts is not None:
                seen[run.name] = Seen(counts, all_, facts, due[run.name])
    return seen


def _settled(pairing: Pairing, one: Seen, name: str, place: int, verdict: Verdict | None, *, last: bool) -> Settled:
    [(reference, run)] = [pair for pair in pairing.metrics if pair[1].name == name]
    same = last and verdict is None and pairing.same(name)
    return Settled(
        metric=name,
        verdict=Verdict.NO_WORSE if same else verdict or Verdict.CANNOT_TELL,
        look=place,
        prompts=one.counts[-1],
        planned=one.planned,
        reference=reference.value,
        run=run.value,
        evidence=one.evidence,
        gate=one.gate,
        reason=SAME if same else "",
    )


def _cut(plan: Plan, reference: Side, run: Side, prompts: Sequence[Prompt], names: Sequence[str]) -> Pairing:
    """Both sides over the prompts that serve ``names``, and nothing else that they say."""
    part = plan.part(serving(prompts, names))
    return paired(cut(reference, part), cut(run, part))


def _decided(rows: Iterable[Score]) -> set[tuple[SampleKey, str]]:
    return {(row.key, row.metric) for row in rows if row.decided}


def _finished(
    benchmark: Benchmark,
    prompts: Sequence[Prompt],
    keys: Mapping[str, Sequence[SampleKey]],
    metric: str,
    decided: Collection[tuple[SampleKey, str]],
) -> set[str]:
    """The prompts of which every score that ``metric`` is made of is decided."""
    served = serving(prompts, [metric])
    wanted = [key for prompt in served for key in keys[prompt.id]]
    lacking = {key.prompt_id for key, name in benchmark.pairs(served, wanted) if (key, name) not in decided}
    return {prompt.id for prompt in served} - lacking
