"""How many samples go through the transformer at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import nn

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.plan import SMALL_BYTES, Plan
from nova_eval.nova.transformer import NovaTransformer

T = TypeVar("T")
_log = logging.getLogger(__name__)
_LARGEST = 64
_SMALL_BATCH = 4


def batch_size(asked: int | str, device: torch.device, model: NovaTransformer, plan: Plan) -> int:
    """The number asked for, or for ``"auto"``: what is expected to fit the free memory of a GPU; on a CPU 4 where the
    model is small, which halves its time, and 1 where it is not or where rows depend on their place.
    """
    if isinstance(asked, int):
        if asked < 1:
            raise UsageError(f"batch_size is {asked}", remedy="give 1 or more, or 'auto'")
        return asked
    if asked != "auto":
        raise UsageError(f"batch_size {asked!r} is not a number", remedy="give 1 or more, or 'auto'")
    if device.type != "cuda":
        small = sum(weight.nbytes for weight in model.parameters()) < SMALL_BYTES
        return _SMALL_BATCH if small and rows_are_alike(model, _SMALL_BATCH) else 1
    free, _ = torch.cuda.mem_get_info(device)
    item = model.mask_embed.mask_token.element_size()
    return max(1, min(_LARGEST, int(0.8 * free) // bytes_per_sample(model.config, plan, item)))


@torch.inference_mode()
def rows_are_alike(model: nn.Module, rows: int) -> bool:
    """Whether this machine's matrix products give equal rows equal results, to the bit, wherever they stand.

    Tried on one layer of every shape of the model, with multiples of ``rows``.
    """
    layers = {layer.weight.shape: layer for layer in model.modules() if isinstance(layer, nn.Linear)}
    for layer in layers.values():
        row = torch.linspace(-1, 1, layer.in_features, dtype=layer.weight.dtype).cos()
        for times in (1, 2, 3, 5, 7, 12, 37, 80):
            found = layer(row.expand(rows * times, -1).contiguous())
            if not torch.equal(found, found[:1].expand_as(found)):
                return False
    return True


def padded(part: slice, size: int, device: torch.device) -> list[int]:
    """The places of a batch. On a CPU the last one is repeated until there are ``size``.

    Matrix products of another number of rows round differently in the last bits, those of as many rows do not, whatever
    is in the rows beside: so a sample is the same bits first, last, alone and in every company.
    """
    places = list(range(part.start, part.stop))
    return places + places[-1:] * (size - len(places)) if device.type == "cpu" else places


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


def in_batches(count: int, size: int, work: Callable[[slice, int], T]) -> Iterator[T]:
    """``work`` on consecutive slices of ``count`` items, of at most ``size``, and on that size.

    When a slice does not fit the device's memory, the size is halved for it and all later ones; PrerequisiteError when
    one item alone does not fit.
    """
    start = 0
    while start < count:
        part = slice(start, min(start + size, count))
        try:
            result = work(part, size)
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
