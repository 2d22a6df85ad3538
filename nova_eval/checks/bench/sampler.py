"""The fast path timed against the slow ones, side by side in one run: same model, same draws, nothing else changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from nova_eval.checks import plain_sampler as plain
from nova_eval.nova import checkpoint
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.sampling import Guidance, Plan, sample_latents
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.stages import Stages, StageTimes
from nova_eval.nova.transformer import NovaTransformer

# 16 × 16 tokens, 3 latent frames: large enough for arithmetic to dominate, small enough for two CPU cores.
MID = TransformerConfig(
    arch=("vit_d4w256", "vit_d8w256", "mlp_d3w320"),
    image_size=(256, 256),
    text_token_dim=256,
    text_token_len=64,
    video_base_size=(3, 8, 8),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison; seconds are the best of all repeats, for the whole batch.

    ``seconds_plain``: the denoiser runs on the whole frame at every diffusion step, nothing hoisted or cached.
    ``seconds_official``: as wasteful as the official implementation and no more (blocks on chosen tokens only).
    ``shares`` of the fast path's time by stage; ``flops`` of the fast path for the batch; ``utilisation`` is flops a
    second against ``peak_flops``, the fastest large matrix product measured in the same run. ``difference`` is the
    largest deviation of the fast latents from the plain ones in standard deviations.
    """

    diffusion_steps: int
    batch: int
    seconds_plain: float
    seconds_official: float
    seconds_fast: float
    speedup: float
    speedup_official: float
    shares: dict[str, float]
    ar_steps_per_second: float
    peak_bytes: int
    flops: int
    peak_flops: float
    utilisation: float
    difference: float


def measure(
    config: TransformerConfig = MID,
    *,
    diffusion_steps: Sequence[int] = (25, 100),
    batches: Sequence[int] = (1,),
    ar_steps: int = 32,
    latent_frames: int = 3,
    guidance_scale: float = 7.0,
    repeats: int = 2,
    device: str = "cpu",
    dtype: str = "float32",
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Random weights, autoencoder and text encoder left out. The paths take turns, so that a busy machine slows all."""
    kind = checkpoint.dtype_named(dtype, device)
    model = checkpoint.build(config, seed).requires_grad_(False).to(device, kind)
    peak = _matrix_peak(torch.device(device), kind)
    rows = []
    for steps in diffusion_steps:
        for batch in batches:
            plan = Plan(
                *config.image_size,
                latent_frames=latent_frames,
                ar_steps=ar_steps,
                diffusion_steps=steps,
                guidance=Guidance(guidance_scale),
            )
            say(f"{steps} diffusion steps, batch {batch}")
            rows.append(_row(model, plan, batch, repeats=repeats, seed=seed, peak=peak))
    return rows


def _row(model: NovaTransformer, plan: Plan, batch: int, *, repeats: int, seed: int, peak: float) -> Row:
    config = model.config
    shape = (2 * batch if plan.guidance.on else batch, config.text_token_len, config.text_token_dim)
    embeds = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(model.device)
    seeds = range(seed, seed + batch)
    schedule = DDPM(beta_schedule="squaredcos_cap_v2")
    paths: dict[str, Callable[..., Tensor]] = {
        "fast": sample_latents,
        "official": partial(plain.sample_latents, waste=plain.Waste.OFFICIAL),
        "plain": partial(plain.sample_latents, waste=plain.Waste.FRAME),
    }
    for path in paths.values():  # the first call of anything is slow
        path(model, schedule, embeds, SeededDraws(seeds), replace(plan, latent_frames=1, ar_steps=1, diffusion_steps=1))
    best = dict.fromkeys(paths, float("inf"))
    outputs: dict[str, Tensor] = {}
    times: StageTimes | None = None
    for _ in range(repeats):
        for name, path in paths.items():
            stages = Stages(model.device)
            options = {"stages": stages} if name == "fast" else {}
            started = _now(model.device)
            outputs[name] = path(model, schedule, embeds, SeededDraws(seeds), plan, **options)
            seconds = _now(model.device) - started
            if name == "fast" and seconds < best["fast"]:
                times = stages.times()
            best[name] = min(best[name], seconds)
    assert times is not None
    flops = sampling_flops(config, plan, batch)["total"]
    return Row(
        diffusion_steps=plan.diffusion_steps,
        batch=batch,
        seconds_plain=best["plain"],
        seconds_official=best["official"],
        seconds_fast=best["fast"],
        speedup=best["plain"] / best["fast"],
        speedup_official=best["official"] / best["fast"],
        shares={name: seconds / best["fast"] for name, seconds in times.seconds.items() if seconds},
        ar_steps_per_second=times.ar_steps / best["fast"],
        peak_bytes=max(times.peak_bytes.values()),
        flops=flops,
        peak_flops=peak,
        utilisation=flops / best["fast"] / peak,
        difference=float((outputs["fast"] - outputs["plain"]).abs().max() / outputs["plain"].std()),
    )


def _matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large square matrix product, the best of several."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.ones(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(5):
        started = _now(device)
        torch.mm(a, a)
        best = min(best, _now(device) - started)
    return 2 * side**3 / best


def _now(device: torch.device) -> float:
    """Wall time once the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
