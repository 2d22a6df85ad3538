"""Two real runs as ``--until-decided`` would have looked at them: what was claimed when, and by all prompts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nova_eval.checks.bench.written import percent, to_markdown
from nova_eval.compare.comparing import compare
from nova_eval.compare.deciding import planned, state, worse
from nova_eval.compare.gates import gates_of
from nova_eval.compare.pairing import Pairing
from nova_eval.compare.stopping import GROUPS

UNTIL_WORSE, UNTIL_ALL = "until something is worse", "until all is decided"


@dataclass(frozen=True, slots=True)
class Replayed:
    """A metric at five looks: its verdict, at which look, by how many of its prompts; ``at_once`` is that of all.

    The last two rows are of all metrics: the looks and prompts that were taken until one was worse, and until all were
    decided. Their verdicts name what was worse.
    """

    metric: str
    verdict: str
    look: int
    looks: int
    prompts: int
    planned: int
    at_once: str


def replayed(pairing: Pairing) -> list[Replayed]:
    """From the rows that are there; the gates are the benchmark's."""
    reference, run = pairing.reference, pairing.run
    config = reference.benchmark.config
    limits = gates_of(config, composites=False)
    plan = planned(reference, run, GROUPS)
    short, whole = (state(plan, reference, run, limits, GROUPS, every=every) for every in (False, True))
    [beside] = compare(reference, [run], gates_of(config)).comparisons
    verdicts = {one.metric: str(one.verdict) for one in beside.findings}
    looks, prompts = len(plan.looks), len(plan.order)
    rows = [
        Replayed(one.metric, str(one.verdict), one.look, looks, one.prompts, one.planned, verdicts[one.metric])
        for one in whole.settled
    ]
    named = [one.metric for one in beside.regressed if one.metric in config.dimensions]
    for what, found in ((UNTIL_WORSE, short), (UNTIL_ALL, whole)):
        metrics = [one.metric for one in worse(found.settled)]
        taken = len(found.asked.prompts)
        rows.append(Replayed(what, _told(metrics), found.looks, looks, taken, prompts, _told(named)))
    return rows


def _told(metrics: Sequence[str]) -> str:
    return f"worse: {', '.join(metrics)}" if metrics else "nothing worse"


def lines(rows: Sequence[Replayed]) -> str:
    """A Markdown table."""
    head = ["metric", "verdict", "by all prompts at once", "look", "prompts", "share"]
    table = []
    for row in rows:
        look, prompts = f"{row.look} of {row.looks}", f"{row.prompts} of {row.planned}"
        table.append([row.metric, row.verdict, row.at_once, look, prompts, percent(row.prompts / row.planned)])
    return to_markdown(head, table, words=3)
