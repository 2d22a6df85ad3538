"""How many samples go through the transformer at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.sampling import Plan

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LARGEST = 64


def batch_size(asked: int | str, device: torch.device, config: TransformerConfig, plan: Plan, item: int) -> int:
    """The number asked for, or for ``"auto"``: 1 on a CPU, and on a GPU what is expected to fit its free memory.

    On a CPU the matrix products of a larger batch round differently in the last bits, and save little time: one at a
    time, a sample is the same bits in every company. ``item`` is the size of a weight in bytes.
    """
    if isinstance(asked, int):
        if asked < 1:
            raise UsageError(f"batch_size is {asked}", remedy="give 1 or more, or 'auto'")
        return asked
    if asked != "auto":
        raise UsageError(f"batch_size {asked!r} is not a number", remedy="give 1 or more, or 'auto'")
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(_LARGEST, int(0.8 * free) // bytes_per_sample(config, plan, item)))


def bytes_per_sample(config: TransformerConfig, plan: Plan, item: int) -> int:
    """Expected working memory of one sample: key-value cache, and the widest activations of the spatial stack."""
    rows = 2 if plan.guidance.on else 1
    grid = config.grid(plan.height, plan.width)
    tokens = grid[0] * grid[1]
    memory = tokens // 4
    history = config.text_token_len + 2 + plan.latent_frames * memory
    cache = 2 * config.temporal.depth * history * config.temporal.width * item
    widest = (memory + tokens) * config.spatial.width * 16 * item
    noise = 4 * (1 + plan.diffusion_steps) * config.image_dim * tokens * config.patch**2
    return rows * (cache + widest) + 2 * noise


def in_batches(count: int, size: int, work: Callable[[slice], T]) -> Iterator[T]:
    """``work`` on consecutive slices of ``count`` items, ``size`` at a time.

    When a slice does not fit the device's memory, the size is halved for it and all later ones; PrerequisiteError when
    one item alone does not fit.
    """
    start = 0
    while start < count:
        part = slice(start, min(start + size, count))
        try:
            result = work(part)
        except torch.cuda.OutOfMemoryError as error:
            if size == 1:
                raise PrerequisiteError(
                    "one sample does not fit the device's memory",
                    remedy="use offload, a half-precision dtype, a smaller size or fewer latent frames",
                ) from error
            size = max(1, min(size, part.stop - part.start) // 2)
            _log.warning("out of memory: going on with batches of %d", size)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        yield result
        start = part.stop
