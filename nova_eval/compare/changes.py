"""The samples whose scores changed most, with what the scorers say of both."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest

from nova_eval.compare.verdicts import Comparison, Verdict
from nova_eval.errors import one_line
from nova_eval.identity import canonical_json
from nova_eval.records import SampleKey, Score

_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Change:
    """One score of one sample on both sides, and what the scorers say of it there."""

    key: SampleKey
    metric: str
    prompt: str
    reference: float
    run: float
    why: tuple[str, str]


def changed_most(comparison: Comparison, number: int) -> list[Change]:
    """At most ``number`` scores: of metrics that are worse first, then of better ones, then of the others."""
    pairing = comparison.pairing
    config = pairing.reference.benchmark.config
    texts = {prompt.id: prompt.text for prompt in pairing.prompts}
    order = {Verdict.WORSE: 0, Verdict.BETTER: 1}
    first = {finding.metric: order.get(finding.verdict, 2) for finding in comparison.findings}
    before = {(row.key, row.metric): row for row in pairing.rows[0] if row.value is not None}
    moves = []
    for row in pairing.rows[1]:
        other = before.get((row.key, row.metric))
        if row.value is not None and other is not None and other.value is not None and row.value != other.value:
            moves.append((row.value - other.value, other, row))
    spans = {name: dimension.maximum - dimension.minimum for name, dimension in config.dimensions.items()}

    def rank(move: tuple[float, Score, Score]) -> tuple[int, float, str, SampleKey]:
        by, _, row = move
        return first.get(row.metric, 2), -abs(by) / spans.get(row.metric, 1.0), row.metric, row.key

    return [
        Change(
            key=row.key,
            metric=row.metric,
            prompt=texts[row.key.prompt_id],
            reference=float(other.value or 0.0),
            run=float(row.value or 0.0),
            why=(_why(other), _why(row)),
        )
        for _, other, row in nsmallest(number, moves, key=rank)
    ]


def _why(row: Score) -> str:
    told = row.detail["reason"] if "reason" in row.detail else canonical_json(row.detail) if row.detail else ""
    text = one_line(row.reason or str(told))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
