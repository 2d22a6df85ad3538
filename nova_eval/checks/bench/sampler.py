"""The fast path timed against slow ones and the official code, in turns in one run: same weights, same draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from nova_eval.adapters import load_benchmark
from nova_eval.checks import plain_sampler as plain
from nova_eval.checks.bench.official_nova import OfficialNova
from nova_eval.checks.bench.options import SamplerBench
from nova_eval.checks.bench.timing import Beside, clock, in_turns, matrix_rate, table
from nova_eval.nova import checkpoint
from nova_eval.nova.config import RELEASED, TransformerConfig
from nova_eval.nova.draws import SharedDraws
from nova_eval.nova.embedded import MINI, embedded_checkpoint
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.nova.schedule import DDPM, Schedule
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


_PROMPTS = ("a red circle moves to the right", "two blue squares", "a green star above a yellow ring")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is sampled: how large a transformer, in how many steps and frames; weights of ``name``, or drawn ones."""

    config: TransformerConfig = MID
    ar_steps: int = 32
    latent_frames: int = 3
    guidance_scale: float = 7.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """The subject on its device: ``embeds(rows, guided)`` are the prompts' features, the unconditional ones last."""

    model: NovaTransformer
    schedule: Schedule
    embeds: Callable[[int, bool], Tensor]


