"""The denoising MLP: predicts the noise of single tokens, given what the spatial stack says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


_ROWS = 128


@dataclass(frozen=True)
class Fused:
    """The denoiser in two parts, for the inner loop of sampling. Later changes of the weights are not seen.

    ``modulate``: conditions (…, width), each the sum of a token's and a time's → (…, parts, width): scale, shift and
    gate of every block, then scale and shift of the end, scales with their 1. It does not need the noisy tokens, so
    one product serves many steps. ``predict``: noisy tokens (B, N, token_dim) under a modulation (B or 2B, N, parts,
    width) → (B or 2B, N, token_dim). Both in turn equal ``forward`` up to rounding.
    """

    modulate: Callable[[Tensor], Tensor]
    predict: Callable[[Tensor, Tensor], Tensor]

    def modulations(self, condition: Tensor, times: Tensor) -> Iterator[Tensor]:
        """For every one of ``times`` (steps, width) the modulation of the tokens' ``condition`` (B, N, width).

        Steps go through ``modulate`` together until there are enough rows to keep a processor busy: with fewer, most
        of its time is spent on fetching weights; with more, on storing what is fetched again.
        """
        together = max(1, _ROWS // condition.shape[:-1].numel())
        for some in torch.split(times, together):
            yield from self.modulate(condition + some[:, None, None]).unbind()


class _BlockWeights(NamedTuple):
    fc1: Tensor
    fc1_bias: Tensor
    fc2: Tensor
    fc2_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    norm_eps: float


def fuse(denoiser: Denoiser) -> Fused:
    """Weights joined and laid out in memory input by output, in which products of few rows are quickest."""
    projections = [block.norm1.proj for block in denoiser.stack()] + [denoiser.norm.proj]
    weight = torch.cat([layer.weight for layer in projections])
    bias = torch.cat([layer.bias for layer in projections])
    embed, embed_bias = _laid_out(denoiser.patch_embed.matrix()), denoiser.patch_embed.proj.bias
    blocks = [
        _BlockWeights(*_affine(block.proj.fc1), *_affine(block.proj.fc2), *_affine(block.norm2), block.norm2.eps)
        for block in denoiser.stack()
    ]
    head, head_bias = _affine(denoiser.head)
    width = denoiser.head.in_features

    def modulate(condition: Tensor) -> Tensor:
        # (…, parts · width) → (…, parts, width)
        modulation = F.linear(F.silu(condition), weight, bias).view(*condition.shape[:-1], -1, width)
        modulation[..., ::3, :] += 1
        return modulation

    def predict(tokens: Tensor, modulation: Tensor) -> Tensor:
        batch, count, _ = tokens.shape
        # (B or 2B, N, parts, width) → parts × (1 or 2, B · N, width): both halves of a guided batch begin as one
        parts = modulation.view(-1, batch * count, *modulation.shape[-2:]).unbind(2)
        x = F.linear(tokens.flatten(0, 1), embed, embed_bias)
        for i, block in enumerate(blocks):
            scale, shift, gate = parts[3 * i : 3 * i + 3]
            h = torch.addcmul(shift, F.layer_norm(x, (width,), eps=1e-6), scale)
            h = F.linear(F.silu(F.linear(h, block.fc1, block.fc1_bias)), block.fc2, block.fc2_bias)
            x = torch.addcmul(x, F.layer_norm(h, (width,), block.norm, block.norm_bias, block.norm_eps), gate)
        scale, shift = parts[-2:]
        h = torch.addcmul(shift, F.layer_norm(x, (width,), eps=1e-6), scale)
        return F.linear(h, head, head_bias).view(-1, count, head.shape[0])

    return Fused(modulate, predict)


def _affine(layer: nn.Linear | nn.LayerNorm) -> tuple[Tensor, Tensor]:
    return _laid_out(layer.weight) if isinstance(layer, nn.Linear) else layer.weight, layer.bias


def _laid_out(weight: Tensor) -> Tensor:
    return weight.t().contiguous().t()
