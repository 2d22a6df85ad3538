"""The device's own speed, against which everything else is held."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nova_eval.checks.bench.gpu.figures import Figure, Left
from nova_eval.checks.bench.gpu.scale import scale_of
from nova_eval.checks.bench.options import GpuBench
from nova_eval.checks.bench.timing import matrix_rate, timed

_COPIED = 1 << 28  # bytes


def measure(asked: GpuBench, left: Left) -> Iterator[Figure]:
    device, side = asked.device, scale_of(asked).side
    if device.startswith("cuda"):
        free, total = torch.cuda.mem_get_info(device)
        yield Figure("memory", total / 2**30, "GiB", remark=f"{free / 2**30:.1f} free")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        rate = matrix_rate(device, dtype, side)
        yield Figure(f"matrix product, {_called(dtype)}", rate / 1e12, "TFLOP/s", remark=f"{side}×{side}")
    size = _COPIED if side > 1024 else 1 << 16
    for kind, host in (("pageable", torch.ones(size, dtype=torch.uint8)), ("pinned", _pinned(size, device))):
        if left() < 1:
            return
        host.to(device)  # the first call of anything is slow
        seconds = min(timed(lambda: host.to(device), device)[1].wall for _ in range(3))  # noqa: B023
        yield Figure(f"copied to the device, {kind} memory", size / seconds / 1e9, "GB/s")


def _pinned(size: int, device: str) -> torch.Tensor:
    made = torch.ones(size, dtype=torch.uint8)
    return made.pin_memory() if device.startswith("cuda") else made


def _called(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
