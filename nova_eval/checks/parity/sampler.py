"""Recorded latents of the reference sampler under each of its options against this one, in float64.

Weights and prompt embeddings are rebuilt from their names; random draws were made in float32. In float64 rounding
cannot hide a difference: what is left is what storing the latents in float32 costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from nova_eval.checks.parity.compare import result
from nova_eval.checks.parity.recordings import read_tensors
from nova_eval.nova import schedule
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.draws import SharedDraws
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

TOLERANCE = 1e-6  # standard deviations
_SEED = 11


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """The latents of every call in the recording and the tensors beside it."""
    expected = read_tensors(recording.file.with_suffix(".safetensors"))
    for name, facts in recording.content().items():
        wrong = deviation(SamplerCall(facts).run(), expected[name])
        yield result(f"nova sampler/{name}", "latents", wrong, TOLERANCE, unit="standard deviations, largest")


class SamplerCall:
    """A call of the sampler as it was recorded: network, schedule, plan, embeddings, maybe a given first frame."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        call = facts["call"]
        self.config = TransformerConfig.from_json(facts["config"])
        self.model = NovaTransformer(self.config)
        self.model.load_state_dict({name: rebuilt(name, t.shape) for name, t in self.model.state_dict().items()})
        self.model.double().eval()
        self.schedule = schedule.from_json(facts["scheduler"])
        self.plan = Plan(
            latent_frames=call["max_latent_length"],
            ar_steps=call["num_inference_steps"],
            diffusion_steps=call["num_diffusion_steps"],
            guidance_scale=call["guidance_scale"],
            guidance_renorm=call.get("guidance_renorm", 1.0),
            guidance_trunc=call.get("guidance_trunc", 0.0),
            motion_flow=call.get("motion_flow", 5),
            flow_shift=call.get("flow_shift"),
        ).sized(self.config.image_size)
        copies = call.get("num_images_per_prompt", 1)
        embeds = rebuilt("prompt_embeds", (2 * facts["prompts"], 16, 32)).double()
        used = embeds if self.plan.guidance.on else embeds[: facts["prompts"]]
        self.embeds = used.repeat_interleave(copies, dim=0)
        self.batch = facts["prompts"] * copies
        self.given: Tensor | None = None
        if call["given"]:
            size = self.config.latent_size(*self.config.image_size)
            frame = rebuilt("prompt_embeds.frame", (self.batch, self.config.image_dim, *size))
            self.given = frame.double().unsqueeze(2)

    def run(self, sampler: Any = sample_latents, plan: Plan | None = None, **options: Any) -> Tensor:
        """The latents (B, C, T, h, w) that ``sampler`` makes, by ``plan`` where that is another than recorded."""
        draws = SharedDraws(torch.Generator().manual_seed(_SEED), self.batch)
        latents: Tensor = sampler(
            self.model, self.schedule, self.embeds, draws, plan or self.plan, given=self.given, **options
        )
        return latents


def rebuilt(name: str, shape: Sequence[int]) -> Tensor:
    """float32 values of that name: norms near 1, matrices that keep the scale, small biases, standard normal inputs."""
    shape = tuple(shape)
    draw = np.random.RandomState(crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("bias"):
        draw = np.float32(0.05) * draw
    elif "norm" in name and len(shape) == 1:
        draw = 1 + np.float32(0.1) * draw
    elif not name.startswith(("mask_embed", "text_embed.weight", "prompt_embeds")):
        draw = draw * np.float32(0.7 / np.sqrt(np.prod(shape[1:])))
    return torch.from_numpy(draw)


def deviation(latents: Tensor, recorded: Tensor) -> float:
    """The largest difference, in standard deviations of the recorded latents; infinite where shapes differ."""
    if latents.shape != recorded.shape:
        return float("inf")
    return float((latents - recorded).abs().max() / recorded.std())
