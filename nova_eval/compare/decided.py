"""What was decided, at which look, and what that saved: a table of the house, a line, and one JSON object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nova_eval.compare.deciding import Settled, worse
from nova_eval.compare.early import Decided, Saving, exit_code
from nova_eval.compare.gates import WORDS, named
from nova_eval.compare.tables import STRONG, number, text
from nova_eval.compare.verdicts import Verdict
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, gathered


def decided_table(found: Decided) -> Table:
    """A row a metric: both values, the difference, the prompts that were looked at, the look and the verdict."""
    config, looks = found.run.config, len(found.plan.looks)
    value = partial(number, config)
    fields: list[tuple[Column, Callable[[Settled], Cell]]] = [
        (Column("metric", "Metric"), lambda one: Cell(config.label(one.metric), one.metric)),
        (Column("reference", "Reference", "right"), lambda one: value(one.reference)),
        (Column("run", "Run", "right"), lambda one: value(one.run)),
        (Column("difference", "Difference", "right"), lambda one: value(_difference(one), signed=True)),
        (Column("gate", "Gate", "right"), lambda one: value(one.gate)),
        (Column("prompts", "Prompts", "right"), lambda one: Cell(f"{one.prompts} of {one.planned}", one.prompts)),
        (
            Column("look", "Look", "right"),
            lambda one: Cell(f"{one.look} of {looks}" if one.look else MISSING, one.look),
        ),
        (
            Column("verdict", "Verdict"),
            lambda one: Cell(str(one.verdict), str(one.verdict), strong=one.verdict in STRONG),
        ),
    ]
    return build(
        f"{config.name}: {found.run.model} ({found.run.name}) against {found.reference.model} "
        f"({found.reference.name}), until decided",
        fields,
        found.state.settled,
        footnotes=lines(found),
        strong_means="established" if any(one.verdict in STRONG for one in found.state.settled) else "",
    )


def lines(found: Decided) -> list[str]:
    """How it was looked, what is left open and why, and what was saved."""
    settled, config = found.state.settled, found.run.config
    how = (
        f"at {len(found.plan.looks)} looks; alpha is spent early for worse and better (Pocock), evenly for no worse"
        if found.rule.name == "five looks"
        else f"by a confidence sequence, from {found.rule.fewest} prompts on"
    )
    told = [f"Decided {how}; worse and better hold for all metrics together, by Holm."]
    reasons = gathered((one.reason, config.label(one.metric)) for one in settled if one.reason)
    told += [f"{', '.join(names)}: {reason}." for reason, names in reasons.items()]
    if any(one.look < len(found.plan.looks) and one.verdict is not Verdict.CANNOT_TELL for one in settled):
        told.append("A difference that ended its looks early is exaggerated on average.")
    open_ = [one for one in settled if one.open]
    if worse(settled) and found.state.looks < len(found.plan.looks) and open_:
        names = ", ".join(config.label(one.metric) for one in open_)
        told.append(f"Not looked at further, as something is worse (--every goes on): {names}.")
    else:
        told += [_open(found, one) for one in open_]
    if config.composites:
        told.append(f"{', '.join(map(config.label, config.composites))}: looked at by `compare` once the run is whole.")
    return [*told, saved(found.saving)]


def saved(saving: Saving) -> str:
    """What early stopping was worth, in one line."""
    if not saving.saved:
        return f"All {saving.planned} samples were made."
    line = f"{saving.saved} of {saving.planned} samples saved ({saving.saved / saving.planned:.0%})"
    if not saving.seconds:
        return f"{line}; `run` without --until-decided makes them."
    hours = f"{saving.seconds / 3600:.2g} GPU-hours" if saving.accelerated else f"{saving.seconds:.3g} s"
    return f"{line}, {hours} of sampling by measured seconds; `run` without --until-decided makes them."


def said(found: Decided, *, strict: bool) -> str:
    """What the exit code means, in one line."""
    settled, config = found.state.settled, found.run.config
    lacking, undecided = ([one for one in settled if one.incomplete], [one for one in settled if one.open])
    return f"gate {WORDS[exit_code(settled, strict=strict)]}: {named(config, worse(settled), lacking, undecided)}"


def to_json(found: Decided, *, strict: bool) -> dict[str, Any]:
    """All that is known, in raw units; ``None`` where there is no number."""
    state, saving = found.state, found.saving
    return {
        "benchmark": found.run.config.name,
        "run": found.run.name,
        "folder": str(found.run.store.folder),
        "reference": found.reference.name,
        "rule": found.rule.name,
        "looks": state.looks,
        "looks_planned": list(found.plan.looks),
        "exit_code": exit_code(state.settled, strict=strict),
        "metrics": [
            {
                "name": one.metric,
                "verdict": str(one.verdict),
                "look": one.look,
                "prompts": one.prompts,
                "planned": one.planned,
                "reference": one.reference,
                "run": one.run,
                "difference": _difference(one),
                "standard_error": one.evidence.error if one.evidence else None,
                "p_worse_alone": one.evidence.p_worse if one.evidence else None,
                "p_better_alone": one.evidence.p_better if one.evidence else None,
                "gate": one.gate,
                "incomplete": one.incomplete,
                "reason": one.reason,
            }
            for one in state.settled
        ],
        "samples": {
            "planned": saving.planned,
            "made": saving.made,
            "saved": saving.saved,
            "seconds_saved": saving.seconds,
            "gpu_hours_saved": saving.seconds / 3600 if saving.accelerated else None,
        },
    }


def _difference(one: Settled) -> float | None:
    return None if one.reference is None or one.run is None else one.run - one.reference


def _open(found: Decided, one: Settled) -> str:
    config, facts = found.run.config, one.evidence
    smallest = None if facts is None else facts.detectable(len(found.state.settled))
    label = config.label(one.metric)
    if smallest is None:
        return f"{label}: cannot tell; no drop can be established by so few prompts that differ."
    return f"{label}: cannot tell; a drop of {text(config, smallest)} would have been found by all its prompts at once."
