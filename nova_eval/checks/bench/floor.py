"""How long a network's arithmetic alone would take at this machine's own rates: what is left to win."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from nova_eval.checks.bench.timing import matrix_rate, timed


@dataclass(frozen=True, slots=True)
class Operations:
    """Floating-point operations of products and of convolutions."""

    products: int
    convolutions: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Operations a second of one core: of a large matrix product, and of a 3 × 3 convolution of 64 channels."""

    products: float
    convolutions: float

    def floor(self, counted: Operations) -> float:
        """Processor seconds that ``counted`` would take at these rates."""
        return counted.products / self.products + counted.convolutions / self.convolutions


def rates() -> Rates:
    """Of the processor, with as many threads as torch is set to; the best of several."""
    images, kernels = torch.ones(1, 64, 120, 192), torch.ones(64, 64, 3, 3)
    counted = operations(lambda: F.conv2d(images, kernels, padding=1)).convolutions
    taken = [timed(lambda: F.conv2d(images, kernels, padding=1))[1].cpu for _ in range(6)]
    return Rates(matrix_rate("cpu", torch.float32, 1024), counted / min(taken))


def operations(work: Callable[[], Any]) -> Operations:
    """What torch computes in ``work``, elementwise operations left out."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its products are not counted
    try:
        with FlopCounterMode(display=False) as counter:
            work()
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    counts = {str(operation): count for operation, count in counter.get_flop_counts().get("Global", {}).items()}
    convolutions = sum(count for name, count in counts.items() if "conv" in name)
    return Operations(sum(counts.values()) - convolutions, convolutions)
