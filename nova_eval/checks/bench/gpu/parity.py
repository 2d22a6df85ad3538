"""The same networks on the device and on the CPU: the generator in every format, then judges, then recordings."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nova_eval import environment
from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.generator import SCHEDULE
from nova_eval.checks.bench.gpu.judging import made, measured
from nova_eval.checks.bench.gpu.questions import IN_FLOAT32_ONLY, QUESTIONS
from nova_eval.checks.bench.gpu.scale import Scale, prompts, scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.parity import recordings
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.nova import checkpoint
from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.sampling import sample_latents
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, build_vae, to_uint8

_FORMATS = (torch.float32, torch.bfloat16, torch.float16)
_JUDGES = ("amt_s", "raft_things", "musiq_spaq", "dino_vitb16", "clip_vit_b32", "laion_aesthetic", "dpt_hybrid")
_DEVIATIONS = "standard deviations"


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    """Largest differences from the same on the CPU in float32."""
    scale = scale_of(asked)
    yield from _generator(asked, scale)
    yield from _judges(asked, scale, left)
    if asked.recordings is not None:
        yield from _recorded(asked, left)


def _generator(asked: GpuBench, scale: Scale) -> Iterator[Figure]:
    """Every set of tokens continues what the CPU made before it, so that differences do not grow along the way."""
    model = checkpoint.build(scale.small, seed=0).requires_grad_(False)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "token" not in name:
            parameter.mul_(0.7 / (0.02 * parameter[0].numel() ** 0.5))  # large enough for the network to matter
    embeds = prompts(model, 1)

    def latents(there: NovaTransformer, history: Tensor | None = None) -> Tensor:
        given = embeds.to(there.device, there.dtype)
        made = sample_latents(there, SCHEDULE, given, SeededDraws([1]), scale.small_plan, history=history)
        return made.float().cpu()

    wanted = latents(model)
    vae = build_vae(scale.vae, seed=1)
    pixels = _pixels(vae, wanted)
    for dtype in _FORMATS:
        there = copy.deepcopy(model).to(asked.device, dtype)
        wrong = float((latents(there, wanted) - wanted).abs().max() / wanted.std())
        yield Figure(f"latents, {_called(dtype)}", wrong, _DEVIATIONS)
    for dtype in _FORMATS[:2]:
        found = _pixels(vae.to(device=asked.device, dtype=dtype), wanted)
        yield Figure(f"decoded pixels, {_called(dtype)}", float((found - pixels).abs().max()), "of 255")


def _pixels(vae: VideoVAE, latents: Tensor) -> Tensor:
    return to_uint8(vae.decode(latents)).int().cpu()


def _judges(asked: GpuBench, scale: Scale, left: Left) -> Iterator[Figure]:
    """With convolutions in full float32, as runs have them on a GPU, and in TF32, torch's default."""
    frames = moving_shapes(1, 3, 128, 160)
    with drawn_weights():
        for name in _JUDGES:
            if not measured(scale, name):
                continue
            if left() < 5:
                return
            wanted = np.asarray(QUESTIONS[name](made(name, "cpu"), frames), np.float64)
            for dtype in ("float32",) if name in IN_FLOAT32_ONLY else ("float32", "float16"):
                for tf32 in (False, True) if dtype == "float32" and asked.device != "cpu" else (False,):
                    with environment.arithmetic(tf32=tf32):
                        found: Any = QUESTIONS[name](made(name, asked.device, dtype=dtype), frames)
                    wrong = np.abs(np.asarray(found, np.float64) - wanted).max() / max(wanted.std(), 1e-12)
                    how = ", convolutions in TF32" if tf32 else ""
                    yield Figure(f"{name}, {dtype}{how}", float(wrong), _DEVIATIONS)


def _recorded(asked: GpuBench, left: Left) -> Iterator[Figure]:
    assert asked.recordings is not None
    passed = 0
    for result in recordings.replay(asked.recordings, device=asked.device):
        passed += result.passed
        if not result.passed:
            yield Figure(result.case, result.difference, result.unit, result.tolerance, "allowed", result.note)
        if left() < 2:
            break
    yield Figure("recorded quantities that are reproduced", passed, "quantities")


def _called(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
