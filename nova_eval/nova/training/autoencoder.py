"""Training of a small video autoencoder from scratch: reconstruction of clips, and a posterior near the unit normal."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from nova_eval.nova.training.ema import Average
from nova_eval.nova.training.warmup import warmup_then_cosine
from nova_eval.nova.vae import VideoVAE, build_vae, save_vae
from nova_eval.nova.vae_blocks import FrameAttention, ResBlock
from nova_eval.nova.vae_networks import Network
from nova_eval.protocols import Frames

_UNSEEN = 1_000_000_000  # from this index on clips are for measuring
_FIRST_LOGVAR = -4.0  # the posterior starts narrow: noise as wide as the latents would hide the colours for long

Clips = Callable[[int, int], Frames]  # (index, T) → uint8 (T, H, W, 3)


@dataclass(frozen=True, slots=True)
class AutoencoderRecipe:
    """``images``, ``short`` and ``long`` give (clips, frames) of a batch: single frames during the first
    ``images_until`` steps, then short clips, every fourth batch long ones. Short clips are cut from long ones.

    The loss is the mean absolute error + ``squared_weight`` × the mean squared one + ``kl_weight`` × the mean KL
    divergence of a latent value, pixels in [−1, 1].
    """

    steps: int = 4000
    seed: int = 0
    learning_rate: float = 3e-4
    warmup: int = 50
    squared_weight: float = 1.0
    kl_weight: float = 2e-4
    ema: float = 0.998
    images: tuple[int, int] = (8, 1)
    images_until: int = 1200
    short: tuple[int, int] = (2, 5)
    long: tuple[int, int] = (1, 17)
    max_norm: float = 1.0


def train_autoencoder(
    config: dict[str, Any],
    clip: Clips,
    recipe: AutoencoderRecipe,
    folder: Path,
    *,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> VideoVAE:
    """The autoencoder that ``config`` describes, fitted to the endless ``clip`` from random weights.

    Writes ``vae/`` (averaged weights, latents scaled to unit deviation) and ``vae_curve.csv`` under ``folder``.
    """
    network: Network = cast(Any, build_vae(config, recipe.seed)).network
    _calm(network)
    module = network.module.requires_grad_(True).train().to(device)
    average = Average(module, recipe.ema)
    optimizer = torch.optim.AdamW(module.parameters(), recipe.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    generator = torch.Generator().manual_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    used, started = 0, time.monotonic()
    with (folder / "vae_curve.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "l1", "kl", "psnr", "seconds"])
        for step in range(recipe.steps):
            count, frames = _batch_shape(recipe, step)
            source = frames if frames == 1 else recipe.long[1]
            pixels = to_pixels([_cut(clip(used + i, source), frames, generator) for i in range(count)]).to(device)
            used += count
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * warmup_then_cosine(step, recipe.warmup, recipe.steps)
            l1, squared, kl = _losses(network, pixels, generator)
            optimizer.zero_grad()
            torch.autograd.backward(l1 + recipe.squared_weight * squared + recipe.kl_weight * kl)
            nn.utils.clip_grad_norm_(module.parameters(), recipe.max_norm)
            optimizer.step()
            average.update(module)
            if step % 50 == 0 or step + 1 == recipe.steps:
                psnr = -10 * float(torch.log10(squared.detach() / 4))
                figures = [round(l1.item(), 5), round(kl.item(), 4), round(psnr, 2), round(time.monotonic() - started)]
                curve.writerow([step, *figures])
                file.flush()
                say("vae step {}: l1 {}, kl {}, psnr {}, {} s".format(step, *figures))
            if step % 500 == 499:
                _save(config, average, folder / "vae.partial", clip, recipe.long[1])
    return _save(config, average, folder / "vae", clip, recipe.long[1])


def _calm(network: Network) -> None:
    """A better start than random weights alone: residual branches silent, the posterior narrow."""
    with torch.no_grad():
        for part in network.module.modules():
            if isinstance(part, ResBlock):
                part.conv2.weight.zero_()
            elif isinstance(part, FrameAttention):
                cast(nn.Linear, part.to_out[0]).weight.zero_()
        network.module.state_dict(keep_vars=True)["quant_conv.bias"][network.latent_channels :] = _FIRST_LOGVAR


def to_pixels(clips: Sequence[Frames]) -> Tensor:
    """uint8 clips (T, H, W, 3) → (B, 3, T, H, W) in [−1, 1]."""
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float().div(127.5).sub(1)


def _batch_shape(recipe: AutoencoderRecipe, step: int) -> tuple[int, int]:
    if step < recipe.images_until:
        return recipe.images
    return recipe.long if step % 4 == 3 else recipe.short


def _cut(clip: Frames, frames: int, generator: torch.Generator) -> Frames:
    start = int(torch.randint(len(clip) - frames + 1, (1,), generator=generator))
    return clip[start : start + frames]


def _losses(network: Network, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Absolute error, squared error, and KL divergence, each a mean."""
    mean, logvar = network.moments(pixels).chunk(2, dim=1)
    logvar = logvar.clamp(-30, 20)
    z = mean + torch.exp(0.5 * logvar) * torch.randn(mean.shape, generator=generator).to(mean)
    error = torch.cat(list(network.pixels(z)), dim=2) - pixels
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    return error.abs().mean(), error.square().mean(), kl


def _save(config: dict[str, Any], average: Average, folder: Path, clip: Clips, frames: int) -> VideoVAE:
    """A copy with averaged weights, its ``scaling_factor`` one over the deviation of latents of clips not yet seen."""
    copy: Any = build_vae({**config, "scaling_factor": 1.0}, 0)
    copy.network.module.load_state_dict({k: v.cpu() for k, v in average.weights.items()})
    latents = copy.encode_mode(to_pixels([clip(_UNSEEN + i, frames) for i in range(32)]))
    scale = round(1 / float(latents.std()), 5)
    scaled: Any = build_vae({**config, "scaling_factor": scale}, 0)
    scaled.network.module.load_state_dict(copy.network.module.state_dict())
    save_vae(scaled, folder)
    return cast(VideoVAE, scaled)
