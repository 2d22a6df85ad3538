"""Which settings of a run are not as numbers are published: not the protocol's, or else not the sampler's own."""

from __future__ import annotations

from typing import Any

from nova_eval.config import BenchmarkConfig, RunSpec
from nova_eval.protocols import SamplerInfo
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.settings import REQUIRED, settings_of, shown, typed

_NOT_SAMPLED = frozenset({"device", "offline", "batch_size", "dtype", "vae_dtype", "offload", "compile"}) | {
    "prompt_cache",
    "checkpoint",
    "model",
    "base",
    "revision",
    "variant",
    "address",
    "attempts",
    "encoding",
    "parallel",
    "poll",
    "response_format",
    "seed_bits",
    "seed_name",
    "timeout",
}
"""Settings that say which weights, where and how fast, not what is sampled of them."""


def departures(spec: RunSpec, info: SamplerInfo, config: BenchmarkConfig) -> tuple[str, ...]:
    """Each such setting with its value and what it should be; none where no number is published of these prompts.

    The protocol is that of a profile which names the sampler and prompts of which numbers are published.
    """
    maker: Any = SAMPLERS.get(spec.sampler.name)
    if not config.with_baselines(spec.variant) or hasattr(maker, "locate") or info.settings.get("imported"):
        return ()
    known = settings_of(maker)
    own = {name: setting.default for name, setting in known.items() if setting.default is not REQUIRED}
    profiles = [
        profile
        for profile in config.profiles.values()
        if profile.sampler["name"] == spec.sampler.name and config.with_baselines(profile.variant)
    ]
    protocol = {name: value for profile in profiles[:1] for name, value in profile.sampler.items() if name != "name"}
    wanted = own | typed(maker, protocol)
    there = own | spec.sampler.settings | {name: value for name, value in info.settings.items() if name in own}
    names = [name for name in dict.fromkeys((*protocol, *spec.sampler.settings)) if name not in _NOT_SAMPLED]
    if config.modality == "image":
        names = [name for name in names if name != "frames"]  # one, whatever a sampler usually makes
    found = [
        f"{name} {shown(there[name])}, not {shown(wanted[name]) if name in wanted else 'set'}"
        for name in names
        if (name in own or name not in known) and there.get(name) != wanted.get(name)
    ]
    codec = profiles[0].codec if profiles else RunSpec.model_fields["codec"].default
    if config.modality == "video" and spec.codec != codec:
        found.append(f"codec {spec.codec}, not {codec}")
    return tuple(found)
