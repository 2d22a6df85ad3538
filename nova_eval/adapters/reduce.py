"""From rows to metrics: one row a wanted pair, weighted means clustered by prompt, linear composites of them.

Everything here is pure and independent of the order of rows, to the last bit: sums are rounded once (``math.fsum``).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nova_eval.adapters.intervals import FEWEST_PROMPTS, UNBOUNDED, Spread, combined, limits, spread_of
from nova_eval.identity import canonical_json
from nova_eval.records import Coverage, Interval, Metric, Missing, Prompt, SampleKey, Score

if TYPE_CHECKING:
    from nova_eval.protocols import Benchmark

NOT_SCORED = "not scored yet"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A weighted mean ``Σ w·v / Σ w``, or a linear combination of such means.

    ``influence`` holds, prompt by prompt, how far the prompt pulls the value; the squares sum to the value's variance.
    It is empty when fewer than two prompts entered, and ``spread``, which makes the interval, is ``None``.
    """

    value: float | None
    influence: Mapping[str, float] = field(default_factory=dict)
    spread: Spread | None = None
    keys: frozenset[SampleKey] = frozenset()
    unscored: int = 0
    excluded: int = 0
    reason: str = ""

    @property
    def complete(self) -> bool:
        return self.value is not None and self.unscored == 0


def pairs_of(
    prompts: Sequence[Prompt], wanted: Sequence[SampleKey], names_of: Callable[[Prompt], Sequence[str]]
) -> Iterator[tuple[SampleKey, str]]:
    """Every (sample, scorer name) pair where each sample of a prompt needs the same scorers."""
    names = {prompt.id: names_of(prompt) for prompt in prompts}
    for key in wanted:
        for name in names.get(key[0], ()):
            yield key, name


def complete(pairs: Iterable[tuple[SampleKey, str]], scores: Iterable[Score]) -> list[Score]:
    """Exactly one row for each wanted (sample, metric) pair, in the order of ``pairs``; missing ones are unscored.

    Of several rows for one pair a decided one wins, then the first by its JSON text, whatever their order.
    """
    found: dict[tuple[SampleKey, str], Score] = {}
    for score in scores:
        pair = (score.key, score.metric)
        other = found.get(pair)
        if other is None or _rank(score) < _rank(other):
            found[pair] = score
    return [
        found.get((key, metric)) or Score(key, metric, None, reason=NOT_SCORED) for key, metric in dict.fromkeys(pairs)
    ]


def reduced(
    benchmark: Benchmark,
    prompts: Sequence[Prompt],
    wanted: Sequence[SampleKey],
    scores: Iterable[Score],
    scoring: str = "official",
) -> list[Metric]:
    """The metrics of a benchmark over the wanted samples, from the scorers' rows in whatever order."""
    return benchmark.reduce(benchmark.rows(prompts, wanted, scores, scoring), scoring)


def estimate(rows: Sequence[Score], bounds: tuple[float, float] = UNBOUNDED) -> Estimate:
    """The weighted mean over the rows with a number, its uncertainty clustered by prompt.

    ``bounds`` is the range that scores keep to: it shapes the interval and nothing else.
    The ratio estimator R = Σ S_p / Σ W_p over prompts, with S_p = Σ w·v and W_p = Σ w, has the linearised variance
    n/(n − 1) · Σ (S_p − R·W_p)² / (Σ W_p)².
    """
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    keys = set()
    for row in rows:
        if row.value is not None and row.weight > 0:
            keys.add(row.key)
            groups[row.key[0]].append((row.weight, row.value))
    unscored = sum(not row.decided for row in rows)
    excluded = sum(row.weight == 0 for row in rows)
    if not keys:
        return Estimate(None, unscored=unscored, excluded=excluded, reason=_why_empty(rows, unscored, excluded))
    pairs = [pair for group in groups.values() for pair in group]
    total = math.fsum([weight for weight, _ in pairs])
    mean = math.fsum([weight * value for weight, value in pairs]) / total
    n = len(groups)
    influence, spread = {}, None
    if n > 1:
        scale = math.sqrt(n / (n - 1)) / total
        for prompt in sorted(groups):
            sums = math.fsum([weight * value for weight, value in groups[prompt]])
            influence[prompt] = (sums - mean * math.fsum([weight for weight, _ in groups[prompt]])) * scale
        spread = spread_of(mean, groups, influence, bounds)
    return Estimate(mean, influence, spread, frozenset(keys), unscored, excluded)


