"""Prompt embeddings on disk, one content-addressed file each."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from typing_extensions import TypedDict

from nova_eval import files, reading
from nova_eval.errors import NovaEvalError
from nova_eval.identity import digest


class PromptKey(NamedTuple):
    """Everything that an embedding depends on."""

    encoder: str
    tokenizer: str
    dtype: str
    max_length: int
    text: str


class _Sum(TypedDict):
    sha256: str


class _Header(TypedDict):
    __metadata__: _Sum


class PromptCache:
    """Files ``<folder>/ab/abcd….safetensors``.

    Writers may share a folder: files appear whole, and equal keys hold equal rows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: PromptKey) -> Path:
        name = digest(list(key))
        return self.folder / name[:2] / f"{name}.safetensors"

    def get(self, key: PromptKey) -> Tensor | None:
        """The rows on the CPU, or None where there are none or the file is damaged (the next ``put`` repairs it)."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            content = self.path(key).read_bytes()
            header = reading.json_text(content[8 : 8 + int.from_bytes(content[:8], "little")], "header", _Header)
            rows = load(content)["rows"]
            intact = header["__metadata__"]["sha256"] == _checksum(rows)
        except (OSError, ValueError, KeyError, OverflowError, SafetensorError, NovaEvalError):
            return None
        return rows if intact else None

    def put(self, key: PromptKey, rows: Tensor) -> None:
        from safetensors.torch import save

        rows = rows.detach().cpu().contiguous()
        files.write(self.path(key), save({"rows": rows}, metadata={"sha256": _checksum(rows)}))


def _checksum(rows: Tensor) -> str:
    import torch

    return sha256(rows.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()
