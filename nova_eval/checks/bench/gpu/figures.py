"""What a part measures: figures, as lines of JSON on their way between processes and as rows of a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nova_eval.checks.bench.options import GpuBench

Left = Callable[[], float]
"""The seconds that a part still has."""

Measure = Callable[[GpuBench, Left], "Iterator[Figure]"]
"""Gives figures as they are found; what would take longer than is left is not begun."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``value`` in ``unit``, and beside it the same of another way or its bound (``against`` says which)."""

    name: str
    value: float
    unit: str
    beside: float | None = None
    against: str = ""
    remark: str = ""


@dataclass(slots=True)
class Outcome:
    """A part: ``state`` is measured, stopped, failed or left out, ``reason`` why it is not the first."""

    name: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    figures: list[Figure] = field(default_factory=list)


def lines(found: dict[str, Any]) -> str:
    """All parts in Markdown: a table each, and why one is not whole."""
    machine = found["machine"]
    text = [
        f"# bench gpu on {found['device']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, nova_eval {machine['nova_eval']}, "
        f"torch {machine['packages'].get('torch', 'absent')}; {found['seconds']:.0f} s of {found['limit']:.0f} s.",
    ]
    for part in found["parts"]:
        state = part["state"] + (f": {part['reason']}" if part["reason"] else "")
        text += ["", f"## {part['name']} ({state}; {part['seconds']:.0f} s)"]
        text += ["", *_table([Figure(**row) for row in part["figures"]])] if part["figures"] else []
    return "\n".join(text)


def facts(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    return [asdict(outcome) for outcome in outcomes]


def _table(rows: Sequence[Figure]) -> list[str]:
    cells = [
        (
            row.name,
            f"{row.value:.4g} {row.unit}",
            "" if row.beside is None else f"{row.against} {row.beside:.4g} {row.unit}".strip(),
            f"{row.beside / row.value:.2f}×" if row.beside is not None and row.value else "",
            row.remark,
        )
        for row in rows
    ]
    return [
        "| what | measured | beside | times | remark |",
        "| --- | ---: | ---: | ---: | --- |",
        *("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in cells),
    ]
