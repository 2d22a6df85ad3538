"""Recorded training steps of the reference implementation, replayed: losses and gradient norms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from nova_eval.errors import PrerequisiteError
from nova_eval.nova.checkpoint import load_schedule, load_transformer
from nova_eval.nova.training.masking import TrainingDraws
from nova_eval.nova.training.objective import losses
from nova_eval.records import ParityResult

LOSS_TOLERANCE, GRADIENT_TOLERANCE = 1e-4, 1e-3  # relative


def cases(folder: Path) -> Iterator[ParityResult]:
    """Every ``train_*`` case of ``folder/index.json``: one result for its losses, one for its gradient norms."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    for checkpoint, recorded in index.items():
        for name, case in recorded.items():
            if name.startswith("train_"):
                yield from _replay(folder / checkpoint, f"{checkpoint}/{name}", name, case)


def _replay(folder: Path, title: str, name: str, case: Mapping[str, Any]) -> Iterator[ParityResult]:
    from safetensors.torch import load_file

    file = folder / f"{name}.safetensors"
    if not file.is_file():
        raise PrerequisiteError(f"{file} is missing", remedy="restore the recording")
    record = load_file(file)
    model = load_transformer(folder, dtype=torch.float32, device="cpu").requires_grad_(True)
    draws = TrainingDraws(record["prev_ids"].flatten(1), record["noise"], record["timesteps"])
    flow = None if case.get("motion_flow") is None else [float(case["motion_flow"])] * len(record["x"])
    result = losses(model, load_schedule(folder), record["x"], record["prompt_embeds"], draws, flow=flow)
    torch.autograd.backward(result.total)
    found = {loss: value.item() for loss, value in result.values.items()}
    norms = {key: 0.0 if p.grad is None else float(p.grad.norm()) for key, p in model.named_parameters()}
    yield _compared(f"{title} losses", found, case["losses"], LOSS_TOLERANCE)
    yield _compared(f"{title} gradient norms", norms, case["grad_norms"], GRADIENT_TOLERANCE)


def _compared(case: str, found: Mapping[str, float], wanted: Mapping[str, float], tolerance: float) -> ParityResult:
    """The largest relative deviation (absolute where 0 was recorded), infinite where a name is missing."""
    deviations = {
        name: abs(found[name] - value) / (abs(value) or 1.0) if name in found else float("inf")
        for name, value in wanted.items()
    }
    worst = max(deviations, key=lambda name: deviations[name])
    note = "" if deviations[worst] <= tolerance else f"{worst}: {found.get(worst)} instead of {wanted[worst]}"
    return ParityResult(case, deviations[worst], tolerance, "relative", note)
