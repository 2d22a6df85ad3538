"""``run`` for Python: the verb of the command line with the same options, and its result in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypedDict, Unpack

from nova_eval.api.opened import OpenRun, of_run
from nova_eval.engines.sampling import info_of
from nova_eval.errors import UsageError
from nova_eval.progress import talk
from nova_eval.protocols import Sampler, SamplerInfo
from nova_eval.runs import opening, options, pipeline
from nova_eval.runs.run import Run, Say
from nova_eval.runs.shown import track_run
from nova_eval.trackers import Tracking


class RunArguments(TypedDict, total=False):
    """What ``nova-eval run --help`` explains, under the same names; what is not given comes from the profile."""

    sampler: str | Sampler
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
    track: Sequence[str] = (),
    say: Say = talk,
    **given: Unpack[RunArguments],
) -> OpenRun:
    """Samples, scores, and opens the run; called again it goes on where it was interrupted, as the command does.

    ``sampler`` is a name, or a sampler in hand: an object with ``info`` and ``sample``, as of
    ``nova_eval.protocols.Sampler``. Then this process does all the work, and what ``info`` says names the run: give it
    another ``checkpoint`` or other ``settings`` when samples would be others.

    ``settings`` are the sampler's own (``{"height": 128}``), ``config`` a file of ``nova-eval run --example``.
    ``track`` names trackers, such as ``tensorboard:FOLDER``, ``say`` is told what goes on. A run that is not complete
    is returned as it is: ``complete`` says so, and its table why.
    """
    opened, live = asked(benchmark, given, settings, config, say)
    with Tracking(track, opened.name, say) as tracking:
        outcome = pipeline.run(opened, live=live)
        track_run(tracking, opened, outcome)
    return of_run(opened, outcome)


_OF_PROCESSES = ("engine", "address", "workers", "devices", "device", "unit_timeout")


def asked(
    benchmark: str, given: Mapping[str, Any], settings: Mapping[str, Any], config: str | Path | None, say: Say
) -> tuple[Run, Sampler | None]:
    """The run, and the sampler in hand, if there is one. UsageError for what does not go together."""
    flags, live = dict(given), None
    if not isinstance(flags.get("sampler", ""), str):
        live = flags.pop("sampler")
        if settings or (further := [name for name in _OF_PROCESSES if name in flags]):
            word = "settings" if settings else further[0]
            raise UsageError(f"{word} says nothing to a sampler in hand", remedy="leave it out, or name the sampler")
        flags |= _named(info_of(live, type(live).__name__))
    flags |= {f"sampler.{name}": value for name, value in settings.items()}
    file = None if config is None else Path(config)
    return opening.open_run(*options.resolve(benchmark, flags, (), file), say), live


def _named(info: SamplerInfo) -> dict[str, Any]:
    """The options of a run that is named after a sampler in hand."""
    told = {"modality": info.modality, "weights": info.checkpoint, "fps": info.fps, "settings": dict(info.settings)}
    return {"sampler": f"imported:{info.name}", **{f"sampler.{name}": value for name, value in told.items()}}
