"""status: how far a run is, from another terminal or machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nova_eval import errors
from nova_eval.cli.apps import Results, app
from nova_eval.cli.flags import print_json, put
from nova_eval.progress import clock_text

if TYPE_CHECKING:
    from nova_eval.runs.status import Share, Status


@app.command
def status(run: str, /, *, results: Results = Path("results"), json: bool = False) -> int:
    """Say how far a run is: progress, rate, time left, workers, failures.

    It reads the run's folder, from any machine that sees it, and disturbs nobody who is at work.

    Example: `nova-eval status vbench/mine-0123abcd`

    Parameters
    ----------
    run
        A run folder, or a name from `runs list`.
    json
        Print one JSON object instead of lines.
    """
    from nova_eval.runs import finding
    from nova_eval.runs.status import status as status_of

    found = status_of(finding.find(run, results))
    if json:
        print_json(found.as_json())
    else:
        for line in lines(found):
            put(line)
    return errors.OK


def lines(found: Status) -> Iterator[str]:
    """The same for people."""
    failed = f", {found.failed} failed" if found.failed else ""
    yield f"{found.run}  {'at work' if found.at_work else 'nobody is at work'}"
    yield f"samples  {found.samples} of {found.wanted}{failed}"
    yield f"scores   {found.decided} of {found.scores}"
    for share in found.shares:
        if share.at_work:
            yield from _share(share)
    for reason, number in found.failures:
        yield f"{number} × {reason}"


def _share(share: Share) -> Iterator[str]:
    shard = f"shard {share.shard}: " if share.shard else ""
    rate = f", {share.rate:.3g}/s" if share.rate else ""
    left = f", {clock_text(share.seconds_left)} left" if share.seconds_left is not None else ""
    where = f"; {share.engine} engine of {share.process}, at {share.updated}" if share.process else ""
    yield f"{shard}{share.stage or 'begins'} {share.done} of {share.total}{rate}{left}{where}"
    for name, worker in share.workers.items():
        yield f"  {name}  since {worker.get('since', '?')}: {worker.get('at', '')}"