def composite(
    terms: Mapping[str, tuple[float, Estimate]], offset: float = 0.0, label: Callable[[str], str] = str
) -> Estimate:
    """``offset + Σ coefficient · value``. A prompt that serves several terms moves them together.

    Stated only when every term is complete; otherwise ``reason`` names what is missing by its ``label``.
    """
    keys = frozenset().union(*(term.keys for _, term in terms.values()))
    counts = sum(term.unscored for _, term in terms.values()), sum(term.excluded for _, term in terms.values())
    if not terms or not all(term.complete for _, term in terms.values()):
        gaps = [label(name) for name, (_, term) in terms.items() if not term.complete]
        reason = f"needs every part; not complete: {', '.join(gaps) or 'all'}"
        return Estimate(None, keys=keys, unscored=counts[0], excluded=counts[1], reason=reason)
    value = math.fsum([offset, *(coefficient * (term.value or 0.0) for coefficient, term in terms.values())])
    spreads = [(coefficient, term.spread) for coefficient, term in terms.values() if term.spread is not None]
    if len(spreads) < len(terms):
        return Estimate(value, keys=keys, unscored=counts[0], excluded=counts[1])
    pulls: dict[str, list[float]] = defaultdict(list)
    for coefficient, term in terms.values():
        for prompt, pull in term.influence.items():
            pulls[prompt].append(coefficient * pull)
    influence = {prompt: math.fsum(pulls[prompt]) for prompt in sorted(pulls)}
    spread = combined(spreads, offset, math.fsum(pull * pull for pull in influence.values()))
    return Estimate(value, influence, spread, keys, *counts)


def interval(part: Estimate) -> Interval | None:
    """The two-sided 95 % interval; ``None`` below two prompts, or where all score alike and have no range."""
    if part.value is None or part.spread is None:
        return None
    low, high = map(float, limits(part.value, part.spread))
    return Interval(low, high) if math.isfinite(high - low) else None


def metric(name: str, part: Estimate, higher_is_better: bool = True) -> Metric:
    """The record of an estimate, with its interval or the reason why there is none."""
    prompts = len({key.prompt_id for key in part.keys})
    found = interval(part) if prompts >= FEWEST_PROMPTS else None
    return Metric(
        name=name,
        value=part.value,
        interval=found,
        prompts=prompts,
        samples=len(part.keys),
        unscored=part.unscored,
        excluded=part.excluded,
        higher_is_better=higher_is_better,
        reason=part.reason if part.value is None or found is not None else _why_no_interval(part, prompts),
        influence=part.influence,
    )


def coverage_of(rows: Sequence[Score]) -> Coverage:
    """How many of the wanted pairs are decided, and why the others are not, by metric and reason."""
    missing = Counter((row.metric, row.reason) for row in rows if not row.decided)
    return Coverage(
        wanted=len(rows),
        scored=sum(row.value is not None and row.weight > 0 for row in rows),
        excluded=sum(row.weight == 0 for row in rows),
        missing=tuple(Missing(name, number, reason) for (name, reason), number in sorted(missing.items())),
    )


def _rank(score: Score) -> tuple[bool, str]:
    return (not score.decided, canonical_json(score))


def _why_no_interval(part: Estimate, prompts: int) -> str:
    if prompts < FEWEST_PROMPTS:
        return f"no interval, fewer than {FEWEST_PROMPTS} prompts"
    if part.spread is None:
        return "no interval, a part rests on one prompt"
    return "no interval, all prompts score alike"


def _why_empty(rows: Sequence[Score], unscored: int, excluded: int) -> str:
    if not rows:
        return "no prompt of this run serves it"
    if unscored == 0:
        return f"the rule leaves out all {excluded} samples"
    reasons = Counter(row.reason for row in rows if not row.decided)
    reason, number = min(reasons.items(), key=lambda item: (-item[1], item[0]))
    return (
        f"{unscored} unscored: {reason}" if number == unscored else f"{unscored} unscored: {reason}, and other reasons"
    )
