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
from nova_eval.nova.training.muon import Muon
from nova_eval.nova.training.warmup import warmup_then_cosine
from nova_eval.nova.vae import VideoVAE, build_vae, load_vae, save_vae
from nova_eval.nova.vae_blocks import CausalConv3d, FrameAttention, ResBlock
from nova_eval.nova.vae_networks import Network
from nova_eval.protocols import Frames

_UNSEEN = 1_000_000_000  # from this index on clips are for measuring
_FIRST_MOVING = 500_000_000  # from this index on clips are for learning motion
_FIRST_LOGVAR = -4.0  # the posterior starts narrow: noise as wide as the latents would hide the colors for long

Clips = Callable[[int, int], Frames]  # (index, T) → uint8 (T, H, W, 3)


@dataclass(frozen=True, slots=True)
class AutoencoderRecipe:
    """``images``, ``short`` and ``long`` give (clips, frames) of a batch: single frames during the first
    ``images_until`` steps, then long clips, short ones and single frames in turn, all cut from ``pool`` long clips.

    The loss is the mean absolute error + ``squared_weight`` × the mean squared one + ``kl_weight`` × the mean KL
    divergence of a latent value, pixels in [−1, 1]. Weights of convolutions learn by Muon at ``learning_rate``, the
    rest by AdamW at ``other_rate``; both rates rise during ``warmup`` steps and fall along a cosine.
    """

    steps: int = 5400
    seed: int = 0
    learning_rate: float = 0.02
    other_rate: float = 1e-3
    warmup: int = 50
    squared_weight: float = 1.0
    kl_weight: float = 2e-4
    ema: float = 0.998
    images: tuple[int, int] = (16, 1)
    images_until: int = 3000
    short: tuple[int, int] = (3, 9)
    long: tuple[int, int] = (2, 17)
    pool: int = 3000
    max_norm: float = 1.0
    mixed_precision: bool = True


