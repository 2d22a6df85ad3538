"""Recordings of training losses and gradients, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from training_runs import TRANSFORMER

from nova_eval.checks.parity.training import cases
from nova_eval.errors import UsageError
from nova_eval.nova.checkpoint import build, save_schedule, save_transformer
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.training.masking import draw
from nova_eval.nova.training.objective import losses


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A recording of this objective itself."""
    config, schedule = TransformerConfig.from_json(TRANSFORMER), DDPM(beta_schedule="squaredcos_cap_v2")
    model = build(config, 0)
    for tensor in model.state_dict().values():
        tensor.mul_(4)
    model.requires_grad_(True)
    save_transformer(model, tmp_path / "model" / "transformer")
    save_schedule(schedule, tmp_path / "model" / "scheduler")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 3, 8, 8, generator=generator)
    embeds = torch.randn(2, 8, 32, generator=generator)
    draws = draw(config, schedule, tuple(x.shape), generator)
    result = losses(model, schedule, x, embeds, draws, flow=[3.0, 3.0])
    torch.autograd.backward(result.total)
    name = "image_encoder.norm.weight"
    norm = dict(model.named_parameters())[name].grad
    assert norm is not None
    case = {
        "motion_flow": 3,
        "losses": {key: value.item() for key, value in result.values.items()},
        "grad_norms": {name: norm.norm().item()},
    }
    (tmp_path / "index.json").write_text(json.dumps({"model": {"train_own": case, "t2v": {}}}))
    tensors = {"x": x, "prompt_embeds": embeds, "noise": draws.noise, "timesteps": draws.timesteps}
    tensors |= {"prev_ids": draws.visible_ids.unsqueeze(-1).contiguous()}
    save_file(tensors, tmp_path / "model" / "train_own.safetensors")
    return tmp_path


def index(kit: Path) -> Any:
    return json.loads((kit / "index.json").read_text())


def change(kit: Path, **case: Any) -> None:
    index = json.loads((kit / "index.json").read_text())
    index["model"]["train_own"].update(case)
    (kit / "index.json").write_text(json.dumps(index))


def test_passes(kit: Path) -> None:
    results = list(cases(kit, index(kit)))
    assert [result.case for result in results] == [
        "model/train_own losses",
        "model/train_own gradient norms",
    ]
    assert all(result.passed for result in results)


def test_wrong_figures_fail_and_are_named(kit: Path) -> None:
    change(kit, losses={"loss_t2i": 3.0}, grad_norms={"no.such.weight": 1.0})
    found = list(cases(kit, index(kit)))
    assert not any(result.passed for result in found)
    assert "loss_t2i" in found[0].note
    assert found[1].difference == float("inf")


def test_other_motion_gives_other_losses(kit: Path) -> None:
    same = next(cases(kit, index(kit))).difference
    change(kit, motion_flow=500)
    assert next(cases(kit, index(kit))).difference > 10 * same + 1e-7


def test_lost_tensors(kit: Path) -> None:
    (kit / "model" / "train_own.safetensors").unlink()
    with pytest.raises(UsageError, match=r"train_own\.safetensors is missing; restore the recording"):
        list(cases(kit, index(kit)))
