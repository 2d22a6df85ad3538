"""Faults while a run is at work: its processes are killed or asked to end, its disk is full, cut off or broken."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from nova_eval.checks.bench.faults import holding, steps
from nova_eval.checks.bench.faults.case import Case
from nova_eval.checks.bench.faults.commands import Done
from nova_eval.checks.bench.faults.steps import Deed
from nova_eval.errors import INTERRUPTED, OK, PREREQUISITE

Kind = Callable[[Case], None]
KILLED = -signal.SIGKILL
_MOST_STRIKES = 3


def struck(
    case: Case,
    deed: Deed,
    code: int,
    *,
    who: str = "driver",
    where: str = "",
    workers: int = 1,
    lasting: bool = False,
    sweeps: bool = True,
) -> None:
    """A deed at a random step, up to three times in a row; then the same command goes on to the end."""
    for _ in range(case.random.randint(1, _MOST_STRIKES)):
        held = holding.finished(case.run)
        injection = case.injection(deed, who=who, where=where, workers=workers, lasting=lasting)
        done = case.command(*case.words(workers=workers), prepare=[injection])
        case.ended(done, code if injection.struck else OK)
        case.count.injected += injection.struck
        if sweeps:
            case.swept(done)
        kept(case, done, held)
    case.finishes()


def kept(case: Case, done: Done, before: holding.Finished) -> None:
    """Nothing that was finished before a command is gone after it."""
    if lost := holding.lost(before, holding.finished(case.run)):
        case.wrong("lost", done, "finished before it", lost)


def limited(case: Case, which: int, amount: int) -> None:
    """A limit of the system on a command; of open files so many more than there are."""

    def limit() -> None:
        open_already = len(os.listdir("/proc/self/fd")) if which == resource.RLIMIT_NOFILE else 0
        resource.setrlimit(which, (amount + open_already, amount + open_already))

    done = case.command(*case.words(), prepare=[limit])
    case.count.injected += done.code != OK
    case.ended(done, OK, PREREQUISITE)
    case.swept(done)
    case.finishes()


def no_answer(case: Case) -> None:
    """The answer cannot be written: all standard output goes where nothing fits."""
    done = case.command(*case.words(), output=Path("/dev/full"))
    case.count.injected += 1
    case.ended(done, PREREQUISITE)
    case.finishes()


def nobody_reads(case: Case) -> None:
    """Standard output is a pipe whose reader has gone."""

    def gone() -> None:
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        os.close(reader)
        os.close(writer)

    done = case.command(*case.words(), prepare=[gone])
    case.count.injected += 1
    case.ended(done, PREREQUISITE)
    case.finishes()


_TWO = {"workers": 2}
KINDS: dict[str, Kind] = {
    "driver killed": lambda case: struck(case, steps.kill, KILLED),
    "driver killed, two workers": lambda case: struck(case, steps.kill, KILLED, workers=2),
    "driver killed by a worker's step": lambda case: struck(case, steps.kill_driver, KILLED, who="workers", workers=2),
    "worker killed": lambda case: struck(case, steps.kill, OK, who="workers", workers=2),
    "killed between media and row": lambda case: struck(case, steps.kill, KILLED, where="/samples"),
    "killed while a row is written": lambda case: struck(case, steps.tear_and_kill, KILLED, where=".jsonl"),
    "killed while tables are written": lambda case: struck(case, steps.kill, KILLED, where="/tables"),
    "killed while the manifest is written": lambda case: struck(case, steps.tear_and_kill, KILLED, where="/manifest"),
    "worker killed while a row is written": lambda case: struck(
        case, steps.tear_and_kill, OK, who="workers", where=".jsonl", workers=2
    ),
    "Ctrl-C": lambda case: struck(case, steps.send(signal.SIGINT), INTERRUPTED),
    "Ctrl-C to all, two workers": lambda case: struck(
        case, steps.send(signal.SIGINT, group=True), INTERRUPTED, who="all", workers=2
    ),
    "SIGTERM": lambda case: struck(case, steps.send(signal.SIGTERM), INTERRUPTED),
    "SIGTERM to the driver of two workers": lambda case: struck(
        case, steps.send(signal.SIGTERM), INTERRUPTED, workers=2
    ),
    "disk full once": lambda case: struck(case, steps.fail(steps.FULL), PREREQUISITE),
    "disk full from then on": lambda case: struck(case, steps.fail(steps.FULL), PREREQUISITE, lasting=True),
    "disk full within a write": lambda case: struck(
        case, steps.fail(steps.FULL, torn=True), PREREQUISITE, where=".jsonl"
    ),
    "disk full at a worker": lambda case: struck(
        case, steps.fail(steps.FULL, torn=True), PREREQUISITE, who="workers", workers=2
    ),
    "quota": lambda case: struck(case, steps.fail(steps.QUOTA), PREREQUISITE, lasting=True),
    "disk read-only from then on": lambda case: struck(
        case, steps.fail(steps.READ_ONLY), PREREQUISITE, lasting=True, sweeps=False
    ),
    "sync fails": lambda case: struck(case, steps.fail(steps.BROKEN), PREREQUISITE, where=".jsonl"),
    "files of limited size": lambda case: limited(
        case, resource.RLIMIT_FSIZE, case.random.choice((1500, 2000, 3000, 5000, 9000))
    ),
    "few open files": lambda case: limited(case, resource.RLIMIT_NOFILE, case.random.randint(2, 7)),
    "standard output full": no_answer,
    "standard output without a reader": nobody_reads,
}
