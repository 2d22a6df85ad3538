"""A judge's network: built from its weight file when it is first asked, kept on one device in one number format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import unknown
from nova_eval.identity import digest

Network = TypeVar("Network", bound=nn.Module)

_LOADED: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


class Hosted(Generic[Network]):
    """The network behind a judge. Judges on the same files, in one format on one device, share it.

    ``build`` makes it from the tensors of the file, as an evaluation-mode module in float32 on the CPU. ``digest``
    names the judge's code version, its number format and the bytes of its files (``also`` are further ones).
    PrerequisiteError when a file is missing.
    """

    def __init__(
        self,
        judge: str,
        version: str,
        *,
        weights: str,
        path: Path | None,
        dtype: str,
        build: Callable[[dict[str, Tensor], Path], Network],
        also: Mapping[str, Path | None] | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise unknown("number format", dtype, DTYPES)
        self.path = pinned.locate(weights) if path is None else path
        self.files = {name: pinned.locate(name) if file is None else file for name, file in (also or {}).items()}
        files = [pinned.digest(file) for file in (self.path, *self.files.values())]
        self.digest = digest({"judge": judge, "version": version, "dtype": dtype, "files": files})
        self.dtype, self.device = DTYPES[dtype], "cpu"
        self._identity = (build, dtype, *files)
        self._wrapping = pinned.entry(weights).wrapping
        self._build = build
        self._network: Network | None = None

    @property
    def network(self) -> Network:
        """The network, loaded at the first call."""
        if self._network is None:
            key = (*self._identity, self.device)
            self._network = _LOADED.get(key)
        if self._network is None:
            built = self._build(pinned.load_state_dict(self.path, self._wrapping), self.path)
            self._network = _LOADED[key] = built.eval().requires_grad_(False).to(self.device, self.dtype)
        return self._network

    def to(self, device: str) -> None:
        """Uses ``device`` from now on; a network that is loaded on another one is let go, for it may be shared."""
        if device != self.device:
            self.device, self._network = device, None

    def place(self, tensor: Tensor) -> Tensor:
        """``tensor`` where and in the format in which the network computes."""
        return tensor.to(self.device, self.dtype)


def unfilled(make: Callable[[], Network]) -> Network:
    """The module that ``make`` builds, without the cost of drawing initial values that the weights replace."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu")
