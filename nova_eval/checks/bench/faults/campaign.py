"""Many faults of every kind, one after the other: what was injected, and what was found wrong."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, fields
from itertools import repeat
from multiprocessing import active_children, get_context
from pathlib import Path
from random import Random

from nova_eval import files, packages
from nova_eval.checks.bench.faults import behaviour, commands, company, crashes, damage, on_ray, strangers
from nova_eval.checks.bench.faults.case import WORLDS, Case, Count, World
from nova_eval.checks.bench.faults.cluster import cluster
from nova_eval.checks.bench.options import FaultsBench
from nova_eval.engines.serving import die_with
from nova_eval.errors import brief, is_interrupt, unknown

_ANY = {**crashes.KINDS, **damage.KINDS, **strangers.KINDS, **company.KINDS}
KINDS = {**_ANY, **behaviour.OWN_KINDS, **behaviour.JUDGE_KINDS}
MANY_MACHINES = {**on_ray.KINDS, **company.SHARED_KINDS}
"""The kinds of ``--ray``."""
_COLUMNS = tuple(field.name for field in fields(Count))
_IMAGES = 0.7  # share of faults that strike a run of images; others strike one of videos


def measure(asked: FaultsBench, say: Callable[[str], None]) -> list[Count]:
    """At least ``asked.faults`` faults, of all kinds alike; equal seeds choose equal ones. What is wrong is said."""
    for name in asked.kinds:
        if name not in KINDS | MANY_MACHINES:
            raise unknown("kind of fault", name, KINDS | MANY_MACHINES)
    if asked.ray:
        packages.require("bench faults --ray", "ray")
    if asked.workers == 1:
        return _share(asked, 0, say)
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        try:
            shares = list(pool.map(_part, repeat(os.getpid()), repeat(asked), range(asked.workers), repeat(say)))
        except BaseException:
            for process in active_children():
                process.terminate()
            raise
    return [_sum(counts[0].kind, counts) for counts in zip(*shares, strict=True)]


def _share(asked: FaultsBench, place: int, say: Callable[[str], None]) -> list[Count]:
    """What one of ``asked.workers`` processes does: every so-manieth round."""
    names = asked.kinds or tuple(MANY_MACHINES if asked.ray else KINDS)
    faults = -(-asked.faults // asked.workers)
    counts = {name: Count(name) for name in names}
    commands.load()
    with tempfile.TemporaryDirectory(prefix="faults-") as top, cluster() if asked.ray else nullcontext() as ray:
        worlds = {name: World(name, Path(top) / "worlds") for name in WORLDS}
        for round_, name in _order(names, asked.seed, range(place, sys.maxsize, asked.workers)):
            left = faults - sum(one.injected for one in counts.values())
            if left <= 0:
                break
            say(f"{left} to go: {name}")
            with tempfile.TemporaryDirectory(dir=top, prefix="case-") as folder:
                case = _case(name, worlds, Path(folder), Random(f"{asked.seed} {name} {round_}"), counts[name])
                case.cluster = ray
                _strike(name, case)
                for note in case.notes:
                    say(f"{name} (seed {asked.seed}, round {round_}): {note}")
    return list(counts.values())


def _part(parent: int, asked: FaultsBench, place: int, say: Callable[[str], None]) -> list[Count]:
    """The same in a process of its own, which ends with its parent."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    die_with(parent)
    return _share(asked, place, say)


def _order(names: Sequence[str], seed: int, rounds: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Every kind once a round, in another order each."""
    for round_ in rounds:
        yield from ((round_, name) for name in Random(f"{seed} {round_}").sample(names, len(names)))


def _case(name: str, worlds: dict[str, World], folder: Path, random: Random, count: Count) -> Case:
    if name in behaviour.OWN_KINDS:
        world = "own"
    elif name in behaviour.JUDGE_KINDS or random.random() < _IMAGES:
        world = "geneval"
    else:
        world = "vbench"
    return Case(worlds[world], random, folder, count)


def _strike(name: str, case: Case) -> None:
    """A fault that leaves what the campaign itself cannot read is a finding too."""
    try:
        (KINDS | MANY_MACHINES)[name](case)
    except Exception as error:
        if is_interrupt(error):
            raise
        case.wrong("unclear", note=f"what is left cannot be read: {brief(error)}")


def total(found: Sequence[Count]) -> Count:
    return _sum("all", found)


def _sum(kind: str, found: Sequence[Count]) -> Count:
    return Count(kind, **{name: sum(getattr(one, name) for one in found) for name in _COLUMNS[1:]})


def lines(found: Sequence[Count]) -> str:
    """A Markdown table, the sum last."""
    rows = [[str(value) for value in asdict(one).values()] for one in (*found, total(found))]
    rule = ["---", *["---:"] * len(_COLUMNS[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (_COLUMNS, rule, *rows))


def write(folder: Path, found: Sequence[Count], *, ray: bool) -> list[Path]:
    """``faults.csv`` and ``faults.md``, or ``many_machines.csv`` and ``.md`` of faults with ``--ray``; the paths."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(asdict(one).values() for one in found)
    folder.mkdir(parents=True, exist_ok=True)
    name = "many_machines" if ray else "faults"
    return [
        files.write(folder / f"{name}.csv", text.getvalue()),
        files.write(folder / f"{name}.md", lines(found) + "\n"),
    ]
