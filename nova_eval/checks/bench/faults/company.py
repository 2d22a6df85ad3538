"""Faults of company: others at work on the same run, parts of it, and the record that they share."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

from nova_eval.checks.bench.faults import holding, steps
from nova_eval.checks.bench.faults.case import Case, environment
from nova_eval.checks.bench.faults.commands import Done, Preparation
from nova_eval.checks.bench.faults.crashes import KILLED
from nova_eval.checks.bench.faults.steps import Injection, Step
from nova_eval.errors import INCOMPLETE, OK, PREREQUISITE

_STARTED_SECONDS = 60.0


def _without_locks() -> None:
    """As on a file system that has none."""
    from nova_eval import locks

    vars(locks)["_taken"] = lambda number: None


def _held(case: Case, injection: Injection, words: list[str], *others: list[str], locks: bool = True) -> list[Done]:
    """The ends of several commands, of which the others start when the first is at a random step."""
    prepare = () if locks else (_without_locks,)
    first = case.start(words, injection, *prepare)
    deadline = time.monotonic() + _STARTED_SECONDS
    while not injection.struck and time.monotonic() < deadline and not first.ended():
        time.sleep(0.003)
    case.count.injected += 1
    started = [case.start(other, *prepare) for other in others]
    return [command.wait() for command in (*started, first)]


def _pause(step: Step) -> None:
    time.sleep(0.3)


def two_drivers(case: Case, *more: str, locks: bool = True) -> None:
    """Two, or three, at once: one does it, the others are told by whom; or they come one after the other.

    ``more`` are words of each.
    """
    words = case.words(*more)
    others = [words] * case.random.randint(1, 2)
    done = _held(case, case.injection(_pause, who="driver", more=more), words, *others, locks=locks)
    for one in done:
        case.ended(one, OK, PREREQUISITE)
        if one.code == PREREQUISITE and "is being worked on by process" not in one.error:
            case.wrong("unclear", one, "does not say who holds the run")
    if all(one.code for one in done):
        case.wrong("lost", done[0], "nobody does it")
    case.finishes()


def whole_and_shard(case: Case) -> None:
    """The whole run and a shard of it at once."""
    number = case.random.randint(2, 3)
    shard = case.words("--shard", f"{case.random.randint(1, number)}/{number}")
    pair = [case.words(), shard]
    case.random.shuffle(pair)
    for one in _held(case, case.injection(_pause), *pair):
        case.ended(one, OK, PREREQUISITE)
    case.finishes()


def readers(case: Case) -> None:
    """Who looks at a run while it is at work sees a part of it, or the whole."""
    run = case.world.run
    target = case.results / "runs" / run.parent.name / run.name
    looks: list[list[str]] = [["table", str(target), "--baselines", "none", "--json"]]
    looks.append(["list", "runs", "--results", str(case.results)])
    looks.append(["plan", *case.words()[1:]])
    look = case.random.choice(looks)
    done, first = _held(case, case.injection(_pause), case.words(), look)
    case.ended(first, OK)
    if look[0] == "table":
        case.told(done)
    else:
        case.ended(done, OK)
    case.finishes()


def shards(case: Case) -> None:
    """Parts of a run, one of them missing or killed: what is there says so, and the whole goes on from it."""
    number = case.random.randint(2, 4)
    parts = [f"{part}/{number}" for part in range(1, number + 1)]
    case.random.shuffle(parts)
    absent, *there = parts
    if case.random.random() < 0.5:
        killed = case.injection(steps.kill)
        case.command(*case.words("--shard", absent), prepare=[killed])
    for part in there:
        case.ended(case.command(*case.words("--shard", part)), OK, INCOMPLETE)
    case.count.injected += 1
    if case.run is not None:
        case.told(case.command("table", case.run, "--baselines", "none", "--json"))
    case.finishes()


def slurm_array(case: Case) -> None:
    """The tasks of an array, some of which are killed and submitted again by their numbers."""
    first = case.random.randint(0, 1)
    number = case.random.randint(2, 4)
    tasks = list(range(first, first + number))
    for task in case.random.sample(tasks, number):
        told = {"ID": task, "COUNT": number, "MIN": tasks[0], "MAX": tasks[-1]}
        if case.random.random() < 0.5:
            killed = case.injection(steps.kill)
            case.command(*case.words("--shard", "slurm"), prepare=[*_array(told), killed])
            case.count.injected += killed.struck
            told |= {"COUNT": 1, "MIN": task, "MAX": task}
            done = case.command(*case.words("--shard", f"slurm/{number}"), prepare=_array(told))
        else:
            done = case.command(*case.words("--shard", "slurm"), prepare=_array(told))
        case.ended(done, OK, INCOMPLETE)
    if case.run is not None:
        case.told(case.command("table", case.run, "--baselines", "none", "--json"), OK)
    case.finishes()


def _array(told: dict[str, int]) -> list[Preparation]:
    return [environment(f"SLURM_ARRAY_TASK_{name}", str(value)) for name, value in told.items()]


def shards_at_once(case: Case, *more: str, killed: bool = False) -> None:
    """All parts at once on one folder, the first of them ``killed``. ``more`` are words of each."""
    number = case.random.randint(2, 3)
    first, *others = [case.words("--shard", f"{part}/{number}", *more) for part in range(1, number + 1)]
    injection = case.injection(steps.kill if killed else _pause, who="driver", more=more)
    *done, ended = _held(case, injection, first, *others)
    for one in done:
        case.ended(one, OK, INCOMPLETE)
    case.ended(ended, *((KILLED, OK, INCOMPLETE) if killed else (OK, INCOMPLETE)))  # a part has fewer steps
    case.finishes()


def look_at_a_part(case: Case) -> None:
    """A smaller look at a finished run leaves the record of the whole."""
    run = case.copy_finished()
    case.count.injected += 1
    part = case.random.choice((["--limit", "1"], ["--samples-per-prompt", "1"], ["--limit", "2", "--set", "batch=3"]))
    case.ended(case.command("score", run, *part), OK)
    case.told(case.command("table", run, "--baselines", "none", "--json"))
    if holding.tables(run) != case.world.facts["tables"]:
        case.wrong("silent", note="a look at a part replaced the tables of the whole")
    case.finishes()


def stale_lock(case: Case) -> None:
    """A lock that somebody left who is dead, or who never was."""
    _write_lock(case, case.random.choice(_HOLDERS)(), case.random.choice(("shard-0-of-1", "record")))
    case.finishes()


def lock_of_another_host(case: Case) -> None:
    """Without locks of the system a holder elsewhere is believed, named, and removed by hand."""
    holder = {"host": "elsewhere", "pid": 7, "boot": "theirs", "space": "", "started": "9", "since": "yesterday"}
    lock = _write_lock(case, json.dumps(holder), "shard-0-of-1")
    done = case.command(*case.words(), prepare=[_without_locks])
    case.ended(done, PREREQUISITE)
    if "process 7 on elsewhere, since yesterday" not in done.error or "remove" not in done.error:
        case.wrong("unclear", done, "does not say who holds the run and what can be done")
    lock.unlink()
    case.ended(case.command(*case.words(), prepare=[_without_locks]), OK)
    case.finishes()


def _dead() -> str:
    holder = {"host": socket.gethostname(), "pid": 2**22 + 1, "boot": "", "space": "", "started": "1", "since": "then"}
    return json.dumps(holder)


_HOLDERS: tuple[Callable[[], str], ...] = (
    _dead,
    lambda: "{",
    lambda: "[]",
    lambda: "\0" * 5000,
    lambda: '{"pid": "x", "since": 3}',
)


def _write_lock(case: Case, text: str, name: str) -> Path:
    run = case.copy_finished()
    lock = run / "locks" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(text)
    case.count.injected += 1
    return lock


SHARED_KINDS: dict[str, Callable[[Case], None]] = {
    "two drivers": two_drivers,
    "two drivers without locks": lambda case: two_drivers(case, locks=False),
    "whole and shard at once": whole_and_shard,
    "shards at once": shards_at_once,
    "shards, one missing": shards,
    "Slurm array, tasks killed": slurm_array,
}
"""Of a folder on which several machines may be at work."""
KINDS: dict[str, Callable[[Case], None]] = {
    **SHARED_KINDS,
    "read while at work": readers,
    "a look at a part": look_at_a_part,
    "stale lock": stale_lock,
    "lock of another host": lock_of_another_host,
}
