"""A GPU that is not there: tensors claim to be on it, nothing is computed, and what a real one would refuse raises.

Under ``fake_cuda`` every tensor is of torch's ``FakeTensorMode``: a shape, a format and a device. Mixing devices raises
there already; added here are the mixtures that it lets pass: formats in matrix products, convolutions and norms, and
indices on a GPU into what is on the CPU.

No tensor has values, so what depends on them is stepped around: numbers that are read out are 0, conditions hold unless
they are about ``any``, and places that are looked for (``nonzero``, masks as indices, ``unique``, ``nms``) are two or
fewer, all of them the first. Diffusion steps and files are read as always. What another thread does ahead it does
there, while this one waits. Generators claim to be on a GPU and draw nothing. Events and cuDNN are left out, and so is
what ``torch.compile`` makes: a function is called as it is, with the fixed shapes that its recording on a GPU needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision  # noqa: F401 (its operators)
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import _disable_current_modes

from nova_eval.nova import sampling
from nova_eval.nova.plan import Plan
from nova_eval.nova.schedule import Schedule, Step, planned_steps
from nova_eval.nova.stages import Stages

MIXED = "Expected all tensors to be on the same device"
FOUND = 2
_aten, _vision = torch.ops.aten, torch.ops.torchvision


@contextmanager
def fake_cuda() -> Iterator[None]:
    """``"cuda"`` can be used while the body runs, and whatever enters a network is a claim."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeTensor, "numpy", _numpy)
        patch.setattr(FakeTensor, "tolist", lambda tensor: _values(tensor).tolist())
        patch.setattr(safetensors.torch, "load_file", _load_file)
        patch.setattr(torch.backends.cudnn, "enabled", False)  # torch's own kernels are chosen; those ask no driver
        patch.setattr(nn.Module, "_apply", _apply)
        for name in ("uniform_", "normal_", "kaiming_uniform_", "xavier_uniform_", "constant_", "zeros_", "ones_"):
            patch.setattr(nn.init, name, lambda tensor, *settings, **more: tensor)
        patch.setattr(Stages, "time", lambda stages, stage: nullcontext())  # events need a driver
        patch.setattr(sampling, "planned_steps", _planned_steps)
        patch.setattr(torch, "Generator", _Generator)
        patch.setattr(torch, "compile", lambda function, **how: function)
        claims = _Claims(allow_non_fake_inputs=True)
        patch.setattr(sampling, "one_ahead", partial(_one_ahead, claims))
        with claims:
            yield


class _Generator(torch.Generator):
    """Of the CPU, whatever it says."""

    said: torch.device

    def __new__(cls, device: torch.device | str = "cpu") -> _Generator:
        made = super().__new__(cls)
        made.said = torch.empty(0, device=device).device
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return self.said


def _one_ahead(claims: FakeTensorMode, items: Sequence[Any], work: Callable[[Any], Any]) -> Iterator[Any]:
    """Modes are a thread's own, and one is in one thread at a time."""

    def there(item: Any) -> Any:
        with claims:
            return work(item)

    with ThreadPoolExecutor(1) as thread:
        for item in items:
            yield thread.submit(there, item).result()


_own_load_file = safetensors.torch.load_file


def _load_file(path: Any) -> Any:
    with _disable_current_modes():
        return _own_load_file(path)


def _planned_steps(schedule: Schedule, plan: Plan) -> list[Step]:
    with _disable_current_modes():
        return planned_steps(schedule, plan)


class _Claims(FakeTensorMode):
    """FakeTensorMode with the operators below done otherwise."""

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr((kwargs or {}).get("device"), "type", "") == "meta":
            return func(*args, **kwargs)  # networks before they are filled
        if func._schema.name.endswith("_") and args[0].is_meta and not isinstance(args[0], FakeTensor):
            return args[0]  # and the drawing of values that weights replace
        if func in _OF_ONE_FORMAT:
            _check_format(func, args)
        if func in _INDEXING:
            _check_indices(args[0], args[1])
        other = _STEPPED_AROUND.get(func)
        if other is not None:
            with self:
                found = other(*args, **(kwargs or {}))
            if found is not NotImplemented:
                return found
        return super().dispatch(func, types, args, kwargs)


def _numpy(tensor: Tensor) -> Any:
    if tensor.device.type != "cpu":
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy")
    if tensor.dtype is torch.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return _values(tensor)


def _values(tensor: Tensor) -> Any:
    return np.full(tensor.shape, tensor.dtype is torch.bool, _NUMPY[tensor.dtype])