def train_autoencoder(
    config: dict[str, Any],
    clip: Clips,
    recipe: AutoencoderRecipe,
    folder: Path,
    *,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> VideoVAE:
    """The autoencoder that ``config`` describes, fitted to ``clip`` from random weights.

    Writes ``vae/`` (averaged weights, latents scaled to unit deviation) and ``vae_curve.csv`` under ``folder``: losses
    of the training batches, and the PSNR of whole clips that it never trains on.
    """
    network: Network = cast(Any, build_vae(config, recipe.seed)).network
    _calm(network)
    module = network.module.requires_grad_(True).train().to(device)
    average = Average(module, recipe.ema)
    optimizer = _optimizer(module, recipe.learning_rate, recipe.other_rate)
    peaks = [group["lr"] for group in optimizer.param_groups]
    generator = torch.Generator().manual_seed(recipe.seed)
    pool = np.stack([clip(i, recipe.long[1]) for i in range(recipe.pool)])
    unseen = to_pixels([clip(_UNSEEN + i, recipe.long[1]) for i in range(12)]).to(device)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (folder / "vae_curve.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "l1", "kl", "psnr", "seconds"])
        for step in range(recipe.steps):
            pixels = _batch(pool, *_batch_shape(recipe, step), generator).to(device)
            factor = warmup_then_cosine(step, recipe.warmup, recipe.steps)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=recipe.mixed_precision):
                l1, squared, kl = _losses(network, pixels, generator)
            optimizer.zero_grad()
            torch.autograd.backward(l1 + recipe.squared_weight * squared + recipe.kl_weight * kl)
            nn.utils.clip_grad_norm_(module.parameters(), recipe.max_norm)
            optimizer.step()
            average.update(module)
            if step % 200 == 0 or step + 1 == recipe.steps:
                figures = [
                    round(l1.item(), 5),
                    round(kl.item(), 4),
                    _psnr(config, average, unseen, single=step < recipe.images_until),
                ]
                curve.writerow([step, *figures, round(time.monotonic() - started)])
                file.flush()
                say(
                    "vae step {}: l1 {}, kl {}, unseen psnr {}, {} s".format(
                        step, *figures, round(time.monotonic() - started)
                    )
                )
    return _save(config, average, folder / "vae", clip, recipe.long[1])


@dataclass(frozen=True, slots=True)
class MotionRecipe:
    """``long``, ``short`` and ``images`` give (clips, frames) of batches, taken in turn as ``order`` says.

    Clips come from a ``pool`` of which all but the share ``still`` move: neighbouring frames differ by ``least`` of the
    range of a pixel or more. Where a pixel differs from its clip's mean, its error weighs up to 1 + ``moving_weight``.
    Without ``encoder`` only the decoder learns. ``latent_noise`` is added to latents, in their own deviations: a
    decoder that has seen none draws debris where a generator's latents are a little wrong.
    """

    steps: int = 2000
    seed: int = 0
    learning_rate: float = 0.02
    other_rate: float = 1e-3
    warmup: int = 50
    squared_weight: float = 1.0
    kl_weight: float = 1e-4
    moving_weight: float = 8.0
    ema: float = 0.998
    long: tuple[int, int] = (2, 17)
    short: tuple[int, int] = (3, 9)
    images: tuple[int, int] = (8, 1)
    order: tuple[str, ...] = ("long", "long", "short", "long", "long", "images")
    pool: int = 1500
    still: float = 0.1
    least: float = 0.004
    max_norm: float = 1.0
    mixed_precision: bool = True
    encoder: bool = True
    latent_noise: float = 0.0


def train_motion(
    source: Path, clip: Clips, recipe: MotionRecipe, folder: Path, *, say: Callable[[str], None] = print
) -> VideoVAE:
    """Teaches the autoencoder in ``source`` more of motion without changing what it says of images.

    The decoder learns freely. Of the encoder at most the kernels that span time learn, and their sums over time stay:
    the latents of a single frame, which sees copies of itself, are those of ``source``. So a text-to-image model that
    was trained on them, or is being trained meanwhile, stays valid. Writes ``vae/`` and ``vae_motion_curve.csv``.
    """
    start: Any = load_vae(source, dtype=torch.float32, device="cpu")
    network: Network = start.network
    module = network.module.train()
    spanning = [
        part.weight
        for part in cast(Any, module).encoder.modules()
        if recipe.encoder and isinstance(part, CausalConv3d) and part.kernel_size[0] > 1
    ]
    noise = recipe.latent_noise / float(start.config["scaling_factor"])
    sums = [weight.detach().sum(2, keepdim=True) for weight in spanning]
    for name, weight in module.named_parameters():
        weight.requires_grad_(not name.startswith(("encoder.", "quant_conv.")))
    for kernel in spanning:
        kernel.requires_grad_(True)
    average = Average(module, recipe.ema)
    optimizer = _optimizer(module, recipe.learning_rate, recipe.other_rate)
    peaks = [group["lr"] for group in optimizer.param_groups]
    generator = torch.Generator().manual_seed(recipe.seed)
    pool = _moving_clips(clip, recipe)
    unseen = to_pixels([clip(_UNSEEN + i, recipe.long[1]) for i in range(12)])
    config = dict(start.config)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (folder / "vae_motion_curve.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "l1", "kl", "psnr", "psnr_images", "seconds"])
        for step in range(recipe.steps):
            count, frames = getattr(recipe, recipe.order[step % len(recipe.order)])
            pixels = _batch(pool, count, frames, generator)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * warmup_then_cosine(step, recipe.warmup, recipe.steps)
            with torch.autocast("cpu", torch.bfloat16, enabled=recipe.mixed_precision):
                l1, squared, kl = _losses(network, pixels, generator, moving_weight=recipe.moving_weight, noise=noise)
            optimizer.zero_grad()
            torch.autograd.backward(l1 + recipe.squared_weight * squared + recipe.kl_weight * kl)
            nn.utils.clip_grad_norm_([w for w in module.parameters() if w.requires_grad], recipe.max_norm)
            optimizer.step()
            with torch.no_grad():
                for kernel, total in zip(spanning, sums, strict=True):
                    kernel.add_((total - kernel.sum(2, keepdim=True)) / kernel.shape[2])
            average.update(module)
            if step % 200 == 0 or step + 1 == recipe.steps:
                psnr = [_psnr(config, average, unseen, single=single) for single in (False, True)]
                figures = [round(l1.item(), 5), round(kl.item(), 4), *psnr, round(time.monotonic() - started)]
                curve.writerow([step, *figures])
                file.flush()
                say("vae motion step {}: l1 {}, kl {}, unseen psnr {}, images {}, {} s".format(step, *figures))
            if step % 500 == 499:
                _write(config, average, folder / "vae.partial")
    return _write(config, average, folder / "vae")


def _moving_clips(clip: Clips, recipe: MotionRecipe) -> Frames:
    """``pool`` clips of which all but a share move."""
    moving: list[Frames] = []
    still: list[Frames] = []
    quiet = round(recipe.pool * recipe.still)
    index = _FIRST_MOVING
    while len(moving) < recipe.pool - quiet:
        frames = clip(index, recipe.long[1])
        index += 1
        if np.abs(np.diff(frames.astype(np.int16), axis=0)).mean() >= 255 * recipe.least:
            moving.append(frames)
        elif len(still) < quiet:
            still.append(frames)
    return np.stack([*moving, *still])


def _write(config: dict[str, Any], average: Average, folder: Path) -> VideoVAE:
    made: Any = build_vae(config, 0)
    made.network.module.load_state_dict({k: v.cpu() for k, v in average.weights.items()})
    save_vae(made, folder)
    return cast(VideoVAE, made)


def _optimizer(module: nn.Module, matrix_rate: float, other_rate: float) -> Muon:
    named = [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
    inner = [w for name, w in named if w.ndim >= 2 and "conv_in" not in name and "conv_out" not in name]
    chosen = {id(weight) for weight in inner}
    rest = [weight for _, weight in named if id(weight) not in chosen]
    groups: list[dict[str, Any]] = [{"params": inner}, {"params": rest, "orthogonal": False, "lr": other_rate}]
    return Muon(groups, matrix_rate, betas=(0.9, 0.99))


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
    return (recipe.long, recipe.short, recipe.long, recipe.images)[step % 4]


def _batch(pool: Frames, count: int, frames: int, generator: torch.Generator) -> Tensor:
    """Pieces of ``count`` clips of ``pool``, mirrored at random left to right and top to bottom."""
    which = torch.randint(len(pool), (count,), generator=generator).tolist()
    start = torch.randint(pool.shape[1] - frames + 1, (count,), generator=generator).tolist()
    pixels = to_pixels([pool[i, s : s + frames] for i, s in zip(which, start, strict=True)])
    mirrored = [axis for axis in (-1, -2) if torch.rand((), generator=generator) < 0.5]
    return pixels.flip(mirrored)


def _losses(
    network: Network,
    pixels: Tensor,
    generator: torch.Generator,
    *,
    moving_weight: float = 0.0,
    noise: float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Absolute error, squared error, and KL divergence, each a mean; pixels that change weigh more.

    ``noise`` is the deviation of what is added to latents beside the posterior's own.
    """
    mean, logvar = network.moments(pixels).chunk(2, dim=1)
    logvar = logvar.clamp(-30, 20)
    spread = torch.exp(0.5 * logvar) if not noise else (logvar.exp() + noise**2).sqrt()
    z = mean + spread * torch.randn(mean.shape, generator=generator).to(mean)
    error = torch.cat(list(network.pixels(z)), dim=2) - pixels
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
    if not moving_weight or pixels.shape[2] == 1:
        return error.abs().mean(), error.square().mean(), kl
    change = (pixels - pixels.mean(2, keepdim=True)).abs().amax(1, keepdim=True)
    weight = 1 + moving_weight * (2 * change).clamp(max=1)
    return (weight * error.abs()).mean(), (weight * error.square()).mean(), kl


def _psnr(config: dict[str, Any], average: Average, clips: Tensor, *, single: bool) -> float:
    """Of clips, or of their first frames, through the averaged weights and the posterior's mean, in dB."""
    copy: Any = build_vae(config, 0)
    copy.network.module.load_state_dict({k: v.cpu() for k, v in average.weights.items()})
    clips = clips[:, :, :1] if single else clips
    with torch.no_grad():
        error = copy.decode(copy.encode_mode(clips)) - clips
    return round(-10 * float(torch.log10(error.square().mean() / 4)), 2)


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
