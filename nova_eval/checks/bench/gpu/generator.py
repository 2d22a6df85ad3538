"""Seconds a video of the generator at the paper's setting, alone and in batches, against what its arithmetic costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.scale import Scale, half, model_and_vae, noise, prompts, scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.bench.timing import matrix_rate, timed
from nova_eval.nova.batching import batch_size
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.plan import Plan
from nova_eval.nova.sampling import sample_latents
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.stages import Stages, StageTimes
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, to_uint8

_FLOOR = "arithmetic alone"
SCHEDULE = DDPM(beta_schedule="squaredcos_cap_v2")


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    """One frame alone, as many frames as there is time for, then larger and larger batches of one frame.

    What is not measured whole is multiplied up to all frames, and its remark says so.
    """
    scale, dtype = scale_of(asked), half(asked.device)
    model, vae = model_and_vae(asked, scale, dtype)
    rate = matrix_rate(asked.device, dtype, scale.side)
    sampled(model, replace(scale.plan, latent_frames=1, ar_steps=1, diffusion_steps=1), 1)
    one = replace(scale.plan, latent_frames=1)
    _, alone, _ = sampled(model, one, 1)
    yield Figure("image, alone", alone, "s", _floor(model, one, 1, rate), _FLOOR)
    seconds = _decoded(vae, noise(scale, vae, asked.device), asked.device)
    yield Figure("video, decoded", seconds, "s", remark=f"{scale.plan.latent_frames} latent frames, float32")

    frames = max(1, min(scale.plan.latent_frames, int(0.5 * left() / alone)))
    _, taken, times = sampled(model, replace(scale.plan, latent_frames=frames), 1)
    yield _video(scale, model, 1, rate, taken, frames=frames, more=_shares(times, taken))

    full = batch_size("auto", torch.device(asked.device), model, scale.plan)
    yield Figure("full batch", full, "samples", remark="what is expected to fit the memory")
    batch, taken = 1, alone
    while batch < full:
        larger = min(4 * batch, full)
        if taken * larger / batch > 0.8 * left():
            yield Figure("largest batch measured", batch, "samples", remark="a larger one would not fit the time")
            return
        batch = larger
        _, taken, times = sampled(model, one, batch)
        yield _video(scale, model, batch, rate, taken, frames=1, more=_shares(times, taken))


def sampled(
    model: NovaTransformer, plan: Plan, batch: int, *, draw_ahead: bool | None = None
) -> tuple[torch.Tensor, float, StageTimes]:
    """Latents of ``batch`` samples, seconds until the device was done with them, and what the stages took of it."""
    stages, embeds = Stages(model.device), prompts(model, batch)
    draws = SeededDraws(range(batch), threads=min(8, batch))

    def sample() -> torch.Tensor:
        return sample_latents(model, SCHEDULE, embeds, draws, plan, stages=stages, draw_ahead=draw_ahead)

    latents, taken = timed(sample, str(model.device))
    return latents, taken.wall, stages.times()


def _decoded(vae: VideoVAE, latents: torch.Tensor, device: str) -> float:
    def decode() -> None:
        for piece in vae.decode_tiles(latents):
            to_uint8(piece).cpu()

    decode()
    return timed(decode, device)[1].wall


def _video(
    scale: Scale, model: NovaTransformer, batch: int, rate: float, taken: float, *, frames: int, more: str
) -> Figure:
    whole = scale.plan.latent_frames
    extent = "" if frames == whole else f"{frames} of {whole} latent frames measured; "
    name = "video, alone" if batch == 1 else f"video, in batches of {batch}"
    floor = _floor(model, scale.plan, batch, rate) / batch
    return Figure(name, taken * whole / frames / batch, "s", floor, _FLOOR, extent + more)


def _floor(model: NovaTransformer, plan: Plan, batch: int, rate: float) -> float:
    return sampling_flops(model.config, plan, batch)["total"] / rate


def _shares(times: StageTimes, taken: float) -> str:
    shares = [f"{name} {100 * seconds / taken:.0f} %" for name, seconds in times.seconds.items() if seconds]
    peak = max(times.peak_bytes.values()) / 2**30
    return f"{', '.join(shares)}; peak {peak:.2f} GiB"
