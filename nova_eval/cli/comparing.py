"""Verbs that hold runs against each other: compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from nova_eval import errors
from nova_eval.cli.apps import app
from nova_eval.cli.flags import print_json, put, talk

Many = Parameter(consume_multiple=True)


@app.command
def compare(
    reference: str,
    /,
    *runs: str,
    gate: Annotated[tuple[str, ...] | None, Many] = None,
    strict: bool = False,
    allow: Annotated[tuple[str, ...], Many] = (),
    changes: int = 5,
    format: Literal["terminal", "md", "csv", "tex", "html", "junit"] = "terminal",
    results: Path = Path("results"),
    json: bool = False,
) -> int:
    """Say of every metric whether a run is better or worse than a reference, prompt by prompt.

    Several runs are corrected as a series, and which of them may be the best is said. With --gate the exit code is 1
    where something is established to be worse, 3 where something is not scored, else 0.

    Parameters
    ----------
    reference
        A run folder or a name from `list runs`.
    runs
        The same: what is held against it.
    gate
        Let the exit code speak. NAME=VALUE replaces a gate of the benchmark, in raw units (color=0.02).
    strict
        The exit code is 1 as well where it cannot be told.
    allow
        Compare although they differ in this: version, variant, prompts, scoring, scorers, judges or codec.
    changes
        How many of the samples that changed most are listed.
    format
        terminal, md, csv, tex, html, or junit (a case a metric).
    json
        Print one JSON object instead of tables.
    """
    from nova_eval.cli import show
    from nova_eval.compare import comparing, export, gates, tables
    from nova_eval.compare.sides import open_side

    if not runs:
        raise errors.UsageError("no run was named", remedy="name the reference, then one run or more")
    before = open_side(reference, results)
    limits = gates.gates_of(before.benchmark.config, gate or ())
    series = comparing.compare(before, [open_side(name, results) for name in runs], limits, allow)
    if json:
        print_json(export.to_json(series, changes))
    elif format == "junit":
        put(export.to_junit(series.comparisons, strict=strict), end="")
    else:
        shown = print if format == "terminal" else put
        shown(show.text_of(tables.pages(series, changes), format), end="")
    if gate is None and not strict:
        return errors.OK
    talk(gates.said(series.comparisons, strict=strict))
    return gates.exit_code(series.comparisons, strict=strict)