@dataclass(frozen=True, slots=True)
class Timing:
    """One comparison; seconds are the best of all repeats, for the whole batch: of the processor, on a GPU wall time.

    ``seconds_plain``: the denoiser runs on the whole frame at every diffusion step, nothing hoisted or cached.
    ``seconds_wasteful``: as wasteful as the official implementation and no more (blocks on chosen tokens only).
    ``seconds_official``: the official implementation itself, None where no checkout of it was given.
    ``shares`` of the fast path's time by stage; ``flops`` of the fast path for the batch; ``utilisation`` is flops a
    second against ``peak_flops``, the fastest large matrix product measured in the same run. ``difference`` is the
    largest deviation of the fast latents from the plain ones in standard deviations.
    """

    diffusion_steps: int
    batch: int
    threads: int
    clock: str
    seconds_plain: float
    seconds_wasteful: float
    seconds_official: float | None
    seconds_fast: float
    speedup: float
    speedup_wasteful: float
    speedup_official: float | None
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

    Autoencoder and text encoder are left out. The paths take turns, so that a busy machine slows all.
    """
    if asked.threads:
        torch.set_num_threads(asked.threads)
    subject = subject or _subject(asked.model)
    kind = checkpoint.dtype_named(asked.dtype, asked.device)
    loaded = _loaded(subject, asked.device, kind)
    official = asked.official and OfficialNova(asked.official, loaded.model, loaded.schedule)
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
            rows.append(_row(loaded, plan, batch, asked=asked, peak=peak, official=official or None))
    return rows


def lines(rows: Sequence[Timing]) -> str:
    """The rows for people."""
    text = []
    for row in rows:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in row.shares.items())
        ways = [
            Beside("  plain", row.seconds_fast, row.seconds_plain, row.speedup),
            Beside("  as wasteful as the official code", row.seconds_fast, row.seconds_wasteful, row.speedup_wasteful),
        ]
        if row.seconds_official is not None and row.speedup_official is not None:
            most = f"   at most {row.speedup_official / row.utilisation:.1f}×: nothing but these products, at that rate"
            ways.append(
                Beside("  the official code", row.seconds_fast, row.seconds_official, row.speedup_official, most)
            )
        text += [
            f"{row.diffusion_steps} diffusion steps, batch {row.batch}, threads {row.threads}; "
            f"{row.clock} seconds a batch:",
            *table(("fast path", "this way"), ways),
            f"  {row.seconds_per_sample:.2f} s a sample, {row.ar_steps_per_second:.1f} AR steps/s, peak memory "
            f"{row.peak_bytes / 2**30:.2f} GiB, {row.flops / 1e9:.1f} GFLOP, {100 * row.utilisation:.0f} % of the "
            f"fastest matrix product",
            f"  time: {shares}; largest difference {row.difference:.1e} standard deviations",
        ]
    return "\n".join(text)


def _subject(model: Literal["mini", "mid", "paper"]) -> Subject:
    if model == "mid":
        return Subject()
    profile = load_benchmark("vbench").config.profiles[model].sampler
    settings = {name: profile[name] for name in ("ar_steps", "latent_frames", "guidance_scale")}
    if model == "paper":
        return Subject(RELEASED["nova-d48w1024-osp480"], **settings)
    return Subject(checkpoint.config_of(embedded_checkpoint(MINI) / "transformer"), **settings, name=MINI)


def _loaded(subject: Subject, device: str, kind: torch.dtype) -> _Loaded:
    if subject.name:
        pipe = NovaPipeline.from_pretrained(embedded_checkpoint(subject.name), device=device, dtype=kind)

        def embedded(batch: int, guided: bool) -> Tensor:
            prompts = [_PROMPTS[place % len(_PROMPTS)] for place in range(batch)]
            return pipe.embed(prompts + [""] * batch if guided else prompts)

        return _Loaded(pipe.transformer.requires_grad_(False), pipe.schedule, embedded)
    model = checkpoint.build(subject.config, seed=0).requires_grad_(False).to(device, kind)

    def drawn(batch: int, guided: bool) -> Tensor:
        shape = (2 * batch if guided else batch, subject.config.text_token_len, subject.config.text_token_dim)
        return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)

    return _Loaded(model, DDPM(beta_schedule="squaredcos_cap_v2"), drawn)


def _row(
    loaded: _Loaded, plan: Plan, batch: int, *, asked: SamplerBench, peak: float, official: OfficialNova | None
) -> Timing:
    model, schedule = loaded.model, loaded.schedule
    embeds = loaded.embeds(batch, plan.guidance.on)
    stages = [Stages(model.device) for _ in range(asked.repeats)]

    def path(sample: Callable[..., Tensor], plan: Plan = plan, **options: Any) -> Tensor:
        draws = SharedDraws(torch.Generator().manual_seed(0), batch)
        return sample(model, schedule, embeds, draws, plan, **options)

    paths: dict[str, Callable[..., Tensor]] = {
        "fast": sample_latents,
        "wasteful": partial(plain.sample_latents, waste=plain.Waste.OFFICIAL),
        "plain": partial(plain.sample_latents, waste=plain.Waste.FRAME),
    }
    if official is not None:
        paths["official"] = official.sample_latents
    for sample in paths.values():  # the first call of anything is slow
        path(sample, replace(plan, latent_frames=1, ar_steps=1, diffusion_steps=1))

    def turn(name: str, repeat: int) -> Tensor:
        return path(sample_latents, stages=stages[repeat]) if name == "fast" else path(paths[name])

    ways = {name: partial(turn, name) for name in paths}
    turns = in_turns(ways, asked.repeats, asked.device)
    best = {name: min(taken.steady(asked.device) for taken in turn.seconds) for name, turn in turns.items()}
    fastest = min(range(asked.repeats), key=lambda repeat: turns["fast"].seconds[repeat].wall)
    times = stages[fastest].times()
    wall = turns["fast"].seconds[fastest].wall
    flops = sampling_flops(model.config, plan, batch)["total"]
    fast, slow = turns["fast"].answer, turns["plain"].answer
    return Timing(
        diffusion_steps=plan.diffusion_steps,
        batch=batch,
        threads=torch.get_num_threads(),
        clock=clock(asked.device),
        seconds_plain=best["plain"],
        seconds_wasteful=best["wasteful"],
        seconds_official=best.get("official"),
        seconds_fast=best["fast"],
        speedup=best["plain"] / best["fast"],
        speedup_wasteful=best["wasteful"] / best["fast"],
        speedup_official=best["official"] / best["fast"] if official is not None else None,
        shares={name: seconds / wall for name, seconds in times.seconds.items() if seconds},
        ar_steps_per_second=times.ar_steps / best["fast"],
        peak_bytes=max(times.peak_bytes.values()),
        flops=flops,
        peak_flops=peak,
        utilisation=flops / best["fast"] / peak,
        difference=float((fast - slow).abs().max() / slow.std()),
        seconds_per_sample=best["fast"] / batch,
    )
