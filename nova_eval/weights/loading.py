"""Tensors out of published weight files without running what else is in them, and into a module by name."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.weights.catalogue import check_bytes

if TYPE_CHECKING:
    from torch import Tensor, nn

_PARALLEL_PREFIX = "module."  # what torch's DataParallel puts before every name


def load_state_dict(path: Path, wrapping: str = "plain") -> dict[str, Tensor]:
    """The tensors of a weight file by name, on the CPU, in the types they are stored in.

    ``wrapping`` is ``"plain"``, ``"in:KEY"`` (the names lie under KEY), ``"maybe:KEY,KEY"`` (under each KEY in turn, if
    there is one) or ``"torchscript"``; a ``.safetensors`` file needs none. A ``module.`` before every name is taken
    off. No code of the file is run: archives are opened with ``weights_only=True``, or by a reader that knows tensors
    and nothing else. PrerequisiteError when the file is unreadable or does not have this form.
    """
    try:
        found = _read(path, wrapping)
    except PrerequisiteError:
        raise
    except Exception as error:
        raise PrerequisiteError(
            f"{path} cannot be read as weights ({type(error).__name__}: {_brief(error)})",
            remedy="fetch it again: python -m nova_eval weights fetch",
        ) from error
    if found and all(name.startswith(_PARALLEL_PREFIX) for name in found):
        found = {name.removeprefix(_PARALLEL_PREFIX): tensor for name, tensor in found.items()}
    return found


def apply(
    module: nn.Module,
    state: Mapping[str, Tensor],
    *,
    ignore: Iterable[str] = (),
    rename: Callable[[str], str | None] | Mapping[str, str] | None = None,
    where: str = "",
) -> None:
    """Copies ``state`` into ``module``, every name of both accounted for.

    ``rename`` gives the module's name for a name of the file (a mapping that lacks a name leaves it; a function may
    answer None to drop it). ``ignore`` holds regular expressions (whole names, after renaming) of entries that may be
    missing or extra. PrerequisiteError lists what is missing, extra or of another shape in one line.
    """
    renamed = _renamed(state, rename)
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    require(renamed, wanted, ignore=ignore, what=type(module).__name__, where=where)
    module.load_state_dict({name: renamed[name] for name in wanted if name in renamed}, strict=False)


def require(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[int, ...]],
    *,
    ignore: Iterable[str] = (),
    what: str,
    where: str = "",
) -> None:
    """Every name of ``wanted`` in its shape and no other, but for ``ignore`` (as in ``apply``).

    PrerequisiteError lists what is missing, extra or of another shape in one line; ``what`` is what needs the weights.
    """
    patterns = [re.compile(pattern) for pattern in ignore]

    def counts(name: str) -> bool:
        return not any(pattern.fullmatch(name) for pattern in patterns)

    missing = sorted(name for name in wanted.keys() - state.keys() if counts(name))
    extra = sorted(name for name in state.keys() - wanted.keys() if counts(name))
    misshapen = [
        f"{name} {tuple(state[name].shape)} for {shape}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    problems = [
        f"{len(names)} {kind}: {', '.join(names[:4])}{' …' if len(names) > 4 else ''}"
        for kind, names in (("missing", missing), ("unknown", extra), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise PrerequisiteError(
            f"the weights {where or 'given'} do not fit {what}: {'; '.join(problems)}".replace("  ", " "),
            remedy="it is not the published file: python -m nova_eval weights verify",
        )


def _renamed(
    state: Mapping[str, Tensor], rename: Callable[[str], str | None] | Mapping[str, str] | None
) -> dict[str, Tensor]:
    if rename is None:
        return dict(state)
    to: Callable[[str], str | None]
    to = rename if callable(rename) else lambda name: rename.get(name, name)
    return {new: tensor for name, tensor in state.items() if (new := to(name)) is not None}


def _read(path: Path, wrapping: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise PrerequisiteError(f"no weights at {path}")
    check_bytes(path)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    if wrapping == "torchscript":
        from nova_eval.weights.archives import read_torchscript

        return read_torchscript(path)
    kind, _, key = wrapping.partition(":")
    if kind not in {"plain", "in", "maybe"} or (kind != "plain") != bool(key):
        raise UsageError(f"unknown wrapping {wrapping!r}", remedy="plain, in:KEY, maybe:KEY,KEY or torchscript")
    content = _unpickled(path)
    if kind == "maybe":
        for step in key.split(","):
            inner = content.get(step) if isinstance(content, Mapping) else None
            content = inner if isinstance(inner, Mapping) else content
        key = ""
    return _tensors(path, content, key)


def _unpickled(path: Path) -> Any:
    import pickle

    import torch

    try:
        # mapped, so that what a judge does not use is not read, and what it copies is not in memory twice
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError:  # other objects lie beside the tensors
        from nova_eval.weights.archives import read_tensors_only

        return read_tensors_only(path)


def _tensors(path: Path, content: Any, key: str) -> dict[str, Tensor]:
    import torch

    if key:
        if not isinstance(content, Mapping) or key not in content:
            raise PrerequisiteError(f"{path} holds no {key!r}", remedy="it is not the published file")
        content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise PrerequisiteError(f"{path} is not a mapping of names to tensors", remedy="it is not the published file")
    return {str(name): tensor for name, tensor in content.items()}


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
