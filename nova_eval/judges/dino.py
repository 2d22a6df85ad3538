"""DINO: what is the subject of a frame like?

Network: DINO ViT-B/16 (facebookresearch/dino, Apache-2.0), as VBench's ``subject_consistency`` uses it. timm's ViT
holds the weights under their published names; the resampling of positions is DINO's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import IMAGENET_MEAN, IMAGENET_STD
from nova_eval.judges.resizing import Resampling, in_batches, normalise, shrink
from nova_eval.protocols import Floats, Frames

SHORT_SIDE, PATCH, GRID = 224, 16, 14
OFFICIAL_POSITION_OFFSET = 0.1
"""DINO resamples positions by the factor (patches + 0.1) / 14, which also drives where it samples."""


class DinoViTB16:
    """An ``ImageEncoder``: the class token (768) of every frame, aspect ratio kept.

    ``weights`` is the official ``dino_vitbase16_pretrain.pth`` (default: where the pinned file lies). ``resampling`` is
    ``"pil"`` where the official code reads folders of frames. ``batch`` frames are encoded at once.
    """

    name = "dino_vitb16"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 16,
        resampling: Resampling = "tensor",
    ) -> None:
        version = self.VERSION if resampling == "tensor" else f"{self.VERSION}-{resampling}"
        self._hosted = Hosted(self.name, version, weights=self.name, path=weights, dtype=dtype, build=build)
        self._batch, self._resampling = batch, resampling
        self.digest = self._hosted.digest

    def to(self, device: str) -> DinoViTB16:
        self._hosted.to(device)
        return self

    def encode_images(self, frames: Frames) -> Floats:
        """uint8 (N, H, W, 3) → (N, 768) class tokens, not normalised."""

        def features(some: Frames) -> Tensor:
            images = preprocess(some, self._resampling, self._hosted.device)
            return class_tokens(self._hosted.network, self._hosted.place(images))

        return in_batches(frames, self._batch, features)


def preprocess(frames: Frames, resampling: Resampling = "tensor", device: str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) → (N, 3, h, w): shorter side 224, nothing cropped, normalised."""
    return normalise(shrink(frames, SHORT_SIDE, "bilinear", resampling, device), IMAGENET_MEAN, IMAGENET_STD)


def positions(table: Tensor, height: int, width: int) -> Tensor:
    """The (1, 197, D) position table for an image of ``height`` × ``width`` pixels: (1, 1 + patches, D)."""
    if height == width == GRID * PATCH:
        return table
    factors = tuple((side // PATCH + OFFICIAL_POSITION_OFFSET) / GRID for side in (height, width))
    # (1, GRID², D) → (1, D, GRID, GRID)
    grid = table[:, 1:].reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, scale_factor=factors, mode="bicubic", align_corners=False)
    # (1, D, rows, columns) → (1, patches, D), behind the class token's row
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


def class_tokens(vit: nn.Module, images: Tensor) -> Tensor:
    """(N, 3, H, W) → (N, D): the class token after the last norm. Pixels beyond whole patches are not seen."""
    embed, blocks, norm = vit.patch_embed, vit.blocks, vit.norm
    # (N, D, rows, columns) → (N, patches, D)
    patches = embed.proj(images).flatten(2).transpose(1, 2)  # type: ignore[union-attr, operator]
    tokens = torch.cat([vit.cls_token.expand(len(images), -1, -1), patches], dim=1)  # type: ignore[operator]
    tokens = tokens + positions(vit.pos_embed, *images.shape[-2:])  # type: ignore[arg-type]
    return norm(_class_token(blocks[-1], blocks[:-1](tokens)))[:, 0]  # type: ignore[index, operator, no-any-return]


def _class_token(block: Any, x: Tensor) -> Tensor:
    """(N, tokens, D) → (N, 1, D): what the last block makes of the class token, the only one that is asked for."""
    seen, qkv, width = block.norm1(x), block.attn.qkv, x.shape[-1]
    query = F.linear(seen[:, :1], qkv.weight[:width], qkv.bias[:width])
    keys, values = F.linear(seen, qkv.weight[width:], qkv.bias[width:]).chunk(2, dim=-1)
    # (N, tokens, D) → (N, heads, tokens, D / heads), and back
    heads = block.attn.num_heads
    q, k, v = (part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, keys, values))
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    token: Tensor = x[:, :1] + block.attn.proj(attended)
    return token + block.mlp(block.norm2(token))  # type: ignore[no-any-return]


def build(state: dict[str, Tensor], path: Path) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer

    network: nn.Module = unfilled(lambda: VisionTransformer(num_classes=0))  # its defaults are ViT-B/16 at 224
    pinned.apply(network, state, where=str(path))
    return network
