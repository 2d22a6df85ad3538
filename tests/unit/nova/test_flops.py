"""Sampling's arithmetic, counted from the configuration alone."""

import pytest
from torch.utils.flop_counter import FlopCounterMode

from nova_eval.nova.config import RELEASED
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.sampling import Plan, sample_latents


def test_diffusion_steps_cost_the_denoiser_only():
    config = RELEASED["nova-d48w1024-osp480"]
    few, many = (
        sampling_flops(config, Plan(height=480, width=768, latent_frames=9, ar_steps=128, diffusion_steps=d))
        for d in (25, 100)
    )
    assert few["spatial"] == many["spatial"]
    assert many["denoise"] == pytest.approx(4 * few["denoise"], rel=0.05)
    assert few["total"] == sum(value for name, value in few.items() if name != "total")


def test_the_count_is_what_torch_counts(pipe):
    plan = Plan(height=32, width=64, latent_frames=2, ar_steps=3, diffusion_steps=2)
    embeds = pipe.embed(["a fox", ""])
    with FlopCounterMode(display=False) as counter:
        sample_latents(pipe.transformer, pipe.schedule, embeds, SeededDraws([1]), plan)
    ours = sampling_flops(pipe.transformer.config, plan)["total"]
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.15)
