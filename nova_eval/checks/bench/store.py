"""What bookkeeping costs: per sample with everything else at zero, and when a large finished run is opened again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nova_eval.checks.bench import null
from nova_eval.checks.bench.options import StoreBench
from nova_eval.checks.bench.timing import timed
from nova_eval.config import RunSpec, SamplerSpec
from nova_eval.options import RunOptions
from nova_eval.protocols import SamplerInfo
from nova_eval.records import Prompt
from nova_eval.runs.forecast import outline
from nova_eval.runs.judging import made
from nova_eval.runs.opening import assemble
from nova_eval.runs.pipeline import begin, engine_for, sample, score
from nova_eval.runs.run import Run
from nova_eval.runs.summary import summarise

_SAMPLES_A_PROMPT = 5


def measure(asked: StoreBench) -> dict[str, float | int]:
    """Milliseconds of wall time: per sample to make (media file, row, fsync) and to score; whole seconds to resume."""
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        sampling, scoring = _run(small, asked.samples)
        _run(large, asked.resume)
        opened = open_null(large, asked.resume)
        looking = seconds_of(lambda: outline(opened))
        reducing = seconds_of(lambda: summarise(opened))
        with engine_for(opened) as engine:
            resuming = sum(seconds_of(partial(step, opened, engine)) for step in (sample, score))
    return {
        "samples": asked.samples,
        "sampling_ms_per_sample": round(1000 * sampling / asked.samples, 3),
        "scoring_ms_per_sample": round(1000 * scoring / asked.samples, 3),
        "bookkeeping_ms_per_sample": round(1000 * (sampling + scoring) / asked.samples, 3),
        "resumed_samples": asked.resume,
        "resume_seconds": round(resuming, 3),
        "plan_seconds": round(looking, 3),
        "reduce_seconds": round(reducing, 3),
    }


def lines(figures: Mapping[str, float | int]) -> str:
    """The figures for people."""
    return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in figures.items())


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
