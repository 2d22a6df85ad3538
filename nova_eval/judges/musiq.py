"""MUSIQ: how good is the technical quality of a frame, from 0 to 100?

Network: MUSIQ (google-research/musiq, Apache-2.0) trained on SPAQ, in the layout of IQA-PyTorch's file, as VBench's
``imaging_quality`` uses it. An image is cut into 32-pixel patches at its own size and at two smaller ones; a
transformer reads all of them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import unknown
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.resizing import as_floats, centre_crop, in_batches
from nova_eval.protocols import Floats, Frames

Mode: TypeAlias = Literal["longer", "shorter", "shorter_centercrop", "None"]

PATCH = 32
LONGER_SIDES = (224, 384)  # of the two smaller versions
GRID = 10  # positions are hashed to GRID × GRID
LIMIT = 512  # the side beyond which VBench shrinks a frame first
WIDTH, HEADS, HIDDEN, DEPTH = 384, 6, 1152, 14
STEM_PATCHES_CPU, STEM_PATCHES = 128, 4096  # pass the stem at once: they fit the CPU's cache, bound a GPU's memory


class MusiqSPAQ:
    """A ``QualityModel``.

    ``weights`` is the official ``musiq_spaq_ckpt-358bb6af.pth`` (default: where the pinned file lies). ``mode`` is
    VBench's ``imaging_quality_preprocessing_mode``. ``batch`` frames are judged at once.
    """

    name = "musiq_spaq"
    VERSION = "1"

    def __init__(
        self, weights: Path | None = None, dtype: str = "float32", batch: int = 8, mode: Mode = "longer"
    ) -> None:
        if mode not in get_args(Mode):
            raise unknown("imaging quality mode", mode, get_args(Mode))
        version = self.VERSION if mode == "longer" else f"{self.VERSION}-{mode}"
        self._hosted = Hosted(self.name, version, weights=self.name, path=weights, dtype=dtype, build=build)
        self._batch, self.mode = batch, mode
        self.digest = self._hosted.digest

    def to(self, device: str) -> MusiqSPAQ:
        self._hosted.to(device)
        return self

    def encode_images(self, frames: Frames) -> Floats:
        """uint8 (N, H, W, 3) → (N, 384): the class token that the quality is read from."""

        def class_tokens(some: Frames) -> Tensor:
            images = preprocess(some, self.mode, self._hosted.device)
            return self._hosted.network(self._hosted.place(images))  # type: ignore[no-any-return]

        return in_batches(frames, self._batch, class_tokens)

    def quality(self, frames: Frames) -> Floats:
        """uint8 (N, H, W, 3) → (N,) qualities, not clamped."""
        tokens = self._hosted.place(torch.from_numpy(self.encode_images(frames)))
        with torch.inference_mode():
            qualities: Floats = self._hosted.network.head(tokens)[:, 0].float().cpu().numpy()
        return qualities


def preprocess(frames: Frames, mode: Mode = "longer", device: str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) → (N, 3, h, w) in 0…1, a side beyond 512 shrunk to it, bilinear and not antialiased.

    Sizes are truncated products of floats, so 784 becomes 511. Source: vbench/imaging_quality.py ``transform``.
    """
    images = as_floats(frames, device)
    height, width = images.shape[-2:]
    side = max(height, width) if mode == "longer" else min(height, width)
    if mode != "None" and side > LIMIT:
        scale = LIMIT / side
        images = F.interpolate(images, (int(scale * height), int(scale * width)), mode="bilinear", align_corners=False)
        if mode == "shorter_centercrop":
            short = [max(0, LIMIT - extent) for extent in images.shape[-2:]]  # truncation leaves a pixel to pad
            top, left = (missing // 2 for missing in short)
            images = F.pad(images, (left, short[1] - left, top, short[0] - top))
            images = centre_crop(images, LIMIT)
    return images / 255.0


def scaled(images: Tensor) -> list[Tensor]:
    """The two smaller versions, bicubic and not antialiased, then the images themselves. Small images are enlarged."""
    height, width = images.shape[-2:]
    versions = []
    for side in LONGER_SIDES:
        ratio = side / max(height, width)
        size = round(height * ratio), round(width * ratio)
        versions.append(F.interpolate(images, size, mode="bicubic", align_corners=False))
    return [*versions, images]


def same_pad(images: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around (N, C, H, W) as TensorFlow's SAME puts them: the larger half after the image."""
    down, right = (max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in images.shape[-2:])
    return F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))


