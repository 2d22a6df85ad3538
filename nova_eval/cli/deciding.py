"""``run … --until-decided``: the words for it."""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.cli import show
from nova_eval.cli.flags import RunFlags, open_run, print_json, put_page
from nova_eval.compare import decided, early, gates
from nova_eval.compare.reference import open_side
from nova_eval.compare.stopping import ANYTIME, GROUPS
from nova_eval.progress import talk


def until_decided(
    benchmark: str,
    against: str,
    flags: RunFlags,
    gate: Sequence[str],
    *,
    anytime: bool,
    every: bool,
    strict: bool,
    allow: Sequence[str],
    json: bool,
) -> int:
    """Runs until it is decided, and prints what was."""
    opened = open_run(benchmark, flags)
    limits = gates.gates_of(opened.config, gate, composites=False)
    reference = open_side(against, opened.options.results)
    rule = ANYTIME if anytime else GROUPS
    found = early.run_until_decided(opened, reference, limits, rule, every=every, allow=allow)
    talk(f"run folder: {opened.store.folder}")
    if json:
        print_json(decided.to_json(found, strict=strict))
    else:
        put_page(show.text_of([decided.decided_table(found)], "terminal"))
    talk(decided.said(found, strict=strict))
    return early.exit_code(found.state.settled, strict=strict)
