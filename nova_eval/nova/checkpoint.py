"""Checkpoints in the official diffusers-style layout: found on disk or on the hub, read, built, and written."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nova_eval import files
from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.identity import digest, file_digest
from nova_eval.nova.config import CLASS_NAME, TransformerConfig
from nova_eval.nova.embedded import EMBEDDED, embedded_checkpoint
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.schedule import from_json as schedule_from_json
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.weight_files import fill, read_weights, weights_digest
from nova_eval.packages import needed_by

PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
WEIGHTS = "diffusion_pytorch_model.safetensors"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_FILES = ["*.json", "*.safetensors", "*.bin", "*.pth", "*.txt"]


def locate(path_or_id: str | Path, *, offline: bool = False) -> Path:
    """The folder of a checkpoint: a local one, or a snapshot of a hub repository such as BAAI/nova-d48w1024-sd512.

    ``nova-mini`` and ``nova-mini-early`` come with the package. ``offline`` uses what was downloaded before and opens
    no socket. No code of the repository is fetched or run.
    """
    folder = Path(path_or_id).expanduser()
    if str(path_or_id) in EMBEDDED and not folder.exists():
        return embedded_checkpoint(str(path_or_id))
    if folder.is_dir():
        missing = [part for part in PARTS if not (folder / part).is_dir()]
        if missing:
            raise PrerequisiteError(
                f"{folder} is not a NOVA checkpoint: {', '.join(missing)} missing",
                remedy=f"a checkpoint folder holds model_index.json and {', '.join(PARTS)}",
            )
        return folder
    if folder.is_absolute() or not _HUB_ID.fullmatch(str(path_or_id)):
        raise PrerequisiteError(
            f"no checkpoint folder {str(path_or_id)!r}",
            remedy=f"give a folder, a hub id owner/name, or {' or '.join(EMBEDDED)}",
        )
    with needed_by(f"checkpoint {str(path_or_id)!r}"):
        from huggingface_hub import snapshot_download
    try:
        return Path(snapshot_download(str(path_or_id), allow_patterns=_HUB_FILES, local_files_only=offline))
    except Exception as error:
        what = (
            "is not in the local hub cache" if offline else f"cannot be fetched from the hub ({type(error).__name__})"
        )
        remedy = "run once without offline" if offline else "check the id and the network, or give a local folder"
        raise PrerequisiteError(f"checkpoint {str(path_or_id)!r} {what}", remedy=remedy) from error


def weight_bytes(folder: Path) -> int:
    """The size of all weight files of the checkpoint in ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin", ".pth"))


def load_transformer(folder: Path, *, dtype: torch.dtype, device: str) -> NovaTransformer:
    """The transformer of the checkpoint in ``folder``, in evaluation mode.

    PrerequisiteError for missing or unreadable files, UsageError where weights and configuration disagree.
    """
    part = folder / "transformer"
    values = read_json(part / "config.json")
    if values.get("_class_name", CLASS_NAME) != CLASS_NAME:
        raise UsageError(
            f"{part / 'config.json'} describes a {values['_class_name']}, not a {CLASS_NAME}",
            remedy="point at the transformer of a NOVA checkpoint",
        )
    model = empty(TransformerConfig.from_json(values))
    fill(model, read_weights(part), part, dtype)
    return model.requires_grad_(False).eval().to(device)


def load_schedule(folder: Path) -> Schedule:
    """The noise schedule of the checkpoint in ``folder``."""
    return schedule_from_json(read_json(folder / "scheduler" / "scheduler_config.json"))


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


def checkpoint_digest(folder: Path) -> str:
    """Changes when anything that shapes a sample changes: weights and configurations of every part, the tokenizer."""
    facts: dict[str, Any] = {}
    for part in ("transformer", "vae", "text_encoder"):
        facts[part] = [weights_digest(folder / part), read_json(folder / part / "config.json")]
    facts["scheduler"] = read_json(folder / "scheduler" / "scheduler_config.json")
    facts["tokenizer"] = file_digest(folder / "tokenizer" / "tokenizer.json")
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


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object on disk, or PrerequisiteError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PrerequisiteError(f"{path}: unreadable ({type(error).__name__}: {error})") from error
    if not isinstance(values, dict):
        raise PrerequisiteError(f"{path}: not a JSON object")
    return values


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a JSON object, keys as given."""
    files.write(path, json.dumps(values, indent=2) + "\n")
