"""Small or random networks in the published forms, so that judges can be asked without published weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nova_eval.checks.parity.items import moving_shapes
from nova_eval.protocols import Frames


def drawn(module: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """The module's entries, drawn so that signals neither vanish nor explode."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = torch.zeros_like(tensor)
        elif tensor.ndim > 1:
            fan_in = tensor[0].numel()
            state[name] = torch.randn(tensor.shape, generator=generator) / max(fan_in, 1) ** 0.5
        else:
            centre = 1.0 if name.endswith(("weight", "running_var")) else 0.0
            state[name] = centre + 0.02 * torch.randn(tensor.shape, generator=generator)
    return state


def tiny_clip(
    width: int = 64, layers: int = 2, out: int = 512, patch: int = 32, text: bool = True
) -> dict[str, Tensor]:
    """Entries of a CLIP whose image tower has ``width`` channels, half precision where the published files have it."""
    from open_clip.transformer import TextTransformer, VisionTransformer

    visual = VisionTransformer(224, patch, width, layers, width // 64, 4.0, output_dim=out)
    state = {f"visual.{name}": tensor for name, tensor in drawn(visual).items()}
    if text:
        state |= drawn(TextTransformer(77, 49408, 64, 1, 1, output_dim=out), 1)
        state["logit_scale"] = torch.tensor(4.6052)
    linear = [f"{part}.{leaf}" for part in ("out_proj", "c_fc", "c_proj") for leaf in ("weight", "bias")]
    half = ("conv1.weight", "proj", "text_projection", "in_proj_weight", "in_proj_bias", *linear)
    state = {name: tensor.half() if name.endswith(half) else tensor for name, tensor in state.items()}
    facts = {name: torch.tensor(224) for name in ("input_resolution", "context_length", "vocab_size")}
    return state | facts


def write_torchscript(state: dict[str, Tensor], path: Path) -> Path:
    root = nn.Module()
    for name, tensor in state.items():
        *places, leaf = name.split(".")
        module = root
        for place in places:
            if place not in module._modules:
                module.add_module(place, nn.Module())
            module = module.get_submodule(place)
        module.register_buffer(leaf, tensor)
    root.forward = lambda x: x
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(root, torch.zeros(1), check_trace=False), path)
    return path


def clip_of(frames: int = 5, height: int = 128, width: int = 144, seed: int = 1) -> Frames:
    return moving_shapes(seed, frames, height, width)


def largest(one: Any, other: Any) -> float:
    return float(np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).max(initial=0.0))
