"""Memory while generator and judges take turns on one device, and what each leaves behind."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from nova_eval.checks.bench.gpu.drawn import drawn_weights
from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.generator import sampled
from nova_eval.checks.bench.gpu.judging import made, measured
from nova_eval.checks.bench.gpu.questions import QUESTIONS
from nova_eval.checks.bench.gpu.scale import half, model_and_vae, noise, scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.parity.items import moving_shapes
from nova_eval.nova.batching import batch_size
from nova_eval.nova.plan import Plan
from nova_eval.nova.transformer import NovaTransformer

_TURNS = ("dino_vitb16", "umt_l16", "grit_dense_cap", "raft_things", "amt_s", "viclip_l14")


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    """The generator, then judges one after the other, then the generator again: peaks, and what was left after each.

    On the CPU, where nothing counts allocations, the peak is the process's so far.
    """
    scale, device = scale_of(asked), asked.device
    model, vae = model_and_vae(asked, scale, half(device))
    plan = replace(scale.plan, ar_steps=1, diffusion_steps=2)
    frames = moving_shapes(0, *scale.clip)[: 9 if not asked.tiny else 2]
    for turn in ("first turn", "second turn"):
        model.to(device)
        vae.to(device=device)
        _fresh(device)
        yield _generator(model, plan, 1, turn)
        _fresh(device)
        for _ in vae.decode_tiles(noise(scale, vae, device)):
            pass
        yield Figure(f"decoder, {turn}", _peak(device), "GiB")
        model.to("cpu")
        vae.to(device="cpu")
        yield Figure(f"left behind by the generator, {turn}", _held(device), "GiB")
        if turn == "second turn":
            break
        with drawn_weights():
            for name in _TURNS:
                if not measured(scale, name):
                    continue
                if left() < 8:
                    break
                _fresh(device)
                judge = made(name, device)
                QUESTIONS[name](judge, np.ascontiguousarray(frames))
                peak = _peak(device)
                del judge
                yield Figure(f"judge {name}", peak, "GiB", remark=f"{_held(device):.3f} GiB left behind")

    if left() > 8:
        model.to(device)
        yield _generator(model, plan, batch_size("auto", torch.device(device), model, scale.plan), "full batch")


def _generator(model: NovaTransformer, plan: Plan, batch: int, when: str) -> Figure:
    _, _, times = sampled(model, plan, batch)
    peak = max(times.peak_bytes.values()) / 2**30
    return Figure(f"generator, {when}", peak, "GiB", remark=f"batch {batch}, all frames, one step each")


def _fresh(device: str) -> None:
    _held(device)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _held(device: str) -> float:
    gc.collect()
    if not device.startswith("cuda"):
        return 0.0
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated(device) / 2**30
