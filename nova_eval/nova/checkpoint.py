"""Checkpoints in the official diffusers-style layout: read, built, and written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nova_eval import files
from nova_eval.errors import UsageError
from nova_eval.nova.config import CLASS_NAME, TransformerConfig
from nova_eval.nova.parts import read_json
from nova_eval.nova.plan import dtype_name
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.schedule import from_json as schedule_from_json
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.weight_files import fill, read_weights

WEIGHTS = "diffusion_pytorch_model.safetensors"


def load_transformer(folder: Path, *, dtype: torch.dtype, device: str) -> NovaTransformer:
    """The transformer in a checkpoint's ``transformer/``, in evaluation mode.

    PrerequisiteError for missing or unreadable files, UsageError where weights and configuration disagree.
    """
    model = empty(config_of(folder))
    fill(model, read_weights(folder), folder, dtype)
    return model.requires_grad_(False).eval().to(device)


def config_of(folder: Path) -> TransformerConfig:
    """The configuration in a checkpoint's ``transformer/``. UsageError where it is that of another model."""
    values = read_json(folder / "config.json")
    if values.get("_class_name", CLASS_NAME) != CLASS_NAME:
        raise UsageError(
            f"{folder / 'config.json'} describes a {values['_class_name']}, not a {CLASS_NAME}",
            remedy="point at the transformer of a NOVA checkpoint",
        )
    return TransformerConfig.from_json(values)


def load_schedule(folder: Path) -> Schedule:
    """The noise schedule in a checkpoint's ``scheduler/``."""
    return schedule_from_json(read_json(folder / "scheduler_config.json"))


def empty(config: TransformerConfig) -> NovaTransformer:
    """The transformer without memory behind its weights: for loading and for counting."""
    with torch.device("meta"):
        return NovaTransformer(config)


def build(config: TransformerConfig, seed: int) -> NovaTransformer:
    """A transformer with random weights, float32 on the CPU: normal with deviation 0.02, biases 0, norms identity."""
    model = empty(config).to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    norms = {id(p) for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()}
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            if name.endswith("bias"):
                tensor.zero_()
            elif id(tensor) in norms:
                tensor.fill_(1)
            else:
                tensor.normal_(0, 0.02, generator=generator)
    return model.eval()


def parameter_counts(config: TransformerConfig) -> dict[str, int]:
    """Learnt parameters of each part and their ``total``. The table ``text_embed.weight`` is not learnt."""
    model = empty(config)
    counts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    return {**counts, "total": sum(counts.values())}


def save_transformer(model: NovaTransformer, folder: Path) -> None:
    """Writes ``config.json`` and the weights of a ``transformer/`` part."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    write_json(folder / "config.json", model.config.to_json())


def save_schedule(schedule: Schedule, folder: Path) -> None:
    """Writes the ``scheduler/`` part."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "scheduler_config.json", schedule.to_json())


def save_index(folder: Path, vae_class: str, schedule: Schedule) -> None:
    """Writes ``model_index.json``, which names the class of every part."""
    classes = {
        "transformer": ["diffnext", CLASS_NAME],
        "scheduler": ["diffnext", schedule.to_json()["_class_name"]],
        "vae": ["diffnext", vae_class],
        "text_encoder": ["diffnext", "PhiEncoderModel"],
        "tokenizer": ["transformers", "CodeGenTokenizerFast"],
    }
    write_json(folder / "model_index.json", {"_class_name": "NOVAPipeline", **classes})


def copy_part(source: Path, target: Path) -> None:
    """Copies a part that is passed on as it is (text encoder, tokenizer)."""
    if source.resolve() != target.resolve():
        shutil.copytree(source, target, dirs_exist_ok=True)


def dtype_named(name: str | torch.dtype, device: str) -> torch.dtype:
    """The dtype of torch that is called as ``plan.dtype_name`` says."""
    if isinstance(name, torch.dtype):
        return name
    found: torch.dtype = getattr(torch, dtype_name(name, device))
    return found


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object, keys as given."""
    files.write(path, json.dumps(values, indent=2) + "\n")
