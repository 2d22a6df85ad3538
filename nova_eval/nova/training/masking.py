"""The random draws of one training step, made apart from the arithmetic that uses them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.schedule import DDPM, Schedule

LOSS_REPEAT = 4


@dataclass(frozen=True, slots=True)
class MaskRatio:
    """Which share of a frame's tokens is hidden in a training step: a normal draw around 1, truncated to [least, 1]."""

    deviation: float = 0.25
    least: float = 0.7


PAPER_MASK_RATIO = MaskRatio()


@dataclass(frozen=True, slots=True)
class TrainingDraws:
    """What chance decides in one step over R = B · T frames of L tokens, frames of one clip in succession.

    ``visible_ids`` (R, m) are the tokens shown to the spatial encoder; the other L − m are predicted. ``noise``
    (repeat · R, L, token_dim) and ``timesteps`` (repeat · R, L) serve the R frames repeated as a whole. Integer
    timesteps are indices of the schedule's training table, floating ones are diffusion times themselves.
    """

    visible_ids: Tensor
    noise: Tensor
    timesteps: Tensor

    def to(self, device: torch.device) -> TrainingDraws:
        return TrainingDraws(self.visible_ids.to(device), self.noise.to(device), self.timesteps.to(device))


def draw(
    config: TransformerConfig,
    schedule: Schedule,
    shape: tuple[int, ...],
    generator: torch.Generator,
    repeat: int = LOSS_REPEAT,
    *,
    masking: MaskRatio = PAPER_MASK_RATIO,
) -> TrainingDraws:
    """The draws for latents of ``shape`` (B, C, T, h, w), from ``generator`` alone, on the CPU in float32."""
    batch, channels, frames, height, width = shape
    rows, tokens = batch * frames, (height // config.patch) * (width // config.patch)
    visible = tokens - predicted_count(tokens, mask_ratio(generator, masking))
    order = torch.rand(rows, tokens, generator=generator).argsort(dim=1, stable=True)
    noise = torch.randn(repeat * rows, tokens, config.patch**2 * channels, generator=generator)
    return TrainingDraws(order[:, :visible], noise, _timesteps(schedule, (repeat * rows, tokens), generator))


def mask_ratio(generator: torch.Generator, masking: MaskRatio = PAPER_MASK_RATIO) -> float:
    """A normal draw around 1 with ``masking.deviation``, truncated to [``masking.least``, 1]."""
    low = 0.5 * (1 + math.erf((masking.least - 1) / masking.deviation / math.sqrt(2)))
    share = low + (0.5 - low) * float(torch.rand((), generator=generator, dtype=torch.float64))
    below = float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))
    return min(1.0, max(masking.least, 1 + masking.deviation * below))


def predicted_count(tokens: int, ratio: float) -> int:
    """How many of a frame's tokens are hidden and predicted: at least one."""
    return max(1, math.ceil(round(tokens * ratio, 9)))


def others(ids: Tensor, tokens: int) -> Tensor:
    """The ids (R, tokens − m) that are not among ``ids`` (R, m), ascending."""
    hidden = torch.ones(len(ids), tokens, dtype=torch.bool, device=ids.device).scatter_(1, ids, False)
    return hidden.nonzero()[:, 1].view(len(ids), tokens - ids.shape[1])


def _timesteps(schedule: Schedule, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    total: int = schedule.num_train_timesteps  # type: ignore[attr-defined]
    if isinstance(schedule, DDPM):
        return torch.randint(total, size, generator=generator)
    return torch.randn(size, generator=generator).sigmoid() * total
