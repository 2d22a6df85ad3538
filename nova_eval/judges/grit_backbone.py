"""GRiT's features: a plain ViT-B with windows and a pyramid grown from its last map.

Structure and parameter names: ViTDet (facebookresearch/detectron2, Apache-2.0) as GRiT (JialianW/GRiT, MIT) uses it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, DEPTH, PATCH = 768, 12, 12, 16
WINDOW, GRID = 14, 64  # side of a window; side of the grid that the global tables of relative positions are for
GLOBAL_BLOCKS = frozenset({2, 5, 8, 11})
NORM_EPS = 1e-6
CHANNELS, STRIDES = 256, (8, 16, 32, 64, 128)
DIVISIBLE_BY = 32


class Attention(nn.Module):
    """Self-attention on a grid, with a learned term for the distance in rows and one for that in columns."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, WIDTH // HEADS))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, WIDTH // HEADS))

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, width) → the same."""
        b, h, w, _ = x.shape
        # (B, H, W, 3 · width) → (3, B, heads, H·W, width / heads)
        q, k, v = self.qkv(x).view(b, h * w, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        grid = q.view(b, HEADS, h, w, -1)
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, relative(self.rel_pos_h, h))
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, relative(self.rel_pos_w, w))
        # (B, heads, H, W, H, 1) + (B, heads, H, W, 1, W) → (B, heads, H·W, H·W)
        bias = (rows[..., :, None] + columns[..., None, :]).reshape(b, HEADS, h * w, h * w)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        # (B, heads, H·W, width / heads) → (B, H, W, width)
        return self.proj(mixed.transpose(1, 2).reshape(b, h, w, -1))  # type: ignore[no-any-return]


def relative(table: Tensor, side: int) -> Tensor:
    """(2s - 1, c) → (side, side, c): the row of every query-key distance, resampled linearly for another size."""
    if len(table) != 2 * side - 1:
        table = F.interpolate(table.T[None], size=2 * side - 1, mode="linear", align_corners=False)[0].T
    place = torch.arange(side, device=table.device)
    return table[place[:, None] - place + side - 1]


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention over the whole grid, one image after the other, or in zero-padded windows of 14 × 14."""

    def __init__(self, windowed: bool) -> None:
        super().__init__()
        self.windowed = windowed
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=NORM_EPS), nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.attn, self.mlp = Attention(WINDOW if windowed else GRID), MLP()

    def forward(self, x: Tensor) -> Tensor:
        attended = self._in_windows(self.norm1(x)) if self.windowed else self._image_by_image(self.norm1(x))
        x = x + attended
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]

    def _image_by_image(self, x: Tensor) -> Tensor:
        """The bias of one image has tokens² · heads entries: 600 MB at 720p."""
        return torch.cat([self.attn(image[None]) for image in x])

    def _in_windows(self, x: Tensor) -> Tensor:
        b, h, w, c = x.shape
        x = F.pad(x, (0, 0, 0, -w % WINDOW, 0, -h % WINDOW))
        down, across = x.shape[1] // WINDOW, x.shape[2] // WINDOW
        # (B, H, W, C) → (B · down · across, WINDOW, WINDOW, C)
        windows = x.view(b, down, WINDOW, across, WINDOW, c).transpose(2, 3).reshape(-1, WINDOW, WINDOW, c)
        # and back: (B, down, WINDOW, across, WINDOW, C) → (B, H, W, C), without what was padded
        windows = self.attn(windows).view(b, down, across, WINDOW, WINDOW, c).transpose(2, 3)
        return windows.reshape(b, down * WINDOW, across * WINDOW, c)[:, :h, :w]  # type: ignore[no-any-return]


class PatchEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images).permute(0, 2, 3, 1)  # type: ignore[no-any-return]


class VisionTransformer(nn.Module):
    """Without a final norm. Absolute positions: those of 14 × 14 patches, resampled; their class row is not used."""

    def __init__(self, depth: int = DEPTH) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding()
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + 14 * 14, WIDTH))
        self.blocks = nn.ModuleList(Block(number not in GLOBAL_BLOCKS) for number in range(depth))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with sides divisible by 16 → (B, width, H / 16, W / 16)."""
        x = self.patch_embed(images)
        # (1, 196, width) → (1, width, 14, 14)
        positions = self.pos_embed[:, 1:].view(1, 14, 14, WIDTH).permute(0, 3, 1, 2)
        if x.shape[1:3] != (14, 14):
            positions = F.interpolate(positions, size=x.shape[1:3], mode="bicubic", align_corners=False)
        x = x + positions.permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        return x.permute(0, 3, 1, 2)  # type: ignore[no-any-return]


class Coarsest(nn.Module):
    """Two more levels, each half the size of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)
        self.p7 = nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1)

    def forward(self, p5: Tensor) -> list[Tensor]:
        p6 = self.p6(p5)
        return [p6, self.p7(F.relu(p6))]


class Pyramid(nn.Module):
    """Five maps of 256 channels at strides 8 to 128, the first three straight from the transformer's only one."""

    def __init__(self) -> None:
        super().__init__()
        self.bottom_up, self.top_block = VisionTransformer(), Coarsest()
        self.fpn_stride_16_8 = nn.ConvTranspose2d(WIDTH, WIDTH, 2, stride=2, bias=False)
        for stride in STRIDES[:3]:
            self.add_module(f"fpn_stride{stride}_conv1", nn.Conv2d(WIDTH, CHANNELS, 1, bias=False))
            self.add_module(f"fpn_stride{stride}_norm1", nn.LayerNorm(CHANNELS))
            self.add_module(f"fpn_stride{stride}_conv2", nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False))
            self.add_module(f"fpn_stride{stride}_norm2", nn.LayerNorm(CHANNELS))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) with sides divisible by 32 → p3, p4, p5, p6, p7."""
        x = self.bottom_up(images)
        sources = (self.fpn_stride_16_8(x), x, F.max_pool2d(x, 2))
        levels = [self._level(stride, source) for stride, source in zip(STRIDES, sources, strict=False)]
        return [*levels, *self.top_block(levels[-1])]

    def _level(self, stride: int, x: Tensor) -> Tensor:
        for number in (1, 2):
            convolution = self.get_submodule(f"fpn_stride{stride}_conv{number}")
            norm = self.get_submodule(f"fpn_stride{stride}_norm{number}")
            x = norm(convolution(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x


def padded(images: Tensor) -> Tensor:
    """(B, 3, H, W), normalised → zeros to the right and below until both sides are divisible by 32."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % DIVISIBLE_BY, 0, -height % DIVISIBLE_BY))
