"""Judges without weight files: what is not on this machine is drawn, and everything else is as in a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from nova_eval import weights
from nova_eval.checks.parity.weight_files import PUBLISHED, TAGS, published, read_entries, write_vocabulary

Draw = Callable[[str, Tensor], None]
"""Fills an entry, by name, in place."""

_BLOCK = 1_000_003  # normal draws that are repeated; no row's length divides it

_MPLUG = {
    "text_encoder_layers": 6,
    "fusion_layers": 6,
    "num_hidden_layers": 12,
    "text_decode_layers": 12,
    "stride_layer": 6,
}


def draw(name: str, tensor: Tensor) -> None:
    """Values under which signals neither vanish nor explode."""
    if not tensor.is_floating_point():
        return
    if tensor.ndim < 2:
        tensor.fill_(1.0 if name.endswith(("weight", "running_var", "gamma")) else 0.0)
        return
    flat, block = tensor.view(-1), _block().to(tensor.dtype)
    for start in range(0, len(flat), _BLOCK):
        some = flat[start : start + _BLOCK]
        some.copy_(block[: len(some)])
    tensor.mul_(max(tensor[0].numel(), 1) ** -0.5)


@contextmanager
def drawn_weights(fill: Draw = draw) -> Iterator[set[str]]:
    """While the body runs, every judge can be made; yields the names of files that were found missing so far.

    Judges have to be asked inside the body, since networks are loaded when they are first needed.
    """
    missing: set[str] = set()
    with TemporaryDirectory(prefix="nova_eval-drawn-") as folder:
        given = _texts(Path(folder))

        def locate(name: str) -> Path:
            found = weights.find(name)
            if found is None:
                missing.add(name)
            return found or given.get(name, Path(folder) / name)

        def load_state_dict(path: Path, wrapping: str = "plain") -> dict[str, Tensor]:
            return own["load_state_dict"](path, wrapping) if path.exists() else _entries(path.name, fill)

        def apply(module: nn.Module, state: Mapping[str, Tensor], *, where: str = "", **how: Any) -> None:
            if Path(where).exists():
                own["apply"](module, state, where=where, **how)
                return
            for name, tensor in module.state_dict().items():
                fill(name, tensor)

        def require(state: Mapping[str, Tensor], wanted: Any, *, where: str = "", **how: Any) -> None:
            if Path(where).exists():
                own["require"](state, wanted, where=where, **how)

        others: dict[str, Callable[..., Any]] = {
            "locate": locate,
            "locate_first": lambda names: locate(_first(names)),
            "digest": lambda path: own["digest"](path) if path.exists() else path.name,
            "load_state_dict": load_state_dict,
            "apply": apply,
            "require": require,
        }
        own: dict[str, Any] = {name: getattr(weights, name) for name in others}
        try:
            for name, other in others.items():
                setattr(weights, name, other)
            yield missing
        finally:
            for name, kept in own.items():
                setattr(weights, name, kept)


def _first(names: Iterable[str]) -> str:
    """The first of the names whose file is here, else the first."""
    wanted = list(names)
    return next((name for name in wanted if weights.find(name) is not None), wanted[0])


def _entries(name: str, fill: Draw) -> dict[str, Tensor]:
    """The entries of a published file whose names and shapes the package knows; none of another."""
    folder = _folders().get(name)
    if folder is None:
        return {}
    rows = read_entries(folder / "keys.json.gz")
    state = {row["name"]: torch.empty(row["shape"], dtype=getattr(torch, row["dtype"])) for row in rows}
    for entry, tensor in state.items():
        fill(entry, tensor)
    return state


@cache
def _folders() -> Mapping[str, Path]:
    return {published(folder.name).name: folder for folder in PUBLISHED.iterdir()}


@cache
def _block() -> Tensor:
    return torch.randn(_BLOCK, generator=torch.Generator().manual_seed(0))


def _texts(folder: Path) -> dict[str, Path]:
    """The files that lie beside weights."""
    texts = {
        "tag2text_tags": "\n".join(f"tag {number}" for number in range(TAGS)),
        "mplug_large_vqa_config": "{}",
        "mplug_large_vqa_bert_config": json.dumps(_MPLUG),
    }
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    return {name: folder / name for name in texts} | {"bert_base_uncased_vocab": write_vocabulary(folder)}
