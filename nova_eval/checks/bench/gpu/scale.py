"""What is measured: as large as the paper's setting, or as small as a test needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nova_eval.adapters import load_benchmark
from nova_eval.checks.bench.options import GpuBench
from nova_eval.nova import checkpoint
from nova_eval.nova.config import RELEASED, TransformerConfig
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.plan import Plan
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, build_vae

_VAE: Mapping[str, Any] = {
    "_class_name": "AutoencoderKLOpenSora",
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
    "latent_channels": 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "scaling_factor": 0.18215,
}


@dataclass(frozen=True, slots=True)
class Scale:
    """The generator and how it samples, a smaller one for parity, clips (frames, height, width), half precision.

    ``side`` is that of the square matrix product, ``judges`` those that are measured (empty: all).
    """

    config: TransformerConfig
    plan: Plan
    vae: Mapping[str, Any]
    small: TransformerConfig
    small_plan: Plan
    clip: tuple[int, int, int]
    side: int
    judges: tuple[str, ...] = ()


def scale_of(asked: GpuBench) -> Scale:
    return _tiny() if asked.tiny else _paper()


def model_and_vae(asked: GpuBench, scale: Scale, dtype: torch.dtype) -> tuple[NovaTransformer, VideoVAE]:
    """On the device: those of the checkpoint, or drawn ones, with the autoencoder in float32 as it is by default."""
    if asked.checkpoint:
        pipe = NovaPipeline.from_pretrained(asked.checkpoint, device=asked.device, dtype=dtype, offline=True)
        return pipe.transformer, pipe.vae
    model = checkpoint.build(scale.config, seed=0).requires_grad_(False).to(asked.device, dtype)
    return model, build_vae(scale.vae, seed=1).to(device=asked.device)


def prompts(model: NovaTransformer, batch: int) -> Tensor:
    """Embeddings of ``batch`` prompts, and as many to turn away from."""
    shape = (2 * batch, model.config.text_token_len, model.config.text_token_dim)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(model.device, model.dtype)


def noise(scale: Scale, vae: VideoVAE, device: str) -> Tensor:
    """Latents of one clip of all frames, as the autoencoder takes them."""
    height, width = (side // vae.spatial_stride for side in (scale.plan.height, scale.plan.width))
    shape = (1, vae.latent_channels, scale.plan.latent_frames, height, width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul_(0.1).to(device)


def half(device: str) -> torch.dtype:
    """What the released scripts compute in on a GPU; on a CPU, which is slow at that, bfloat16."""
    return torch.float16 if device.startswith("cuda") else torch.bfloat16


def _paper() -> Scale:
    settings = load_benchmark("vbench").config.profiles["paper"].sampler
    names = ("height", "width", "latent_frames", "ar_steps", "diffusion_steps", "guidance_scale", "motion_flow")
    small = TransformerConfig(
        arch=("vit_d4w256", "vit_d8w256", "mlp_d3w320"),
        image_size=(256, 256),
        text_token_dim=256,
        text_token_len=64,
        video_base_size=(3, 8, 8),
    )
    return Scale(
        config=RELEASED["nova-d48w1024-osp480"],
        plan=Plan(**{name: settings[name] for name in names}),
        vae=_VAE,
        small=small,
        small_plan=Plan(latent_frames=2, ar_steps=8, diffusion_steps=5, guidance_scale=3.0).sized(small.image_size),
        clip=(33, 480, 768),
        side=8192,
    )


def _tiny() -> Scale:
    config = TransformerConfig(
        arch=("vit_d2w64", "vit_d2w64", "mlp_d1w64"),
        image_size=(32, 32),
        text_token_dim=16,
        text_token_len=4,
        video_base_size=(2, 2, 2),
    )
    plan = Plan(latent_frames=2, ar_steps=2, diffusion_steps=2, guidance_scale=3.0).sized(config.image_size)
    vae = {**_VAE, "block_out_channels": [32] * 4, "layers_per_block": 1}
    return Scale(config, plan, vae, config, replace(plan, latent_frames=1), (3, 128, 144), 64, ("amt_s", "raft_things"))
