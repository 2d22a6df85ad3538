"""Exponential moving averages of weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Average:
    """Weights averaged over steps: ``a ← d·a + (1 − d)·w`` with d = min(decay, (1 + n) / (10 + n)) at update n.

    The rising decay keeps the random start out of the average of a short run. Buffers are copied, not averaged.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights: dict[str, Tensor] = {name: t.detach().clone() for name, t in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Takes in the weights after one step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        learnt = {name for name, _ in module.named_parameters()}
        for name, tensor in module.state_dict().items():
            if name in learnt:
                self.weights[name].lerp_(tensor.to(self.weights[name]), 1 - decay)
            else:
                self.weights[name].copy_(tensor)

    def restore(self, weights: dict[str, Tensor], updates: int) -> None:
        """Goes back to a saved average."""
        for name, tensor in self.weights.items():
            tensor.copy_(weights[name])
        self.updates = updates
