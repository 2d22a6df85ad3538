"""The transformer of CLIP's towers, under the published names (openai/CLIP, MIT)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class QuickGELU(nn.Module):
    """``x · sigmoid(1.702 · x)``, taking memory for it once."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid_(1.702 * x).mul_(x)


class Attention(nn.Module):
    """Multi-head self-attention under the names of ``torch.nn.MultiheadAttention``."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        projected = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        # (B, N, 3 · width) → (3, B, heads, N, width / heads)
        q, k, v = projected.view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self._mixed(q, k, v, causal)

    def first(self, x: Tensor) -> Tensor:
        """What ``forward`` gives for the first token of (B, N, width) alone: (B, 1, width)."""
        width = x.shape[-1]
        query = F.linear(x[:, :1], self.in_proj_weight[:width], self.in_proj_bias[:width])
        projected = F.linear(x, self.in_proj_weight[width:], self.in_proj_bias[width:])
        # (B, N, 2 · width) → (2, B, heads, N, width / heads)
        k, v = projected.view(*x.shape[:2], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self._mixed(query.view(len(x), 1, self.heads, -1).transpose(1, 2), k, v, causal=False)

    def _mixed(self, q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        # (B, heads, N, width / heads) → (B, N, width)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.gelu, self.c_proj = nn.Linear(width, 4 * width), QuickGELU(), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.c_proj(self.gelu(self.c_fc(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn, self.ln_1 = Attention(width, heads), nn.LayerNorm(width)
        self.mlp, self.ln_2 = MLP(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        return self._rest(x, self.attn(self.ln_1(x), causal))

    def first(self, x: Tensor) -> Tensor:
        """What ``forward`` gives for the first token of (B, N, width) alone: (B, 1, width)."""
        return self._rest(x[:, :1], self.attn.first(self.ln_1(x)))

    def _rest(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + attended
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class Transformer(nn.Module):
    def __init__(self, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        for block in self.resblocks:
            x = block(x, causal)
        return x


class ImageTransformer(Transformer):
    """An image tower's, for its class token only: the last block leaves out the others, for which nobody asks."""

    def forward(self, x: Tensor, attn_mask: None = None) -> Tensor:  # type: ignore[override]
        """(B, N, width) → (B, 1, width)."""
        *blocks, last = self.resblocks
        for block in blocks:
            x = block(x)
        return last.first(x)  # type: ignore[operator, no-any-return]
