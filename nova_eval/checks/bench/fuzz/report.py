"""The campaign as a command: which readers, how many cases, and the table that is kept of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import astuple, fields
from functools import cache
from itertools import repeat
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from nova_eval import environment, files
from nova_eval.checks.bench.fuzz import campaign, checkpoints, footage, stores, texts, values, wire
from nova_eval.checks.bench.fuzz.campaign import Outcome
from nova_eval.checks.bench.fuzz.reader import Reader
from nova_eval.checks.bench.options import FuzzBench
from nova_eval.errors import unknown

_GROUPS = (texts, values, stores, checkpoints, footage, wire)


def readers(names: Sequence[str] = ()) -> list[Reader]:
    """Those called so, by default all."""
    known = _known()
    for name in names:
        if name not in known:
            raise unknown("reader", name, known)
    return [known[name] for name in names or known]


def measure(asked: FuzzBench, say: Callable[[str], None] = lambda text: None) -> list[Outcome]:
    """What became of the cases, a reader each, whatever the number of workers.

    With ``only`` it is that case of the first reader, which raises what it raises.
    """
    chosen = readers(asked.readers)
    if asked.only is None:
        return list(_all(chosen, asked, say))
    with TemporaryDirectory(prefix="nova_eval-fuzz-") as folder:
        found = campaign.one(chosen[0], asked.only, asked.seed, Path(folder))
    say(f"read: {str(found)[:200]}")
    return []


def _all(chosen: Sequence[Reader], asked: FuzzBench, say: Callable[[str], None]) -> Iterator[Outcome]:
    total = sum(reader.share for reader in chosen)
    names = [reader.name for reader in chosen]
    counts = [ceil(asked.cases * reader.share / total) for reader in chosen]
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) if asked.workers > 1 else nullcontext() as pool:
        found = (map if pool is None else pool.map)(_named, names, counts, repeat(asked.seed))
        for number, outcome in enumerate(found, 1):
            say(f"{number} of {len(chosen)}: {outcome.reader}: {outcome.cases} cases, {outcome.foreign} foreign")
            yield outcome


def _named(name: str, cases: int, seed: int) -> Outcome:
    return campaign.run(_known()[name], cases, seed)


@cache
def _known() -> dict[str, Reader]:
    return {reader.name: reader for group in _GROUPS for reader in group.readers()}


def lines(outcomes: Sequence[Outcome]) -> str:
    """A Markdown table, a line a reader, and the sum; then what is foreign."""
    head = ["reader", "cases", "read", "refused in one line", "foreign exceptions", "over 1 s of processor", "slowest"]
    rows = [
        [o.reader, *(f"{n:,}" for n in (o.cases, o.read, o.refused, o.foreign, o.slow)), f"{o.slowest:.3f} s"]
        for o in outcomes
    ]
    sums = (
        sum(column) for column in zip(*((o.cases, o.read, o.refused, o.foreign, o.slow) for o in outcomes), strict=True)
    )
    slowest = max((o.slowest for o in outcomes), default=0.0)
    rows.append([f"**all {len(outcomes)}**", *(f"{n:,}" for n in sums), f"{slowest:.3f} s"])
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---", *["---:"] * (len(head) - 1)], *rows))
    foreign = [f"- {o.reader}: {kind}" for o in outcomes for kind in o.kinds]
    return "\n".join([table, *(["", *foreign] if foreign else [])])


def write(folder: Path, outcomes: Sequence[Outcome], asked: FuzzBench) -> list[Path]:
    """``fuzz.csv`` and ``fuzz.md``, which names the machine and the command; the paths written."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Outcome)])
    writer.writerows([*astuple(o)[:-2], f"{o.slowest:.3f}", "; ".join(o.kinds)] for o in outcomes)
    said = (
        "Files and values changed at random, through every reader: each is read, or refused by one line.\n\n"
        f"`python -m nova_eval bench fuzz --cases {asked.cases} --seed {asked.seed} --output results/faults`, on "
        f"{environment.cpu_name()}. Times are of that machine; all else is the same anywhere.\n\n{lines(outcomes)}\n"
    )
    return [files.write(folder / "fuzz.csv", text.getvalue()), files.write(folder / "fuzz.md", said)]
