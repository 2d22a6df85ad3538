"""Faults of runs on a Ray cluster: to the driver, which alone writes, to actors, their workers and whole nodes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from nova_eval.checks.bench.faults import company, holding, steps
from nova_eval.checks.bench.faults.case import Case
from nova_eval.checks.bench.faults.cluster import Cluster
from nova_eval.checks.bench.faults.crashes import KILLED, kept
from nova_eval.checks.bench.faults.steps import Deed, Step
from nova_eval.errors import INTERRUPTED, OK, PREREQUISITE

_GRACE_SECONDS = 20.0  # until an actor whose driver is gone is an orphan


def struck(case: Case, deed: Deed, *codes: int, where: str = "", killed: bool = False) -> None:
    """A deed at a random step of the driver; then the same command, on processes, goes on to the end.

    ``killed``: the command cannot take its temporary files along.
    """
    ray = _words(case)
    held = holding.finished(case.run)
    injection = case.injection(deed, who="driver", where=where, more=ray)
    done = case.command(*case.words(*ray), prepare=[injection])
    case.ended(done, *(codes if injection.struck else (OK,)))
    case.count.injected += injection.struck
    if not killed:
        case.swept(done)
    if orphans := _cluster(case).left(_GRACE_SECONDS):
        case.wrong("orphans", done, "actors whose driver is gone", orphans)
    kept(case, done, held)
    _cluster(case).keep()
    case.finishes()


def _cluster(case: Case) -> Cluster:
    assert case.cluster is not None
    return case.cluster


def _words(case: Case) -> tuple[str, ...]:
    return "--engine", "ray", "--address", _cluster(case).address


def _end(case: Case, which: str) -> Deed:
    """Kills one of the processes of the cluster; nothing has struck where there is none."""

    def deed(step: Step) -> bool:
        pids = getattr(_cluster(case), which)()
        for pid in pids[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)

    return deed


def _node(case: Case, change: str) -> Deed:
    """In the driver, a forked process: the pipe to the cluster is there too, and nobody else uses it meanwhile."""

    def deed(step: Step) -> None:
        getattr(_cluster(case), change)()

    return deed


KINDS: dict[str, Callable[[Case], None]] = {
    "ray: driver killed": lambda case: struck(case, steps.kill, KILLED, killed=True),
    "ray: killed between media and row": lambda case: struck(case, steps.kill, KILLED, where="/samples", killed=True),
    "ray: killed while a row is written": lambda case: struck(
        case, steps.tear_and_kill, KILLED, where=".jsonl", killed=True
    ),
    "ray: Ctrl-C": lambda case: struck(case, steps.send(signal.SIGINT), INTERRUPTED),
    "ray: SIGTERM": lambda case: struck(case, steps.send(signal.SIGTERM), INTERRUPTED),
    "ray: disk full": lambda case: struck(case, steps.fail(steps.FULL), PREREQUISITE),
    "ray: disk full within a write": lambda case: struck(
        case, steps.fail(steps.FULL, torn=True), PREREQUISITE, where=".jsonl"
    ),
    "ray: sync fails": lambda case: struck(case, steps.fail(steps.BROKEN), PREREQUISITE, where=".jsonl"),
    "ray: worker killed": lambda case: struck(case, _end(case, "workers"), OK),
    "ray: actor killed": lambda case: struck(case, _end(case, "actors"), OK),
    "ray: node killed": lambda case: struck(case, _node(case, "lose_node"), OK),
    "ray: node joins": lambda case: struck(case, _node(case, "add_node"), OK),
    "ray: two drivers": lambda case: company.two_drivers(case, *_words(case)),
    "ray: shards at once": lambda case: company.shards_at_once(case, *_words(case)),
    "ray: shards at once, one killed": lambda case: company.shards_at_once(case, *_words(case), killed=True),
}
