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
from nova_eval.errors import UsageError, unknown
from nova_eval.identity import digest, file_digest
from nova_eval.nova.config import CLASS_NAME, TransformerConfig
from nova_eval.nova.parts import Parts, read_json
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.schedule import from_json as schedule_from_json
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.weight_files import fill, read_weights, weight_files, weights_digest

WEIGHTS = "diffusion_pytorch_model.safetensors"


def weight_bytes(parts: Parts) -> int:
    """The size of all weight files of a checkpoint."""
    folders = (parts.transformer, parts.vae, parts.text_encoder)
    return sum(path.stat().st_size for folder in folders for path in weight_files(folder))


def load_transformer(folder: Path, *, dtype: torch.dtype, device: str) -> NovaTransformer:
    """The transformer in a checkpoint's ``transformer/``, in evaluation mode.

    PrerequisiteError for missing or unreadable files, UsageError where weights and configuration disagree.
    """
    values = read_json(folder / "config.json")
    if values.get("_class_name", CLASS_NAME) != CLASS_NAME:
        raise UsageError(
            f"{folder / 'config.json'} describes a {values['_class_name']}, not a {CLASS_NAME}",
            remedy="point at the transformer of a NOVA checkpoint",
        )
    model = empty(TransformerConfig.from_json(values))
    fill(model, read_weights(folder), folder, dtype)
    return model.requires_grad_(False).eval().to(device)


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


def checkpoint_digest(parts: Parts) -> str:
    """Changes when anything that shapes a sample changes: weights and configurations of every part, the tokenizer."""
    facts: dict[str, Any] = {}
    for part, folder in (("transformer", parts.transformer), ("vae", parts.vae), ("text_encoder", parts.text_encoder)):
        facts[part] = [weights_digest(folder), read_json(folder / "config.json")]
    facts["scheduler"] = read_json(parts.scheduler / "scheduler_config.json")
    facts["tokenizer"] = file_digest(parts.tokenizer / "tokenizer.json")
    return digest(facts)


def dtype_named(name: str | torch.dtype, device: str) -> torch.dtype:
    """``"auto"`` is float16 on a GPU, as the released scripts run, and float32 on a CPU."""
    if isinstance(name, torch.dtype):
        return name
    known: Mapping[str, torch.dtype] = {
        "float32": torch.float32,
        "float16": torch.float16,
        "bfloat16": torch.bfloat16,
        "float64": torch.float64,
        "auto": torch.float16 if device.startswith("cuda") else torch.float32,
    }
    if name not in known:
        raise unknown("dtype", name, known)
    return known[name]


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object, keys as given."""
    files.write(path, json.dumps(values, indent=2) + "\n")
