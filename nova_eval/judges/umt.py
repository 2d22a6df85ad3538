"""UMT: which of the Kinetics-400 actions does a clip show?

Network: Unmasked Teacher ViT-L/16 (OpenGVLab/unmasked_teacher, MIT), fine-tuned on Kinetics-710 and -400, as VBench's
``human_action`` uses it. Module names are those of the published file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import reading
from nova_eval import weights as pinned
from nova_eval.errors import UsageError
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import IMAGENET_MEAN, IMAGENET_STD, normalised
from nova_eval.protocols import Floats, Frames

FRAMES, SHORT_SIDE, CROP = 16, 256, 224
PRETRAINED_FRAMES = 8  # the position table's own length; sixteen frames stretch it
NORM_EPS = 1e-6


class UMT:
    """An ``ActionRecognizer``: independent logits of 400 classes for the 16 frames of a clip.

    ``weights`` is the official ``l16_ptk710_ftk710_ftk400_f16_res224.pth`` (default: where the pinned file lies).
    """

    name = "umt_l16"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32") -> None:
        self.hosted = Hosted(self.name, self.VERSION, weights="umt_l16", path=weights, dtype=dtype, build=build)
        self.digest = self.hosted.digest

    def to(self, device: str) -> UMT:
        self.hosted.to(device)
        return self

    def action_logits(self, frames: Frames) -> tuple[Sequence[str], Floats]:
        """Sixteen frames (T, H, W, 3) → names of the classes and their logits, in the classifier's order."""
        if len(frames) != FRAMES:
            raise UsageError(f"{self.name} looks at {FRAMES} frames of a clip, not {len(frames)}")
        clip = self.hosted.place(preprocess(frames))
        with torch.inference_mode():
            logits: Floats = self.hosted.network(clip[None])[0].float().cpu().numpy()
        return kinetics_400(), logits


def kinetics_400() -> list[str]:
    """The classes of Kinetics-400 in the order of the classifier's outputs."""
    return reading.text(Path(__file__).with_name("kinetics_400.txt")).splitlines()


def preprocess(frames: Frames) -> Tensor:
    """uint8 (T, H, W, 3) → float (3, T, 224, 224): OpenCV's bilinear to a short side of 256, the centre, normalised."""
    import cv2

    height, width = frames.shape[1:3]
    if min(height, width) != SHORT_SIDE:
        if width < height:
            width, height = SHORT_SIDE, int(SHORT_SIDE * height / width)
        else:
            width, height = int(SHORT_SIDE * width / height), SHORT_SIDE
        frames = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in frames])
    top, left = round((height - CROP) / 2), round((width - CROP) / 2)
    cropped = frames[:, top : top + CROP, left : left + CROP]
    # (T, 3, H, W) → (3, T, H, W)
    return normalised(cropped, IMAGENET_MEAN, IMAGENET_STD).transpose(0, 1).contiguous()


def sinusoid_positions(frames: int, grid: int, width: int) -> Tensor:
    """(1, frames · grid², width): the sinusoid of 8 · grid² positions, stretched linearly in time."""
    position = np.arange(PRETRAINED_FRAMES * grid * grid)[:, None]
    channel = np.arange(width)
    angle = position / np.power(10000, 2 * (channel // 2) / width)
    table = torch.from_numpy(np.where(channel % 2 == 0, np.sin(angle), np.cos(angle))).float()
    if frames != PRETRAINED_FRAMES:
        in_time = table.view(PRETRAINED_FRAMES, -1).T[None]  # (1, grid² · width, 8)
        # (grid² · width, frames) → (frames · grid², width)
        table = F.interpolate(in_time, size=frames, mode="linear", align_corners=False)[0].T.reshape(-1, width)
    return table[None]


class Attention(nn.Module):
    """Multi-head self-attention whose queries and values have a bias and whose keys have none."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        # (B, N, 3 · width) → (3, B, heads, N, width / heads)
        q, k, v = F.linear(x, self.qkv.weight, bias).view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        # (B, heads, N, width / heads) → (B, N, width)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=NORM_EPS), Attention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=NORM_EPS), MLP(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class PatchEmbedding(nn.Module):
    """Every 16 × 16 patch of every frame becomes a token, frames first."""

    def __init__(self, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(3, width, (1, patch, patch), stride=(1, patch, patch))

    def forward(self, clip: Tensor) -> Tensor:
        # (B, width, T, rows, columns) → (B, T · rows · columns, width)
        return self.proj(clip).flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class VideoTransformer(nn.Module):
    """Joint space-time attention over all patches of a clip, mean of the tokens, one linear head."""

    def __init__(
        self,
        *,
        frames: int = FRAMES,
        size: int = CROP,
        patch: int = 16,
        width: int = 1024,
        depth: int = 24,
        heads: int = 16,
        classes: int = 400,
    ) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(width, patch)
        self.pos_embed = nn.Parameter(torch.zeros(1, frames * (size // patch) ** 2, width), requires_grad=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.head = nn.Linear(width, classes)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) → logits (B, classes)."""
        x = self.patch_embed(clip) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.fc_norm(x.mean(1)))  # type: ignore[no-any-return]


def build(state: dict[str, Tensor], path: Path) -> VideoTransformer:
    """The published file holds no position table; where one does, it wins over the computed one."""
    network = unfilled(VideoTransformer)
    pinned.apply(network, {"pos_embed": sinusoid_positions(FRAMES, CROP // 16, 1024)} | state, where=str(path))
    return network
