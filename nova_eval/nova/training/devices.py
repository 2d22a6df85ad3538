"""Where training happens: this process alone, or, through accelerate, several devices and lower precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from nova_eval.nova.training.config import TrainConfig
from nova_eval.packages import needed_by
from nova_eval.trackers.tensorboard import TensorBoard


class Devices:
    """One face for both. ``rank`` of ``count`` processes; ``main`` writes files."""

    def __init__(self, config: TrainConfig) -> None:
        self._accelerator: Any = None
        self._writer: TensorBoard | None = None
        if config.accelerate or config.mixed_precision != "no":
            self._accelerator = _accelerator(config)
            self.device = str(self._accelerator.device)
            self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        else:
            self.device = config.device
            if self.device == "auto":
                self.device = "cuda" if torch.cuda.is_available() else "cpu"
            self.rank, self.count = 0, 1
        self.main = self.rank == 0
        if config.tensorboard and self.main:
            self._writer = TensorBoard(config.output / "tensorboard")

    def prepare(self, objective: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """The two as accelerate wraps them, or as they are."""
        return self._accelerator.prepare(objective, optimizer) if self._accelerator else (objective, optimizer)

    @contextmanager
    def precision(self) -> Iterator[None]:
        """The context of a forward pass.

        On a CPU attention is computed plainly: its fused kernel is slow in the backward pass of short rows.
        """
        plain = sdpa_kernel(SDPBackend.MATH) if torch.device(self.device).type == "cpu" else nullcontext()
        with plain, self._accelerator.autocast() if self._accelerator else nullcontext():
            yield

    def backward(self, loss: Tensor) -> None:
        if self._accelerator:
            self._accelerator.backward(loss)
        else:
            torch.autograd.backward(loss)

    def clip(self, model: nn.Module, most: float | None) -> float:
        """The norm of the gradient, which is scaled down to ``most`` where it is larger."""
        limit = float("inf") if most is None else most
        if self._accelerator:
            return float(self._accelerator.clip_grad_norm_(model.parameters(), limit))
        return float(nn.utils.clip_grad_norm_(model.parameters(), limit))

    def track(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Sends figures to TensorBoard where it was asked for."""
        if self._writer is not None:
            self._writer.log(stage, step, values)

    def wait(self) -> None:
        """Until all processes are here."""
        if self._accelerator:
            self._accelerator.wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes through the body before the others."""
        if not self.main:
            self.wait()
        yield
        if self.main:
            self.wait()


def _accelerator(config: TrainConfig) -> Any:
    with needed_by("training on several devices or in lower precision"):
        from accelerate import Accelerator, DistributedDataParallelKwargs
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # images leave the motion layers untouched
    return Accelerator(mixed_precision=config.mixed_precision, cpu=config.device == "cpu", kwargs_handlers=[unused])
