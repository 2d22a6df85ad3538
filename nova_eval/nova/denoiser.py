"""The denoising MLP: predicts the noise of single tokens, given what the spatial stack says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.layers import PatchEmbed, modulate
from nova_eval.nova.positions import cos_sin


class Projector(nn.Module):
    """Linear, SiLU, Linear."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.silu(self.fc1(x)))
        return out


class Modulation(nn.Module):
    """Linear map from the condition to ``parts`` vectors of the block's width."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.proj = nn.Linear(width, parts * width)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        modulation: Tensor = self.proj(F.silu(condition))
        return modulation.chunk(self.parts, dim=-1)


class DenoiserBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = Modulation(width, 3)
        self.proj = Projector(width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, scale: Tensor, shift: Tensor, gate: Tensor) -> Tensor:
        return torch.addcmul(x, self.norm2(self.proj(modulate(x, scale, shift))), gate)


class TimeCondition(nn.Module):
    def __init__(self, condition_width: int, width: int) -> None:
        super().__init__()
        self.timestep_proj = Projector(256, width)
        self.condition_proj = Projector(condition_width, width)


class Denoiser(nn.Module):
    """Predicts noise (or velocity) for tokens (…, N, token_dim), each on its own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        _, depth, width = config.denoiser
        self.patch_embed = PatchEmbed(config.image_dim, width, config.patch)
        self.time_cond_embed = TimeCondition(config.spatial.width, width)
        self.blocks = nn.ModuleList(DenoiserBlock(width) for _ in range(depth))
        self.norm = Modulation(width, 2)
        self.head = nn.Linear(width, config.token_dim)

    def timestep(self, t: Tensor) -> Tensor:
        """(…,) diffusion times → (…, width)."""
        embedded: Tensor = self.time_cond_embed.timestep_proj(cos_sin(t).to(self.head.weight.dtype))
        return embedded

    def condition(self, z: Tensor) -> Tensor:
        """(…, N, condition width) outputs of the spatial stack → (…, N, width)."""
        condition: Tensor = self.time_cond_embed.condition_proj(z)
        return condition

    def forward(self, tokens: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Noisy ``tokens`` (B, N, token_dim) at times ``t`` (B, N) or (), given ``z`` (B, N, condition width)."""
        return self.from_embedded(self.patch_embed(tokens), self.condition(z) + self.timestep(t))

    def from_embedded(self, x: Tensor, condition: Tensor) -> Tensor:
        """Embedded noisy tokens (B, N, width) under ``condition`` (B, N, width) → (B, N, token_dim)."""
        for block in self.stack():
            x = block(x, *block.norm1(condition))
        scale, shift = self.norm(condition)
        prediction: Tensor = self.head(modulate(x, scale, shift))
        return prediction

    def stack(self) -> list[DenoiserBlock]:
        """The blocks in order."""
        return [cast(DenoiserBlock, block) for block in self.blocks]


Predict = Callable[[Tensor, Tensor], Tensor]


class _BlockWeights(NamedTuple):
    fc1: nn.Linear
    fc2: nn.Linear
    norm: nn.LayerNorm


def fuse(denoiser: Denoiser) -> Predict:
    """The denoiser as a function of (tokens, condition + timestep) for the inner loop of sampling.

    Equal to ``forward`` up to rounding: the modulations of all blocks come from one matrix product, and the same
    noisy tokens serve the conditional and the unconditional half. ``tokens`` (B, N, token_dim); ``condition``
    (B or 2B, N, width); the prediction has the condition's batch. Later changes of the weights are not seen.
    """
    projections = [block.norm1.proj for block in denoiser.stack()] + [denoiser.norm.proj]
    weight = torch.cat([layer.weight for layer in projections])
    bias = torch.cat([layer.bias for layer in projections])
    embed, embed_bias = denoiser.patch_embed.matrix().contiguous(), denoiser.patch_embed.proj.bias
    blocks = [_BlockWeights(block.proj.fc1, block.proj.fc2, block.norm2) for block in denoiser.stack()]
    head = denoiser.head
    width = head.in_features

    def predict(tokens: Tensor, condition: Tensor) -> Tensor:
        # (B, N, parts · width) → (B, N, parts, width)
        modulation = F.linear(F.silu(condition), weight, bias).view(*condition.shape[:-1], -1, width)
        modulation[..., ::3, :] += 1  # scale, shift, gate of every block, then scale, shift
        parts = modulation.unbind(-2)
        x = F.linear(tokens, embed, embed_bias)
        if len(condition) != len(tokens):
            x = x.repeat(len(condition) // len(tokens), 1, 1)
        for i, block in enumerate(blocks):
            scale, shift, gate = parts[3 * i : 3 * i + 3]
            h = torch.addcmul(shift, F.layer_norm(x, (width,), eps=1e-6), scale)
            x = torch.addcmul(x, block.norm(block.fc2(F.silu(block.fc1(h)))), gate)
        scale, shift = parts[-2:]
        prediction: Tensor = head(torch.addcmul(shift, F.layer_norm(x, (width,), eps=1e-6), scale))
        return prediction

    return predict
