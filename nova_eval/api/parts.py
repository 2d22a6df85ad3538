"""The parts of the product one by one: benchmarks and their prompts, samplers, judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova_eval import environment
from nova_eval.adapters import benchmark_names, load_benchmark
from nova_eval.config import BenchmarkConfig
from nova_eval.engines.sampling import info_of
from nova_eval.judges import JUDGES
from nova_eval.protocols import Judge, Sampler, is_light
from nova_eval.records import Prompt
from nova_eval.runs.judging import check_weights
from nova_eval.runs.options import spec_of, split_name, usual_settings
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import settings_of


def benchmarks() -> dict[str, BenchmarkConfig]:
    """Every benchmark by its name: dimensions with their ranges and judges, variants, profiles, gates."""
    return {name: load_benchmark(name).config for name in benchmark_names()}


def prompts(
    benchmark: str, variant: str = "official", *, mirror: str | Path | None = None, offline: bool = False
) -> tuple[Prompt, ...]:
    """The suite of a benchmark: ``official``, ``rewritten`` where there is such a one, or ``sprites``.

    Official prompts are fetched once, from pinned sources; ``mirror`` is a folder that has them.
    """
    suite = load_benchmark(benchmark).suite(variant, mirror=None if mirror is None else Path(mirror), offline=offline)
    return suite.prompts


def sampler(name: str, /, *, benchmark: str = "", **settings: Any) -> Sampler:
    """A generator as runs use it: ``"oracle"``, ``"nova:nova-mini"``, ``"diffusers:MODEL"`` or ``"mine.py:Mine"``.

    ``settings`` are those of ``nova-eval list samplers NAME``; ``benchmark`` makes it one of the benchmark's images or
    clips. What it gives is made by ``sampler(…).sample(prompts, seeds)``: uint8 (T, H, W, 3), T = 1 for an image.
    """
    name, argument = split_name(name)
    usual: dict[str, Any] = {}
    if benchmark:
        usual = usual_settings(name, settings_of(SAMPLERS.get(name)), None, load_benchmark(benchmark).config)
    made: Sampler = SAMPLERS.make(name, spec_of(name, argument, settings, usual).settings)
    info_of(made, name)
    return made


def judge(name: str, *, device: str = "auto") -> Judge:
    """A frozen network of ``nova-eval list judges``, or ``"mine.py:Judge"``, on its device and ready to be asked.

    The questions that it answers are methods, such as ``judge("sprites").detect(frames)``: see ``nova_eval.protocols``.
    """
    environment.known_device(device)
    check_weights(name)
    made: Judge = JUDGES.make(name)
    return made.to(environment.device_for(device, light=is_light(made)))
