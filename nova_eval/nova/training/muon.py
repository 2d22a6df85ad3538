"""Muon (Jordan et al., 2024): momentum whose every step on a weight matrix is made orthogonal; AdamW elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_QUINTIC = (3.4445, -4.775, 2.0315)  # drives singular values from (0, 1] to about 1 in five steps


def orthogonal(matrix: Tensor, dtype: torch.dtype = torch.float32, steps: int = 5) -> Tensor:
    """(m, n) → a matrix with the same singular vectors and nearly all singular values between 0.6 and 1.2.

    bfloat16 is precise enough for that and twice as fast on processors that know it.
    """
    a, b, c = _QUINTIC
    x = (matrix / (matrix.norm() + 1e-7)).to(dtype)
    wide = x if x.shape[0] <= x.shape[1] else x.T
    for _ in range(steps):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    result: Tensor = wide if x.shape[0] <= x.shape[1] else wide.T
    return result


class Muon(torch.optim.Optimizer):
    """Parameter groups with ``orthogonal`` true hold weights of two or more axes, (out, everything else); the others
    are AdamW's.

    An orthogonal step has singular values of ``lr`` × √max(1, out / in); its weight decay is decoupled like AdamW's.
    Processes that share a batch share this work too: each makes part of the matrices orthogonal, for all of them.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.dtype = dtype
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(groups, {**defaults, "orthogonal": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            changes = (
                self._orthogonal_steps(weights, group) if group["orthogonal"] else self._adam_steps(weights, group)
            )
            for weight, change in zip(weights, changes, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(change, alpha=group["lr"])

    def _adam_steps(self, weights: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        return [_adam_step(_gradient(weight), self.state[weight], group) for weight in weights]

    def _orthogonal_steps(self, weights: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
        momentum = group["momentum"]
        ahead = []
        for weight in weights:
            gradient, state = _gradient(weight), self.state[weight]
            average = state.setdefault("average", torch.zeros_like(gradient))
            average.lerp_(gradient, 1 - momentum)
            ahead.append(gradient.lerp(average, momentum).flatten(1))
        own, processes = _place()
        owners = _owners([_cost(matrix) for matrix in ahead], processes)
        changes = [
            orthogonal(matrix, self.dtype).to(matrix) if owner == own else torch.zeros_like(matrix)
            for matrix, owner in zip(ahead, owners, strict=True)
        ]
        if max(owners, default=0) > 0:
            everything = torch.cat([change.flatten() for change in changes])
            dist.all_reduce(everything)  # every value is one process's plus zeros: exact
            pieces = torch.split(everything, [change.numel() for change in changes])
            changes = [piece.view_as(change) for piece, change in zip(pieces, changes, strict=True)]
        return [
            change.view_as(weight) * max(1.0, change.shape[0] / change.shape[1]) ** 0.5
            for weight, change in zip(weights, changes, strict=True)
        ]


def _place() -> tuple[int, int]:
    """This process's number and how many share the batch."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad


def _cost(matrix: Tensor) -> int:
    short, long = sorted(matrix.shape)
    return short * short * (2 * long + short)


def _owners(costs: list[int], processes: int) -> list[int]:
    """Which process does what, the dearest first to whoever has least."""
    owners, loads = [0] * len(costs), [0] * processes
    for item in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owners[item] = loads.index(min(loads))
        loads[owners[item]] += costs[item]
    return owners


def _adam_step(gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
    if not state:
        state.update(step=0, average=torch.zeros_like(gradient), square=torch.zeros_like(gradient))
    state["step"] += 1
    first, second = group["betas"]
    average = state["average"].lerp_(gradient, 1 - first)
    square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    root = (square / (1 - second ** state["step"])).sqrt_().add_(group["eps"])
    change: Tensor = average / (1 - first ** state["step"]) / root
    return change
