"""Blocks of the two transformer stacks: post-norm attention and MLP, fused qkv, rotary positions, key-value cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval.nova.positions import Rotary


class KeyValueCache:
    """Keys (after rotary) and values of all earlier tokens of every layer, in memory taken once."""

    def __init__(self, depth: int, shape: tuple[int, int, int, int], like: Tensor) -> None:
        """Room for ``depth`` layers of ``shape`` (B, heads, tokens, head_dim), of the kind of ``like``."""
        self._memory = like.new_empty(depth, 2, *shape)
        self._length = 0

    @property
    def length(self) -> int:
        """Tokens held by every layer."""
        return self._length

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Stores (B, heads, n, head_dim) of new tokens; all keys and values of the layer so far, in order.

        The tokens count as held once the last layer has stored them.
        """
        end = self._length + keys.shape[2]
        memory = self._memory[layer]
        memory[0, :, :, self._length : end] = keys
        memory[1, :, :, self._length : end] = values
        if layer == len(self._memory) - 1:
            self._length = end
        return memory[0, :, :, :end], memory[1, :, :, :end]


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None = None,
        mask: Tensor | None = None,
        cache: tuple[KeyValueCache, int] | None = None,
    ) -> Tensor:
        """(B, N, width) → (B, N, width). ``cache``: the cache and this layer's index in it. ``mask`` adds to logits."""
        # (B, N, 3 · width) → 3 × (B, heads, N, head_dim)
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if rotary is not None:
            q, k = rotary.rotate(q), rotary.rotate(k)
        if cache is not None:
            k, v = cache[0].extend(cache[1], k, v)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        # (B, heads, N, head_dim) → (B, N, width)
        mixed: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return mixed

    def of(self, queries: Tensor, x: Tensor, rotary: tuple[Rotary, Rotary] | None = None) -> Tensor:
        """Attention of ``queries`` (B, n, width), some tokens of ``x`` (B, N, width), to all of ``x``."""
        width = x.shape[-1]
        q = F.linear(queries, self.qkv.weight[:width], self.qkv.bias[:width])
        kv = F.linear(x, self.qkv.weight[width:], self.qkv.bias[width:])
        # (B, n, width) → (B, heads, n, head_dim)
        q = q.view(*queries.shape[:2], self.heads, -1).transpose(1, 2)
        # (B, N, 2 · width) → 2 × (B, heads, N, head_dim)
        k, v = kv.view(*x.shape[:2], 2, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if rotary is not None:
            q, k = rotary[0].rotate(q), rotary[1].rotate(k)
        # (B, heads, n, head_dim) → (B, n, width)
        mixed: Tensor = self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return mixed


class Mlp(nn.Module):
    def __init__(self, width: int, ratio: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class Block(nn.Module):
    """``x + norm1(attn(x))``, then ``x + norm2(mlp(x))``: the norm sits inside the residual, after the layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width)

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None = None,
        mask: Tensor | None = None,
        cache: tuple[KeyValueCache, int] | None = None,
    ) -> Tensor:
        x = x + self.norm1(self.attn(x, rotary, mask, cache))
        out: Tensor = x + self.norm2(self.mlp(x))
        return out

    def of(self, queries: Tensor, x: Tensor, rotary: tuple[Rotary, Rotary] | None = None) -> Tensor:
        """What ``forward`` gives at ``queries`` (B, n, width), some tokens of ``x``, without computing the others."""
        queries = queries + self.norm1(self.attn.of(queries, x, rotary))
        out: Tensor = queries + self.norm2(self.mlp(queries))
        return out


class PatchEmbed(nn.Module):
    """A strided convolution, computed as a matrix product on patches.

    Tokens carry their latent values in the order row in patch, column in patch, channel.
    """

    def __init__(self, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, tokens: Tensor) -> Tensor:
        """(…, N, patch · patch · channels) → (…, N, width)."""
        return F.linear(tokens, self.matrix(), self.proj.bias)

    def matrix(self) -> Tensor:
        """The kernel as (width, patch · patch · channels)."""
        # (width, channels, patch, patch) → (width, patch · patch · channels)
        return self.proj.weight.permute(0, 2, 3, 1).flatten(1)


def patchify(latents: Tensor, patch: int) -> Tensor:
    """(…, C, H, W) → (…, H/p · W/p, p · p · C), rows first."""
    *lead, channels, rows, columns = latents.shape
    grid = latents.reshape(*lead, channels, rows // patch, patch, columns // patch, patch)  # … C h p w q
    # … C h p w q → … h w p q C → … (h w) (p q C)
    return grid.movedim(-5, -1).transpose(-4, -3).flatten(-3).flatten(-3, -2)


def unpatchify(tokens: Tensor, patch: int, grid: tuple[int, int]) -> Tensor:
    """The inverse of ``patchify``."""
    x = tokens.reshape(*tokens.shape[:-2], *grid, patch, patch, -1)  # … h w p q C
    # … h w p q C → … C h p w q → … C (h p) (w q)
    return x.transpose(-4, -3).movedim(-1, -5).flatten(-2).flatten(-3, -2)


class ScaleShift(nn.Module):
    """The scaling-and-shift layer between temporal and spatial stacks ("mixer").

    Motion lives in a low-rank change of the first frame: ``c_0 · (1 + scale(c_t)) + shift(c_t)``, not normalised.
    ``rank`` ≤ 0 is a full-rank layer.
    """

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.lora = nn.Linear(width, rank, bias=False) if rank > 0 else nn.Identity()
        self.proj = nn.Linear(rank if rank > 0 else width, 2 * width)

    def forward(self, first: Tensor, current: Tensor) -> Tensor:
        """``first`` and ``current`` (…, N, width): the temporal encoder's output for frame 0 and for frame t ≥ 1."""
        scale: Tensor
        shift: Tensor
        scale, shift = self.proj(self.lora(F.silu(current))).chunk(2, dim=-1)
        return first * (1 + scale) + shift


def modulate(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """LayerNorm without affine (eps 1e-6), then ``(1 + scale) · x + shift``."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=1e-6), 1 + scale)