_NUMPY = {
    torch.bfloat16: np.float32,
    torch.float32: np.float32,
    torch.float64: np.float64,
    torch.float16: np.float16,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}


def _apply(module: nn.Module, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
    """What ``to``, ``half`` and the like do, by putting new parameters in place: claims cannot be exchanged."""
    for child in module.children():
        child._apply(fn)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(fn(parameter.data), requires_grad=False)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = fn(buffer)
    return module


# --- what FakeTensorMode lets pass ----------------------------------------------------------------------------------


def _check_format(func: Any, args: Sequence[Any]) -> None:
    formats = {tensor.dtype for tensor in args if isinstance(tensor, Tensor) and tensor.is_floating_point()}
    if len(formats) > 1:
        raise RuntimeError(f"{func}: expected one format, found {', '.join(sorted(map(str, formats)))}")


def _check_indices(tensor: Tensor, indices: Sequence[Tensor | None]) -> None:
    for index in indices:
        if index is not None and index.device.type != "cpu" and index.device != tensor.device:
            raise RuntimeError(f"{MIXED}: indices on {index.device} into a tensor on {tensor.device}")


_OF_ONE_FORMAT = {
    _aten.mm.default,
    _aten.addmm.default,
    _aten.bmm.default,
    _aten.baddbmm.default,
    _aten.mv.default,
    _aten.dot.default,
    _aten.convolution.default,
    _aten.native_layer_norm.default,
    _aten.native_group_norm.default,
    _aten.grid_sampler_2d.default,
    _aten._scaled_dot_product_efficient_attention.default,
    _aten._scaled_dot_product_flash_attention.default,
    _aten._scaled_dot_product_cudnn_attention.default,
    _vision.roi_align.default,
    _vision.nms.default,
}
_INDEXING = {_aten.index.Tensor, _aten.index_put.default, _aten.index_put_.default, _aten._index_put_impl_.default}


# --- what depends on values -----------------------------------------------------------------------------------------


def _number(tensor: Tensor) -> Any:
    if getattr(tensor, "constant", None) is not None:
        return NotImplemented
    if tensor.dtype is torch.bool:
        return getattr(tensor, "decided", True)
    return 0.0 if tensor.is_floating_point() else 0


def _any(tensor: Tensor) -> Tensor:
    found: Any = tensor.new_zeros((), dtype=torch.bool)
    found.decided = False
    return found


def _moved(tensor: Tensor, device: torch.device, dtype: torch.dtype | None = None, *settings: Any, **more: Any) -> Any:
    """Constants, which torch knows the values of and would move indeed."""
    if getattr(tensor, "constant", None) is None or device is None or device == tensor.device:
        return NotImplemented
    return _aten._to_copy.default(tensor, device=device, dtype=dtype)


def _nonzero(tensor: Tensor) -> Tensor:
    return tensor.new_zeros((min(FOUND, tensor.numel()), tensor.ndim), dtype=torch.long)


def _index(tensor: Tensor, indices: Sequence[Tensor | None]) -> Any:
    if not any(index is not None and index.dtype is torch.bool for index in indices):
        return NotImplemented
    places: list[Tensor | None] = []
    for index in indices:
        masked = index is not None and index.dtype is torch.bool
        places += _nonzero(index).unbind(1) if masked else [index]
    return _aten.index.Tensor(tensor, places)


def _unique(tensor: Tensor, *settings: bool) -> tuple[Tensor, Tensor, Tensor]:
    found = tensor.new_zeros(min(FOUND, tensor.numel()))
    return found, torch.zeros_like(tensor, dtype=torch.long), torch.zeros_like(found, dtype=torch.long)


def _nms(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    if boxes.device != scores.device:
        raise RuntimeError(f"{MIXED}: boxes on {boxes.device}, scores on {scores.device}")
    return boxes.new_zeros(min(FOUND, len(boxes)), dtype=torch.long)


_STEPPED_AROUND: dict[Any, Callable[..., Any]] = {
    _aten._local_scalar_dense.default: _number,
    _aten.any.default: _any,
    _aten.to.device: _moved,
    _aten.to.dtype_layout: lambda tensor, device=None, **how: _moved(tensor, device, **how),
    _aten._shape_as_tensor.default: lambda tensor: torch.tensor(tensor.shape),
    _aten.nonzero.default: _nonzero,
    _aten.index.Tensor: _index,
    _aten._unique2.default: _unique,
    _vision.nms.default: _nms,
}
