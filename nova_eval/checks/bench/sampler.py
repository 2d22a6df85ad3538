"""The fast path timed against the slow ones, side by side in one run: same model, same draws, nothing else changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from nova_eval.adapters import load_benchmark
from nova_eval.checks import plain_sampler as plain
from nova_eval.checks.bench.options import SamplerBench
from nova_eval.checks.bench.timing import Beside, in_turns, matrix_rate, table
from nova_eval.nova import checkpoint
from nova_eval.nova.config import RELEASED, TransformerConfig
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.stages import Stages
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
class Subject:
    """What is sampled: how large a transformer, in how many steps and frames."""

    config: TransformerConfig = MID
    ar_steps: int = 32
    latent_frames: int = 3
    guidance_scale: float = 7.0


@dataclass(frozen=True, slots=True)
class Timing:
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
    seconds_per_sample: float


def measure(
    asked: SamplerBench, subject: Subject | None = None, say: Callable[[str], None] = lambda text: None
) -> list[Timing]:
    """A row a (diffusion steps, batch), of ``subject`` or of what ``asked.model`` names.

    Random weights; autoencoder and text encoder are left out. The paths take turns, so that a busy machine slows all.
    """
    subject = subject or _subject(asked.model)
    kind = checkpoint.dtype_named(asked.dtype, asked.device)
    model = checkpoint.build(subject.config, seed=0).requires_grad_(False).to(asked.device, kind)
    peak = matrix_rate(asked.device, kind, 8192 if asked.device.startswith("cuda") else 1024)
    rows = []
    for steps in asked.diffusion_steps:
        for batch in asked.batches:
            plan = Plan(
                latent_frames=subject.latent_frames,
                ar_steps=subject.ar_steps,
                diffusion_steps=steps,
                guidance_scale=subject.guidance_scale,
            ).sized(subject.config.image_size)
            say(f"{steps} diffusion steps, batch {batch}")
            rows.append(_row(model, plan, batch, asked=asked, peak=peak))
    return rows


def lines(rows: Sequence[Timing]) -> str:
    """The rows for people."""
    text = []
    for row in rows:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in row.shares.items())
        ways = [
            Beside("  plain", row.seconds_fast, row.seconds_plain, row.speedup),
            Beside("  as wasteful as the official code", row.seconds_fast, row.seconds_official, row.speedup_official),
        ]
        text += [
            f"{row.diffusion_steps} diffusion steps, batch {row.batch}; seconds a batch:",
            *table(("fast path", "this way"), ways),
            f"  {row.seconds_per_sample:.2f} s a sample, {row.ar_steps_per_second:.1f} AR steps/s, peak memory "
            f"{row.peak_bytes / 2**30:.2f} GiB, {row.flops / 1e9:.1f} GFLOP, {100 * row.utilisation:.0f} % of the "
            f"fastest matrix product",
            f"  time: {shares}; largest difference {row.difference:.1e} standard deviations",
        ]
    return "\n".join(text)


def _subject(model: Literal["mid", "paper"]) -> Subject:
    if model == "mid":
        return Subject()
    paper = load_benchmark("vbench").config.profiles["paper"].sampler
    names = ("ar_steps", "latent_frames", "guidance_scale")
    return Subject(RELEASED["nova-d48w1024-osp480"], **{name: paper[name] for name in names})


def _row(model: NovaTransformer, plan: Plan, batch: int, *, asked: SamplerBench, peak: float) -> Timing:
    config = model.config
    shape = (2 * batch if plan.guidance.on else batch, config.text_token_len, config.text_token_dim)
    embeds = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(model.device)
    schedule = DDPM(beta_schedule="squaredcos_cap_v2")
    stages = [Stages(model.device) for _ in range(asked.repeats)]

    def path(sample: Callable[..., Tensor], plan: Plan = plan, **options: Any) -> Tensor:
        return sample(model, schedule, embeds, SeededDraws(range(batch)), plan, **options)

    paths: dict[str, Callable[..., Tensor]] = {
        "fast": sample_latents,
        "official": partial(plain.sample_latents, waste=plain.Waste.OFFICIAL),
        "plain": partial(plain.sample_latents, waste=plain.Waste.FRAME),
    }
    for sample in paths.values():  # the first call of anything is slow
        path(sample, replace(plan, latent_frames=1, ar_steps=1, diffusion_steps=1))
    ways: dict[str, Callable[[int], Tensor]] = {
        "fast": lambda repeat: path(sample_latents, stages=stages[repeat]),
        "official": lambda repeat: path(paths["official"]),
        "plain": lambda repeat: path(paths["plain"]),
    }
    turns = in_turns(ways, asked.repeats, asked.device)
    best = {name: min(taken.wall for taken in turn.seconds) for name, turn in turns.items()}
    fastest = min(range(asked.repeats), key=lambda repeat: turns["fast"].seconds[repeat].wall)
    times = stages[fastest].times()
    flops = sampling_flops(config, plan, batch)["total"]
    fast, slow = turns["fast"].answer, turns["plain"].answer
    return Timing(
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
        difference=float((fast - slow).abs().max() / slow.std()),
        seconds_per_sample=best["fast"] / batch,
    )
