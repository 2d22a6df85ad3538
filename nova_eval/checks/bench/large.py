"""What large finished runs cost: made scores of VBench, looked at again by processes of their own."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.kinds import kinds_of_vbench
from nova_eval.checks.bench.written import to_markdown
from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.engines.units import ScorerPlan
from nova_eval.errors import NovaEvalError
from nova_eval.identity import sample_seed
from nova_eval.options import RunOptions
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs import pipeline
from nova_eval.runs.forecast import outline
from nova_eval.runs.judging import Judging
from nova_eval.runs.opening import assemble
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise

_A_PROMPT = 5
_AT_ONCE = 10_000
_MEDIA = b"a clip"
_MEASURED = (
    "import resource, sys; from {room} import {name}; sys.argv[0] = 'nova-eval'\n"
    "try: {name}()\n"
    "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one piece of work on runs of so many samples and scores: wall and processor seconds, and the most memory.

    Each is of a process of its own, its start included.
    """

    work: str
    samples: int
    scores: int
    seconds: float
    processor: float
    mib: float


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> list[Cost]:
    """Every piece of work on runs of each size."""
    found = []
    for size in sizes:
        say(f"makes two runs of {size} samples")
        with tempfile.TemporaryDirectory() as name:
            folders = [Path(name) / word for word in ("reference", "run")]
            scores = [made(folder, size, seed) for seed, folder in enumerate(folders)][1]
            file = Path(name) / "reference.parquet"
            own = f"{__name__}:again"
            for work, entry, words in (
                *((work, own, (work, folders[1], size)) for work in _WORK),
                ("reference save", _COMMANDS, ("reference", "save", folders[0], file)),
                ("compare", _COMMANDS, ("compare", *folders, "--json")),
                ("compare with a file", _COMMANDS, ("compare", file, folders[1], "--json")),
            ):
                say(f"{work}, {size} samples")
                found.append(Cost(work, size, scores, *_process(entry, *words)))
    return found


_COMMANDS = "nova_eval.__main__:main"


def again() -> None:
    """What a process of its own does: the work, the run's folder and its samples stand in its arguments."""
    work, folder, samples = sys.argv[1:]
    _WORK[work](_opened(Path(folder), int(samples), 1))


def _resume(opened: Run) -> None:
    with pipeline.engine_for(opened) as engine:
        pipeline.score(opened, engine, pipeline.sample(opened, engine))


def _tables(opened: Run) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline.write_tables(opened, summarise(opened), Path(folder))


_WORK: dict[str, Callable[[Run], object]] = {
    "plan": outline,
    "resume": _resume,
    "reduce": summarise,
    "reduce and write tables": _tables,
}


def made(folder: Path, samples: int, seed: int) -> int:
    """Writes a whole run of made scores; how many they are. Every sample has a file of the same few bytes."""
    import numpy as np

    random = np.random.default_rng(seed)
    opened = _opened(folder, samples, seed)
    pipeline.begin(opened)
    digest = f"{seed:064x}"
    rows = [
        Sample(key, sample_seed(seed, key), _media(opened, key), digest, len(_MEDIA), 8, 8, 1, 8.0, 0.1)
        for key in opened.wanted
    ]
    writer = opened.store.sample_writer()
    for start in range(0, len(rows), _AT_ONCE):
        writer.append_samples(rows[start : start + _AT_ONCE])
    writer.close()
    by_key = {row.key: row for row in rows}
    work: dict[str, list[Sample]] = {}
    for key, name in opened.pairs():
        work.setdefault(name, []).append(by_key[key])
    kinds = kinds_of_vbench()
    for plan in opened.judging.plans:
        sampled = work.get(plan.name, [])
        values = random.random(len(sampled))
        whole = plan.name not in kinds or kinds[plan.name].right_or_wrong
        scores = [
            (Score(one.key, plan.name, float(value > 0.5) if whole else float(value), detail={"made": seed}), one)
            for one, value in zip(sampled, values, strict=True)
        ]
        shard = opened.store.score_writer(plan.folder)
        for start in range(0, len(scores), _AT_ONCE):
            shard.append_scores(scores[start : start + _AT_ONCE])
        shard.close()
    return sum(map(len, work.values()))


def _media(opened: Run, key: SampleKey) -> str:
    name = opened.store.media_name(key, ".mp4")
    path = opened.store.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_MEDIA)
    return name


def _opened(folder: Path, samples: int, seed: int) -> Run:
    benchmark = load_benchmark("vbench")
    names = list(benchmark.config.dimensions)
    prompts = tuple(
        Prompt(f"made/{place:05}", f"prompt {place}", (names[place % len(names)], names[(place + 1) % len(names)]))
        for place in range(-(-samples // _A_PROMPT))
    )
    scorers = benchmark.scorers("corrected")
    plans = tuple(ScorerPlan(scorer.name, f"{scorer.name}@1-made0000", "made") for scorer in scorers)
    return assemble(
        RunSpec(benchmark="vbench", variant="sprites", sampler=SamplerSpec(name="oracle"), seed=seed),
        RunOptions(profile="mini", scoring="corrected", samples_per_prompt=_A_PROMPT, workers=1),
        benchmark.config,
        suite=prompts,
        suite_facts={},
        info=SamplerInfo(name="made", modality="video"),
        look=Judging(plans, {}),
        folder=folder,
        identity=f"made{seed}",
    )


def _process(entry: str, *words: object) -> tuple[float, float, float]:
    """Wall and processor seconds, and MiB at most, of a function without arguments in a process of its own."""
    room, name = entry.split(":")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    code = _MEASURED.format(room=room, name=name)
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise NovaEvalError(f"{words[0]} ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, int(done.stderr.split()[-1]) / 1024


def lines(rows: Sequence[Cost]) -> str:
    """A Markdown table: a line a piece of work, and how many times as long a larger run takes as the one before."""
    sizes = list(dict.fromkeys(row.samples for row in rows))
    by = {(row.work, row.samples): row for row in rows}
    head, cells = ["work"], []
    for size in sizes:
        head += [f"seconds at {size:,} samples", "processor seconds", "MiB"]
    head += [f"{size / less:g} times the samples take" for less, size in pairwise(sizes)]
    for work in dict.fromkeys(row.work for row in rows):
        of = [by[work, size] for size in sizes]
        line = [work]
        for one in of:
            line += [f"{one.seconds:.1f}", f"{one.processor:.1f}", f"{one.mib:.0f}"]
        line += [f"{more.processor / less.processor:.1f} times" for less, more in pairwise(of)]
        cells.append(line)
    return to_markdown(head, cells)
