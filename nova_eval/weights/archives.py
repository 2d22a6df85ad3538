"""Readers for torch archives that hold more than tensors: they build tensors and never import, call or run the rest."""

from __future__ import annotations

import collections
import io
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nova_eval.errors import PrerequisiteError

if TYPE_CHECKING:
    from torch import Tensor

_REBUILDERS = frozenset({"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter"})
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class Inert:
    """Stands for any other class, function or object: remembers its attributes and does nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Inert:
        return object.__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.state: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Inert:
        return Inert()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def add(self, value: Any) -> None:
        pass


def _allowed(module: str, name: str) -> Any:
    """The class or function that a pickle may name, an inert stand-in for every other."""
    import torch

    if module == "torch._utils" and name in _REBUILDERS:
        return getattr(torch._utils, name)
    if (module, name) == ("collections", "OrderedDict"):
        return collections.OrderedDict
    if module == "torch" and name in _STORAGES:
        return getattr(torch, name)
    if module == "torch" and name == "Size":
        return torch.Size
    return Inert


class _TensorsOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _allowed(module, name)


def read_tensors_only(path: Path) -> Any:
    """What ``torch.load`` gives, with an ``Inert`` in the place of every object that is not plain data or a tensor."""
    import torch

    def load(stream: Any, **settings: Any) -> Any:
        return _TensorsOnly(stream, **settings).load()

    reader: Any = SimpleNamespace(__name__="nova_eval.weights.archives", Unpickler=_TensorsOnly, load=load)
    return torch.load(path, map_location="cpu", weights_only=False, pickle_module=reader)


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The tensors of a TorchScript archive by their place in the module tree, as its ``state_dict()`` names them.

    Only ``data.pkl`` and the tensor bytes are read; the program in the archive is not.
    """
    import torch

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        record = next((name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")), None)
        if record is None or not any(name.endswith("/constants.pkl") for name in names):
            raise PrerequisiteError(f"{path} is not a TorchScript archive", remedy="it is not the published file")
        root = record.removesuffix("data.pkl")
        storages: dict[str, Any] = {}

        class Reader(_TensorsOnly):
            def persistent_load(self, identifier: Any) -> Any:
                kind, storage, key, _, length = identifier
                if kind != "storage" or getattr(storage, "__name__", "") not in _STORAGES:
                    raise pickle.UnpicklingError(f"unknown storage {identifier!r}")
                if key not in storages:
                    dtype = getattr(torch, _STORAGES[storage.__name__])
                    content = bytearray(archive.read(f"{root}data/{key}"))
                    flat = (
                        torch.frombuffer(content, dtype=dtype, count=length) if length else torch.empty(0, dtype=dtype)
                    )
                    storages[key] = torch.storage.TypedStorage(  # type: ignore[no-untyped-call]
                        wrap_storage=flat.untyped_storage(), dtype=dtype, _internal=True
                    )
                return storages[key]

        tree = Reader(io.BytesIO(archive.read(record))).load()
    return dict(_walk(tree, ""))


def _walk(node: Any, prefix: str) -> list[tuple[str, Tensor]]:
    import torch

    found: list[tuple[str, Tensor]] = []
    for name, value in (node.state if isinstance(node.state, dict) else {}).items():
        if isinstance(value, torch.Tensor):
            found.append((f"{prefix}{name}", value.detach()))
        elif isinstance(value, Inert):
            found += _walk(value, f"{prefix}{name}.")
    return found
