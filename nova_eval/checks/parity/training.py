"""Recorded training steps of the reference implementation: losses and gradient norms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from nova_eval.checks.parity.compare import relative, result
from nova_eval.checks.parity.recordings import read_tensors
from nova_eval.nova.checkpoint import load_schedule, load_transformer
from nova_eval.nova.training.masking import TrainingDraws
from nova_eval.nova.training.objective import losses
from nova_eval.records import ParityResult

LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3  # relative


def cases(folder: Path, index: Mapping[str, Any]) -> Iterator[ParityResult]:
    """Every ``train_*`` case of ``index``: one result for its losses, one for its gradient norms."""
    for checkpoint, recorded in index.items():
        for name, case in recorded.items():
            if name.startswith("train_"):
                yield from _step(folder / checkpoint, f"{checkpoint}/{name}", name, case)


def _step(folder: Path, title: str, name: str, case: Mapping[str, Any]) -> Iterator[ParityResult]:
    file = folder / f"{name}.safetensors"
    record = read_tensors(file)
    model = load_transformer(folder / "transformer", dtype=torch.float32, device="cpu").requires_grad_(True)
    draws = TrainingDraws(record["prev_ids"].flatten(1), record["noise"], record["timesteps"])
    flow = None if case.get("motion_flow") is None else [float(case["motion_flow"])] * len(record["x"])
    schedule = load_schedule(folder / "scheduler")
    computed = losses(model, schedule, record["x"], record["prompt_embeds"], draws, flow=flow)
    torch.autograd.backward(computed.total)
    found = {loss: value.item() for loss, value in computed.values.items()}
    norms = {key: 0.0 if p.grad is None else float(p.grad.norm()) for key, p in model.named_parameters()}
    for what, one, other, tolerance in (
        ("losses", case["losses"], found, LOSS_TOLERANCE),
        ("gradient norms", case["grad_norms"], norms, GRADIENT_TOLERANCE),
    ):
        wrong, note = relative(one, other)
        yield result(title, what, wrong, tolerance, note=note, unit="relative")
