"""What ``run`` would do and cost, said before anything starts: counts, device hours, disk, and files to fetch.

Imports no network and reads no weight file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.environment import cpu_count
from nova_eval.options import RunOptions
from nova_eval.runs import cost
from nova_eval.runs.opening import survey
from nova_eval.runs.pipeline import outline
from nova_eval.runs.run import Run


def forecast(
    spec: RunSpec, options: RunOptions, config: BenchmarkConfig, *, seconds: float | None = None
) -> dict[str, Any]:
    """The object of ``plan --json``. ``seconds`` are measured ones for a sample; without them, and without finished
    samples to measure, they are estimated for ``options.device``.
    """
    opened = survey(spec, options, config)
    found = outline(opened, options.workers or (cpu_count() if opened.light else 1))
    found |= {"variant": spec.variant, "sampler": spec.sampler.model_dump(mode="json")}
    missing = found["samples_to_make"]
    sampling = None if opened.external is not None else _sampling(opened, found, seconds)
    size = cost.media_bytes(spec, config.modality) if opened.external is None else None
    if found["media_bytes_left"] is None and size is not None:
        found["media_bytes_left"] = size * missing
    if sampling is not None:
        found["sampling_seconds_left"] = round(sampling.seconds * missing / found["workers"], 1)
        found["seconds_per_sample"] = round(sampling.seconds, 3)
        found["gpu_hours_left"] = round(sampling.seconds * missing / 3600, 2)
        found["basis"] = sampling.basis
    judges = config.judges[config.variants[spec.variant].judges]
    roles = {scorer.role for scorer in opened.benchmark.scorers(options.scoring) if scorer.name in _asked(found)}
    files = cost.to_fetch(spec.sampler, [judge for role, judge in judges.items() if role in roles])
    found["to_fetch"] = [file._asdict() for file in files]
    found["to_fetch_bytes"] = sum(file.bytes for file in files)
    return found


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """``forecast`` for people."""
    yield f"run: {found['run']}" + ("" if found["samples_done"] else " (nothing done yet)")
    settings = ", ".join(f"{name} {value}" for name, value in found["sampler"]["settings"].items())
    yield f"sampler: {found['sampler']['name']} ({settings})" if settings else f"sampler: {found['sampler']['name']}"
    yield f"prompts: {found['prompts']:,}, {found['variant']}"
    done = f", {found['samples_done']:,} done" if found["samples_done"] else ""
    left = f"to make: {found['samples_to_make']:,}; to score: {found['samples_to_score']:,}"
    yield f"samples: {found['samples']:,}{done}; {left}"
    if "gpu_hours_left" in found:
        yield (
            f"sampling: {found['gpu_hours_left']:,.1f} GPU-hours at {found['seconds_per_sample']:,.1f} s a sample"
            f" ({found['basis']})"
        )
    elif found["samples_to_make"]:
        yield "sampling: no figure before the first samples are made; --seconds-per-sample gives one"
    if found["media_bytes_left"] is not None:
        kind = "by the samples made" if found["samples_done"] else "estimate"
        yield f"media: {_size(found['media_bytes_left'])} on disk ({kind})"
    yield f"scorers ready: {len(found['scorers'])} of {len(found['scorers']) + len(found['unavailable'])}"
    if not found["to_fetch"]:
        yield "to fetch: nothing"
        return
    yield f"to fetch: {len(found['to_fetch'])} files or parts, about {_size(found['to_fetch_bytes'])} in all"
    width = max(len(file["name"]) for file in found["to_fetch"])
    for file in found["to_fetch"]:
        yield f"  {file['name']:<{width}}  {_size(file['bytes']):>10}  {file['licence']}"


def _sampling(opened: Run, found: Mapping[str, Any], seconds: float | None) -> cost.Sampling | None:
    done, left = found["samples_done"], found["sampling_seconds_left"]
    if seconds is None and done and left is not None and found["seconds_per_sample"]:
        return cost.Sampling(found["seconds_per_sample"], f"mean of {done} samples of this run")
    return cost.sampling(opened.spec.sampler, opened.options.device, seconds)


def _asked(found: Mapping[str, Any]) -> set[str]:
    return {*found["scorers"], *found["unavailable"]}


def _size(count: int) -> str:
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= bytes_:
            return f"{count / bytes_:,.1f} {unit}"
    return f"{count} bytes"
