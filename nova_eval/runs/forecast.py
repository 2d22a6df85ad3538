"""What ``run`` would do and cost, said before anything starts: counts, device hours, disk, and files to fetch.

Loads no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.environment import cpu_count
from nova_eval.options import RunOptions
from nova_eval.plan import share
from nova_eval.rows import many
from nova_eval.runs import cost
from nova_eval.runs.opening import survey
from nova_eval.runs.pipeline import unscored
from nova_eval.runs.places import devices
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
    size = cost.media_bytes(opened.info.settings, spec.codec, config.modality) if opened.external is None else None
    if found["media_bytes_left"] is None and size is not None:
        found["media_bytes_left"] = size * missing
    if sampling is not None:
        found["sampling_seconds_left"] = round(sampling.seconds * missing / found["workers"], 1)
        found["seconds_per_sample"] = round(sampling.seconds, 3)
        found["gpu_hours_left"] = round(sampling.seconds * missing / 3600, 2)
        found["basis"] = sampling.basis
    judges = config.judges_of(spec.variant, options.judges)
    roles = {scorer.role for scorer in opened.benchmark.scorers(options.scoring) if scorer.name in _asked(found)}
    files = cost.to_fetch(spec.sampler, [judge for role, judge in judges.items() if role in roles])
    found["to_fetch"] = [file._asdict() for file in files]
    found["to_fetch_bytes"] = sum(file.bytes for file in files)
    return found


@many()
def outline(opened: Run, workers: int = 0) -> dict[str, Any]:
    """What ``run`` would do now: counts, what is unavailable and why, and the cost by what is measured already.

    ``workers``: how many processes share the work (0: as many as ``run`` would start here).
    """
    samples, _ = opened.samples()
    own = share(opened.wanted, opened.options)
    done = [samples[key] for key in own if key in samples]
    missing = len(own) - len(done) if opened.external is None else 0  # nobody makes what a folder lacks
    seconds = sum(sample.seconds for sample in done) / len(done) if done else None
    size = sum(sample.bytes for sample in done) / len(done) if done else None
    workers = workers or len(devices(opened))
    unread = opened.external.listing.found.keys() - samples.keys() if opened.external else ()
    return {
        "run": opened.name,
        "folder": str(opened.store.folder),
        "prompts": len(opened.prompts),
        "samples": len(own),
        "samples_done": len(done),
        "samples_to_make": missing,
        "samples_to_score": len(unscored(opened, samples)) + missing + sum(key in unread for key in own),
        "scorers": [plan.name for plan in opened.judging.plans],
        "unavailable": dict(opened.judging.unavailable),
        "workers": workers,
        "seconds_per_sample": seconds or None,
        "sampling_seconds_left": None if seconds is None else round(seconds * missing / workers, 1),
        "media_bytes_left": None if size is None else round(size * missing),
    }


def _sampling(opened: Run, found: Mapping[str, Any], seconds: float | None) -> cost.Sampling | None:
    done, left = found["samples_done"], found["sampling_seconds_left"]
    if seconds is None and done and left is not None and found["seconds_per_sample"]:
        return cost.Sampling(found["seconds_per_sample"], f"mean of {done} samples of this run")
    return cost.sampling(opened.spec.sampler, opened.options.device, seconds)


def _asked(found: Mapping[str, Any]) -> set[str]:
    return {*found["scorers"], *found["unavailable"]}
