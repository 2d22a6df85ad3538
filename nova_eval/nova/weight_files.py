"""The weights of one part of a checkpoint folder as tensors: from safetensors or torch archives, into a module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.digests import weight_files

_HOLDERS = (
    "state_dict", "model_state_dict", "model", "module", "transformer",
    "ema", "ema_state_dict", "model_ema", "ema_model",
)  # fmt: skip
"""Under which trainings save weights beside other things."""
_PREFIXES = ("module.", "ema_model.", "ema.", "transformer.")
"""What wrappers put before every name: DataParallel, averaged models, modules that hold the transformer."""
_COMPILED = "_orig_mod"
_COUNTED = "n_averaged"  # by torch's AveragedModel


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors of a part by name, on the CPU. Torch archives are opened with ``weights_only=True``.

    What wraps a model in training (``module.``, ``_orig_mod.``, a moving average) is taken off the names.
    """
    weights: dict[str, Tensor] = {}
    for path in weight_files(folder):
        found = _opened(path)
        twice = sorted(weights.keys() & found.keys())
        if twice:
            raise PrerequisiteError(f"{path}: {twice[0]} is in two shards", remedy="remove shards of other saves")
        weights |= found
    return _unwrapped(weights, folder)


def fill(module: nn.Module, weights: Mapping[str, Tensor], where: Path, dtype: torch.dtype) -> None:
    """Puts ``weights`` into a module built on the meta device.

    UsageError when names or shapes differ, PrerequisiteError for weights that are not numbers or exceed ``dtype``.
    """
    wanted = module.state_dict()
    misfits = [
        f"{len(names)} {kind} {sorted(names)[:3]}{' …' if len(names) > 3 else ''}"
        for kind, names in (("missing", wanted.keys() - weights.keys()), ("unknown", weights.keys() - wanted.keys()))
        if names
    ]
    if misfits:
        raise UsageError(f"{where}: the weights do not fit config.json: {'; '.join(misfits)}")
    misshapen = [name for name, tensor in wanted.items() if tensor.shape != weights[name].shape]
    if misshapen:
        name, more = misshapen[0], f" (and {len(misshapen) - 1} more)" if len(misshapen) > 1 else ""
        raise UsageError(
            f"{where}: {name} is {tuple(weights[name].shape)}, config.json says {tuple(wanted[name].shape)}{more}",
            remedy="the configuration belongs to other weights",
        )
    given = {name: weights[name].to(dtype) for name in wanted}
    _refuse_not_finite(weights, given, where, dtype)
    module.load_state_dict(given, assign=True)


def _refuse_not_finite(
    stored: Mapping[str, Tensor], given: Mapping[str, Tensor], where: Path, dtype: torch.dtype
) -> None:
    wrong = [name for name, tensor in given.items() if not torch.isfinite(tensor).all()]
    if not wrong:
        return
    name, more = wrong[0], f" (and {len(wrong) - 1} more tensors are not finite)" if len(wrong) > 1 else ""
    if torch.isfinite(stored[name]).all():
        kind = str(dtype).removeprefix("torch.")
        raise PrerequisiteError(
            f"{where}: {name} is too large for {kind}{more}", remedy="use dtype bfloat16 or float32"
        )
    kind = "NaN" if torch.isnan(stored[name]).any() else "infinity"
    raise PrerequisiteError(f"{where}: {name} holds {kind}{more}", remedy="take a checkpoint before training diverged")


def _opened(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise PrerequisiteError(f"{path}: unreadable weights ({type(error).__name__}: {reason})") from error
    return _tensors(content, path)


def _tensors(content: Any, path: Path, depth: int = 0) -> dict[str, Tensor]:
    """Names and tensors, which may lie under one of the usual keys beside other things."""
    if not isinstance(content, Mapping):
        raise PrerequisiteError(f"{path}: a {type(content).__name__}, not a mapping of names to tensors")
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): tensor for name, tensor in content.items()}
    holders = [key for key in _HOLDERS if isinstance(content.get(key), Mapping)]
    if len(holders) > 1:
        raise PrerequisiteError(
            f"{path}: holds several sets of weights: {', '.join(holders)}", remedy="save the one to evaluate alone"
        )
    if not holders or depth > 3:
        odd = next((str(key) for key, value in content.items() if not isinstance(value, Tensor)), "nothing")
        raise PrerequisiteError(f"{path}: not a mapping of names to tensors (it holds {odd[:80]})")
    return _tensors(content[holders[0]], path, depth + 1)


def _unwrapped(weights: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    names = {name: ".".join(word for word in name.split(".") if word != _COMPILED) for name in weights}
    while True:
        own = [name for name in names.values() if name != _COUNTED]
        prefix = next((prefix for prefix in _PREFIXES if own and all(name.startswith(prefix) for name in own)), "")
        if not prefix:
            break
        names = {old: name.removeprefix(prefix) for old, name in names.items() if name != _COUNTED}
    if len(set(names.values())) < len(names):
        raise PrerequisiteError(f"{folder}: compiled and plain weights of one name", remedy="save the model alone")
    return {new: weights[old] for old, new in names.items()}
