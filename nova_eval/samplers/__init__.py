"""Samplers: what is under test, behind one protocol."""

from __future__ import annotations

from nova_eval.protocols import MediaSource, Sampler
from nova_eval.registry import Registry

SAMPLERS: Registry[type[Sampler] | type[MediaSource]] = Registry(
    "sampler",
    {
        "oracle": "nova_eval.samplers.sprites:OracleSampler",
        "noise": "nova_eval.samplers.sprites:NoiseSampler",
        "folder": "nova_eval.samplers.folder:FolderSampler",
        "imported": "nova_eval.samplers.imported:ImportedSampler",
        "nova": "nova_eval.samplers.nova:NovaSampler",
        "diffusers": "nova_eval.samplers.diffusers:DiffusersSampler",
        "http": "nova_eval.samplers.http:HttpSampler",
    },
)
