"""Sample sheets: what the model makes of a few prompts while it is trained, one row a prompt, time to the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nova_eval import files
from nova_eval.media import encode_image
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.text import TextEncoder, pad_with_table
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, to_uint8
from nova_eval.protocols import Frames
from nova_eval.records import Prompt


def write_sheet(
    path: Path,
    model: NovaTransformer,
    schedule: Schedule,
    vae: VideoVAE,
    text: TextEncoder,
    *,
    prompts: Sequence[str],
    settings: Mapping[str, Any],
    seed: int = 0,
) -> None:
    """A PNG of ``prompts``; ``settings`` are those of ``sample_clips``."""
    clips = sample_clips(model, schedule, vae, text, prompts=prompts, seeds=[seed] * len(prompts), **settings)
    every = max(1, (clips.shape[1] - 1) // 8)
    rows = [np.concatenate(list(clip[::every]), axis=1) for clip in clips]
    files.write(path, encode_image(np.concatenate(rows, axis=0)))


def sample_clips(
    model: NovaTransformer,
    schedule: Schedule,
    vae: VideoVAE,
    text: TextEncoder,
    *,
    prompts: Sequence[str],
    seeds: Sequence[int],
    latent_frames: int = 1,
    ar_steps: int = 16,
    diffusion_steps: int = 25,
    guidance_scale: float = 5.0,
    motion_flow: float = 5.0,
) -> Frames:
    """(prompts, T, H, W, 3) at the model's own size."""
    plan = Plan(
        latent_frames=latent_frames,
        ar_steps=ar_steps,
        diffusion_steps=diffusion_steps,
        guidance_scale=guidance_scale,
        motion_flow=motion_flow,
    ).sized(model.config.image_size)
    texts = text.encode([*prompts, *[""] * len(prompts)] if plan.guidance.on else prompts)
    embeds = pad_with_table(texts, model.text_embed.weight, model.config.text_token_len)
    latents = sample_latents(model, schedule, embeds, SeededDraws(seeds), plan)
    with torch.no_grad():
        clips: Frames = to_uint8(vae.decode(latents)).cpu().numpy()
    return clips


class Live:
    """A model in training as a sampler: ``averaged`` gives a copy of it on its device, ``weights`` its averages."""

    def __init__(
        self,
        averaged: Callable[[], NovaTransformer],
        weights: Callable[[], Mapping[str, torch.Tensor]],
        parts: tuple[Schedule, VideoVAE, TextEncoder],
        settings: Mapping[str, Any],
    ) -> None:
        self._averaged, self._weights, self._parts, self._settings = averaged, weights, parts, dict(settings)

    def state_dict(self) -> Mapping[str, torch.Tensor]:
        return self._weights()

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> Sequence[Frames]:
        """As ``Sampler.sample``."""
        schedule, vae, text = self._parts
        texts = [prompt.sampling_text for prompt in prompts]
        return list(sample_clips(self._averaged(), schedule, vae, text, prompts=texts, seeds=seeds, **self._settings))
