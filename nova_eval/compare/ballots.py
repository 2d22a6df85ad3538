"""Votes as a table of the house, and for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from nova_eval.compare.pairing import Pairing
from nova_eval.compare.votes import Estimate, Votes
from nova_eval.report.grid import MISSING, Cell, Column, Table, build, count, rounded, words

if TYPE_CHECKING:
    from nova_eval.records import Interval


def votes_table(pairing: Pairing, votes: Votes) -> Table:
    """A row for the preference, one over all prompts, and one a metric for how often its judge agrees; in percent."""
    config = pairing.reference.benchmark.config
    rows = [
        ("preferred", f"{pairing.run.model} preferred", votes.preferred),
        ("prediction_powered", "the same over all prompts", votes.powered),
        *((name, f"{config.label(name)} agrees", one) for name, one in votes.agreement.items()),
    ]
    fields: list[tuple[Column, Callable[[tuple[str, str, Estimate]], Cell]]] = [
        (Column("of", "Votes"), lambda row: Cell(row[1], row[0])),
        (Column("share", "Share", "right"), lambda row: _percent(row[2].value)),
        (Column("interval", "95% interval", "right", "page"), lambda row: _interval(row[2])),
        (Column("low", "Low", "right", "data"), lambda row: _percent(row[2].interval and row[2].interval.low)),
        (Column("high", "High", "right", "data"), lambda row: _percent(row[2].interval and row[2].interval.high)),
        (Column("prompts", "Prompts", "right"), lambda row: count(row[2].prompts)),
        (Column("votes", "Votes", "right"), lambda row: count(row[2].votes)),
        (Column("note", "Note", place="data"), lambda row: words(row[2].reason)),
    ]
    title = f"{pairing.run.model} ({pairing.run.name}) against {pairing.reference.model} ({pairing.reference.name})"
    return build(f"Blind votes on {title}, in percent", fields, rows, ruled={2}, footnotes=_notes(votes))


def _notes(votes: Votes) -> list[str]:
    files = f" in {votes.files} files" if votes.files > 1 else ""
    found = [f"{votes.cast} votes{files}; no difference counts as half; intervals are clustered by prompt."]
    found += [f"{votes.skipped} pairs were passed over."] if votes.skipped else []
    found += (
        [f"{votes.strange} votes are on other samples than these runs have, and left out."] if votes.strange else []
    )
    if votes.p is not None:
        found.append(f"Against no preference: p = {votes.p:.4f} (two-sided sign-flip test over prompts).")
    if votes.trust is not None:
        found.append(
            "Over all prompts: where nobody voted judges stand in, corrected by what votes say of them "
            f"(prediction-powered; weight {votes.trust:.2f}, 0 leaves them out), for votes in the page's order."
        )
    found += [f"Over all prompts: {votes.powered.reason}."] if votes.powered.reason else []
    found.append("Agreement: votes that decide, on samples that the judge scores differently; half would be chance.")
    return found


def to_json(votes: Votes) -> dict[str, Any]:
    """All that is known, as fractions."""
    return asdict(votes)


def _percent(value: float | None) -> Cell:
    if value is None:
        return Cell(MISSING)
    exact = Decimal(repr(float(value))).scaleb(2)
    return Cell(rounded(exact, 1), exact)


def _interval(one: Estimate) -> Cell:
    found: Interval | None = one.interval
    return Cell(one.reason if found is None else f"[{_percent(found.low).text}, {_percent(found.high).text}]")
