"""What bookkeeping costs: per sample with everything else at zero, and whenever a large finished run is looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.checks.bench import large, null
from nova_eval.checks.bench.options import StoreBench
from nova_eval.checks.bench.timing import timed
from nova_eval.checks.bench.written import to_csv
from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.options import RunOptions
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt
from nova_eval.runs.judging import made
from nova_eval.runs.opening import assemble
from nova_eval.runs.pipeline import begin, engine_for, sample, score
from nova_eval.runs.run import Run

_SAMPLES_A_PROMPT = 5


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Milliseconds of wall time a sample: to make (media file, row, fsync), to score, and both."""

    samples: int
    sampling_ms: float
    scoring_ms: float
    both_ms: float


@dataclass(frozen=True, slots=True)
class Found:
    """Of a run that is made, and of large ones that are finished."""

    bookkeeping: Bookkeeping
    large: tuple[large.Cost, ...]


def measure(asked: StoreBench, say: Callable[[str], None]) -> Found:
    """Bookkeeping a sample with everything else at zero, then whatever looks at large runs again."""
    with tempfile.TemporaryDirectory() as folder:
        took = [1000 * seconds / asked.samples for seconds in _run(Path(folder) / "run", asked.samples)]
    return Found(Bookkeeping(asked.samples, took[0], took[1], sum(took)), tuple(large.measure(asked.large, say)))


def lines(found: Found) -> str:
    """Markdown: a line on bookkeeping, and a table of large runs where there are any."""
    small = found.bookkeeping
    told = (
        f"Bookkeeping takes {small.both_ms:.1f} ms a sample: {small.sampling_ms:.1f} to make one, "
        f"{small.scoring_ms:.1f} to score it ({small.samples} samples, one worker)."
    )
    return f"{told}\n\n{large.lines(found.large)}" if found.large else told


def write(folder: Path, found: Found) -> list[Path]:
    """store.csv and store.md; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"store.md": lines(found) + "\n", **({"store.csv": to_csv(found.large)} if found.large else {})}
    return [files.write(folder / name, text) for name, text in tables.items()]


def _run(folder: Path, samples: int) -> tuple[float, float]:
    opened = open_null(folder, samples)
    begin(opened)
    with engine_for(opened) as engine:
        return seconds_of(lambda: sample(opened, engine)), seconds_of(lambda: score(opened, engine))


def open_null(folder: Path, samples: int, **asked: Any) -> Run:
    """A run of samples that cost nothing; ``asked`` are options of it."""
    here = Path(null.__file__)
    prompts = tuple(Prompt(f"null/{index:05}", f"prompt {index}", ("null",)) for index in range(-(-samples // 5)))
    usual: dict[str, Any] = {
        "profile": "null",
        "scoring": "official",
        "samples_per_prompt": _SAMPLES_A_PROMPT,
        "workers": 1,
    }
    options = RunOptions(**usual | asked)
    opened = assemble(
        RunSpec(benchmark=f"{here}:NullBenchmark", variant="null", sampler=SamplerSpec(name=f"{here}:NullSampler")),
        options,
        null.NullBenchmark.config,
        suite=prompts,
        suite_facts={},
        info=SamplerInfo(name="null", modality="image"),
        look=made,
        folder=folder,
    )
    return replace(opened, wanted=opened.wanted[:samples])


def seconds_of(work: Callable[[], object]) -> float:
    return timed(work)[1].wall
