"""Weight files of one part of a checkpoint folder: safetensors or torch archives, in one piece or sharded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_eval import files
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.identity import digest, file_digest

# Tried in this order; an index names its shards.
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights of a part, safetensors preferred. PrerequisiteError when there are none."""
    for suffix in ("safetensors", "bin", "pth"):
        for stem in _STEMS:
            index = folder / f"{stem}.{suffix}.index.json"
            if index.is_file():
                names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
                missing = [name for name in names if not (folder / files.relative(name)).is_file()]
                if missing:
                    raise PrerequisiteError(f"{index}: {len(missing)} of {len(names)} shards are missing: {missing[0]}")
                return [folder / name for name in names]
            for name in (f"{stem}.{suffix}", f"{stem}.fp16.{suffix}"):
                if (folder / name).is_file():
                    return [folder / name]
    raise PrerequisiteError(f"{folder}: no weights", remedy=f"expected {_STEMS[0]}.safetensors or model.safetensors")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a part by name, on the CPU. Torch archives are opened with ``weights_only=True``."""
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        try:
            if path.suffix == ".safetensors":
                from safetensors.torch import load_file

                weights |= load_file(path)
            else:
                weights |= torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            raise PrerequisiteError(f"{path}: unreadable weights ({type(error).__name__}: {error})") from error
    return weights


def weights_digest(folder: Path) -> str:
    """Changes when any weight of the part changes: the digests of its weight files by name."""
    return digest({path.name: _digest_once(path, *_stamp(path)) for path in weight_files(folder)})


def fill(module: nn.Module, weights: Mapping[str, Tensor], where: Path, dtype: torch.dtype) -> None:
    """Puts ``weights`` into a module built on the meta device. UsageError when names or shapes differ."""
    wanted = module.state_dict()
    missing, extra = wanted.keys() - weights.keys(), weights.keys() - wanted.keys()
    if missing or extra:
        names = f"{len(missing)} missing {sorted(missing)[:2]}, {len(extra)} unknown {sorted(extra)[:2]}"
        raise UsageError(f"{where}: the weights do not fit config.json: {names}")
    misshapen = [name for name, tensor in wanted.items() if tensor.shape != weights[name].shape]
    if misshapen:
        name, more = misshapen[0], f" (and {len(misshapen) - 1} more)" if len(misshapen) > 1 else ""
        raise UsageError(
            f"{where}: {name} is {tuple(weights[name].shape)}, config.json says {tuple(wanted[name].shape)}{more}",
            remedy="the configuration belongs to other weights",
        )
    module.load_state_dict({name: weights[name].to(dtype) for name in wanted}, assign=True)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=64)
def _digest_once(path: Path, _size: int, _modified: int) -> str:
    return file_digest(path)