def patches_of(images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """(N, 3, H, W) → (N, rows · columns, 3, 32, 32) zero-padded patches, and (rows, columns)."""
    padded = same_pad(images, PATCH, PATCH)
    rows, columns = (side // PATCH for side in padded.shape[-2:])
    # (N, 3, rows, 32, columns, 32) → (N, rows · columns, 3, 32, 32)
    cut = padded.reshape(len(images), -1, rows, PATCH, columns, PATCH)
    return cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2), (rows, columns)


def hashed_positions(rows: int, columns: int) -> Tensor:
    """(rows · columns,) places in the position table: the nearest of GRID × GRID."""
    down, across = (
        F.interpolate(torch.arange(GRID).float()[None, None], size=count, mode="nearest")[0, 0].long()
        for count in (rows, columns)
    )
    return (down[:, None] * GRID + across[None, :]).flatten()


class StandardisedConv(nn.Conv2d):
    """A convolution whose kernels have mean 0 and standard deviation 1, with SAME padding."""

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        deviation = self.weight.std((1, 2, 3), keepdim=True)
        kernel = (self.weight - mean) / (deviation + 1e-5)
        return F.conv2d(same_pad(x, self.kernel_size[0], self.stride[0]), kernel, self.bias, self.stride)


class Bottleneck(nn.Module):
    """The residual block of the stem, 64 to 256 channels."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.conv1, self.gn1 = StandardisedConv(channels, channels, 1, bias=False), nn.GroupNorm(32, channels, 1e-4)
        self.conv2, self.gn2 = StandardisedConv(channels, channels, 3, bias=False), nn.GroupNorm(32, channels, 1e-4)
        self.conv3, self.gn3 = StandardisedConv(channels, out, 1, bias=False), nn.GroupNorm(32, out, 1e-4)
        self.conv_proj, self.gn_proj = StandardisedConv(channels, out, 1, bias=False), nn.GroupNorm(32, out, 1e-4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.gn1(self.conv1(x)).relu()
        y = self.gn2(self.conv2(y)).relu()
        return (self.gn3(self.conv3(y)) + self.gn_proj(self.conv_proj(x))).relu()  # type: ignore[no-any-return]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, queries: Tensor, x: Tensor) -> Tensor:
        """``queries`` (B, n, width), some tokens of ``x`` (B, N, width), attend to all of it."""
        asked = ((self.query, queries), (self.key, x), (self.value, x))
        # (B, N, width) → (B, heads, N, width / heads), and back
        q, k, v = (layer(tokens).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer, tokens in asked)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(WIDTH, 1e-6), Attention()
        self.norm2, self.mlp = nn.LayerNorm(WIDTH, 1e-6), MLP()

    def forward(self, x: Tensor, count: int | None = None) -> Tensor:
        """(B, N, width) → the first ``count`` tokens (None: all), (B, count, width)."""
        seen = self.norm1(x)
        x = x[:, :count] + self.attention(seen[:, :count], seen)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PositionTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position_emb = nn.Parameter(torch.zeros(1, GRID * GRID, WIDTH))


class ScaleTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale_emb = nn.Parameter(torch.zeros(len(LONGER_SIDES) + 1, WIDTH))


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.posembed_input = PositionTable()
        self.scaleembed_input = ScaleTable()
        self.transformer = nn.ModuleDict({f"encoderblock_{k}": Block() for k in range(DEPTH)})
        self.encoder_norm = nn.LayerNorm(WIDTH, 1e-6)

    def forward(self, tokens: Tensor, places: Tensor, scales: Tensor) -> Tensor:
        """(N, L, 384) patches with their hashed places (L,) and scales (L,) → (N, 384) class token."""
        x = tokens + self.posembed_input.position_emb[0, places] + self.scaleembed_input.scale_emb[scales]
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], dim=1)
        *blocks, last = self.transformer.values()
        for block in blocks:
            x = block(x)
        return self.encoder_norm(last(x, 1)[:, 0])  # type: ignore[no-any-return]


class MUSIQ(nn.Module):
    """Images (N, 3, H, W) in 0…1 → (N, 384) class tokens; ``head`` turns them into qualities.

    The published code fills the two smaller versions up to a fixed number of patches and masks what it filled. A
    masked patch reaches no other token (its attention underflows to 0), so none is made here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_root, self.gn_root = StandardisedConv(3, 64, 7, 2, bias=False), nn.GroupNorm(32, 64, 1e-6)
        self.block1 = Bottleneck(64, 256)
        self.embedding = nn.Linear(256 * 8 * 8, WIDTH)
        self.transformer_encoder = Encoder()
        self.head = nn.Linear(WIDTH, 1)

    def forward(self, images: Tensor) -> Tensor:
        cut = [patches_of(version) for version in scaled((images - 0.5) * 2)]
        patches = torch.cat([part for part, _ in cut], dim=1)
        places = torch.cat([hashed_positions(*grid) for _, grid in cut]).to(images.device)
        scales = torch.cat([torch.full((part.shape[1],), number) for number, (part, _) in enumerate(cut)])
        at_once = STEM_PATCHES_CPU if images.device.type == "cpu" else STEM_PATCHES
        # (N, patches, 3, 32, 32) → (N · patches, 384) → (N, patches, 384)
        tokens = torch.cat([self.stem(part) for part in torch.split(patches.flatten(0, 1), at_once)])
        tokens = tokens.reshape(len(images), -1, WIDTH)
        return self.transformer_encoder(tokens, places, scales.to(images.device))  # type: ignore[no-any-return]

    def stem(self, patches: Tensor) -> Tensor:
        """(P, 3, 32, 32) → (P, 384)."""
        x = self.gn_root(self.conv_root(patches)).relu()
        x = self.block1(F.max_pool2d(same_pad(x, 3, 2), 3, 2))
        # (P, C, h, w) → (P, h·w·C)
        return self.embedding(x.permute(0, 2, 3, 1).flatten(1))  # type: ignore[no-any-return]


def build(state: dict[str, Tensor], path: Path) -> MUSIQ:
    network = unfilled(MUSIQ)
    pinned.apply(network, state, where=str(path))
    return network
