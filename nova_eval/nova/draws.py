"""Random draws, in the order of the reference: the sampling order once, then noise for every autoregressive step.

Draws are made on the CPU in float32 wherever the model lives, so a seed gives the same sample on every device. A
generator on another device is used as it is: faster there, but another stream of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")


class Draws(Protocol):
    """Independent streams for B samples."""

    batch: int

    def uniform(self, count: int) -> Tensor:
        """(B, count) in [0, 1)."""
        ...

    def normal(self, times: int, shape: Sequence[int]) -> Tensor:
        """``times`` successive standard normal tensors: (times, B, *shape)."""
        ...


class SeededDraws:
    """One generator a sample: what a sample draws depends on its own seed and on nothing else in the batch."""

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu", threads: int = 1) -> None:
        """``threads`` draw different samples at the same time, where a GPU would otherwise wait for noise."""
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.batch = len(self.generators)
        self._threads = min(threads, self.batch)

    def uniform(self, count: int) -> Tensor:
        return torch.cat([_uniform(generator, (1, count, 1)) for generator in self.generators]).squeeze(-1)

    def normal(self, times: int, shape: Sequence[int]) -> Tensor:
        def draw(generator: torch.Generator) -> Tensor:
            return _normals(generator, times, (1, *shape))

        if self._threads <= 1:
            return torch.cat([draw(generator) for generator in self.generators], dim=1)
        with ThreadPoolExecutor(self._threads) as pool:
            return torch.cat(list(pool.map(draw, self.generators)), dim=1)


class SharedDraws:
    """One generator for the whole batch, drawing tensors of batch B as the reference does for several prompts."""

    def __init__(self, generator: torch.Generator, batch: int) -> None:
        self.generator = generator
        self.batch = batch

    def uniform(self, count: int) -> Tensor:
        return _uniform(self.generator, (self.batch, count, 1)).squeeze(-1)

    def normal(self, times: int, shape: Sequence[int]) -> Tensor:
        return _normals(self.generator, times, (self.batch, *shape))


def _uniform(generator: torch.Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=generator, device=generator.device)


def _normals(generator: torch.Generator, times: int, shape: tuple[int, ...]) -> Tensor:
    """``times`` draws of ``shape`` one after the other.

    torch's CPU generator fills whole blocks of 16 values, so successive draws of multiples of 16 are one longer draw.
    """
    count = torch.Size(shape).numel()
    if generator.device.type == "cpu" and count % 16 == 0:
        return torch.randn((times, *shape), generator=generator)
    return torch.stack([torch.randn(shape, generator=generator, device=generator.device) for _ in range(times)])


def one_ahead(items: Sequence[T], work: Callable[[T], R]) -> Iterator[R]:
    """``work`` on every item in order, the next one already under way in a thread while the caller uses the last."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(work, items[0]) if items else None
        for item in [*items[1:], None]:
            assert following is not None
            current = following
            following = None if item is None else thread.submit(work, item)
            yield current.result()
