"""How long comparing large runs takes: made scores of VBench, compared by the command as users call it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from nova_eval.records import Prompt, Sample, Score
from nova_eval.runs.judging import Judging
from nova_eval.runs.opening import assemble
from nova_eval.runs.pipeline import begin
from nova_eval.runs.run import Run

SIZES = (6_220, 100_000)
"""Samples: a model's on VBench with the official number a prompt, and many."""

_A_PROMPT = 5
_AT_ONCE = 10_000
_MEDIA = b"a clip"


@dataclass(frozen=True, slots=True)
class Speed:
    """Of comparing two runs of so many samples: seconds of wall and processor, and the most memory, starting included.

    ``reference`` says whether the reference is a run's folder or a file (.parquet).
    """

    samples: int
    scores: int
    reference: str
    seconds: float
    processor: float
    mib: float


def measure(say: Callable[[str], None]) -> list[Speed]:
    """Each size with a folder and with a file as reference."""
    found = []
    for size in SIZES:
        say(f"comparing runs of {size} samples")
        with tempfile.TemporaryDirectory() as name:
            folders = [made(Path(name) / word, size, seed) for seed, word in enumerate(("reference", "run"))]
            file = Path(name) / "reference.parquet"
            _command("reference", "save", folders[0][0], file)
            for reference, kind in ((folders[0][0], "folder"), (file, "file")):
                wall, processor, mib = _command("compare", reference, folders[1][0], "--json")
                found.append(Speed(size, folders[1][1], kind, wall, processor, mib))
    return found


def made(folder: Path, samples: int, seed: int) -> tuple[Path, int]:
    """A whole run of made scores, and how many they are; every sample has the same few bytes."""
    import numpy as np

    random = np.random.default_rng(seed)
    opened = _opened(folder, samples, seed)
    begin(opened)
    media = opened.store.write("media/one.mp4", _MEDIA)
    digest = f"{seed:064x}"
    rows = [
        Sample(key, sample_seed(seed, key), f"media/{media.name}", digest, len(_MEDIA), 8, 8, 1, 8.0, 0.1)
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
    return folder, sum(map(len, work.values()))


def _opened(folder: Path, samples: int, seed: int) -> Run:
    benchmark = load_benchmark("vbench")
    names = list(benchmark.config.dimensions)
    prompts = tuple(
        Prompt(f"made/{place:05}", f"prompt {place}", (names[place % len(names)], names[(place + 1) % len(names)]))
        for place in range(samples // _A_PROMPT)
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


def _command(*words: object) -> tuple[float, float, float]:
    """Wall and processor seconds, and MiB at most, of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    code = (
        "import resource, sys; from nova_eval.__main__ import main; sys.argv[0] = 'nova-eval'\n"
        "try: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise NovaEvalError(f"{words[0]} ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    if words[-1] == "--json":
        json.loads(done.stdout)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, processor, int(done.stderr.split()[-1]) / 1024


def lines(rows: Sequence[Speed]) -> str:
    """A Markdown table."""
    head = ["samples a run", "scores", "reference", "seconds", "processor seconds", "MiB"]
    cells = [
        [
            str(one.samples),
            str(one.scores),
            one.reference,
            f"{one.seconds:.1f}",
            f"{one.processor:.1f}",
            f"{one.mib:.0f}",
        ]
        for one in rows
    ]
    return to_markdown(head, cells, words=0)
