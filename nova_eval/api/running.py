"""``run`` for Python: the verb of the command line with the same options, and its result in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack

from nova_eval.api.opened import OpenRun, of_run
from nova_eval.progress import talk
from nova_eval.runs import opening, options, pipeline
from nova_eval.runs.run import Say


class RunArguments(TypedDict, total=False):
    """What ``nova-eval run --help`` explains, under the same names; what is not given comes from the profile."""

    sampler: str
    variant: str
    seed: int
    codec: str
    profile: str
    scoring: Literal["official", "corrected"]
    samples_per_prompt: int | Literal["official", "there"]
    limit: int | None
    prompts: str | Path | None
    judges: str
    metrics: Sequence[str]
    shard: str | None
    order: str
    results: str | Path
    name: str
    label: str
    workers: int
    devices: str
    device: str
    engine: Literal["local", "ray"]
    address: str
    batch: int
    unit_timeout: float
    offline: bool
    mirror: str | Path | None


def run(
    benchmark: str,
    *,
    settings: Mapping[str, Any] = MappingProxyType({}),
    config: str | Path | None = None,
    say: Say = talk,
    **given: Unpack[RunArguments],
) -> OpenRun:
    """Samples, scores, and opens the run; called again it goes on where it was interrupted, as the command does.

    ``settings`` are the sampler's own (``{"height": 128}``), ``config`` a file of ``nova-eval run --example``. ``say``
    is told what goes on. A run that is not complete is returned as it is: ``complete`` says so, and its table why.
    """
    flags = {**given, **{f"sampler.{name}": value for name, value in settings.items()}}
    file = None if config is None else Path(config)
    opened = opening.open_run(*options.resolve(benchmark, flags, (), file), say)
    return of_run(opened, pipeline.run(opened))
