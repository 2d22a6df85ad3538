"""ViCLIP: how well does a clip agree with a text?

Network: ViCLIP-L/14 trained on InternVid-10M-FLT (OpenGVLab/InternVideo, Apache-2.0), as VBench's ``temporal_style``
and ``overall_consistency`` use it. Module names are those of the published file.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import UsageError
from nova_eval.judges.clip import byte_pairs
from nova_eval.judges.clip_blocks import Transformer
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import CLIP_MEAN, CLIP_STD, normalised
from nova_eval.protocols import Frames

FRAMES, SIZE, CONTEXT = 8, 224, 32


class ViCLIP:
    """A ``VideoTextModel``: the cosine between 8 frames of a clip and a text, which is cut to 32 tokens.

    ``weights`` is the official ``ViClip-InternVid-10M-FLT.pth`` (default: where the pinned file lies).
    """

    name = "viclip_l14"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32") -> None:
        self.hosted = Hosted(self.name, self.VERSION, weights="viclip_l14", path=weights, dtype=dtype, build=build)
        self.digest = self.hosted.digest
        self._text_features: dict[str, Tensor] = {}

    def to(self, device: str) -> ViCLIP:
        self.hosted.to(device)
        self._text_features.clear()
        return self

    def video_text_similarity(self, frames: Frames, text: str) -> float:
        """Eight frames (T, H, W, 3) and a text → their cosine."""
        return float((self.video_feature(frames) * self.text_feature(text)).sum())

    def video_feature(self, frames: Frames) -> Tensor:
        """The clip's unit vector (768,), in float32."""
        if len(frames) != FRAMES:
            raise UsageError(f"{self.name} looks at {FRAMES} frames of a clip, not {len(frames)}")
        # (T, 3, 224, 224) → (3, T, 224, 224)
        clip = self.hosted.place(preprocess(frames)).transpose(0, 1)
        with torch.inference_mode():
            return F.normalize(self.hosted.network.vision_encoder(clip[None])[0].float(), dim=-1)

    def text_feature(self, text: str) -> Tensor:
        """The text's unit vector (768,), in float32; computed once a text."""
        if text not in self._text_features:
            ids = self.token_ids(text).to(self.hosted.device)
            with torch.inference_mode():
                embedded = self.hosted.network.text_encoder(ids[None])[0].float()
            self._text_features[text] = F.normalize(embedded, dim=-1)
        return self._text_features[text]

    def token_ids(self, text: str) -> Tensor:
        """CLIP's byte pairs between start and end of text, zeros behind; a text that is cut ends in the end of text."""
        ids: Tensor = byte_pairs()([text], context_length=CONTEXT)[0]
        return ids


def preprocess(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, 224, 224): bicubic, not antialiased, to a short side of 224, the centre."""
    height, width = frames.shape[1:3]
    size = (SIZE, int(SIZE * width / height)) if height <= width else (int(SIZE * height / width), SIZE)
    if size != (height, width):
        x = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
        x = F.interpolate(x, size=size, mode="bicubic", align_corners=False, antialias=False)
        frames = x.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    top, left = round((size[0] - SIZE) / 2), round((size[1] - SIZE) / 2)
    return normalised(frames[:, top : top + SIZE, left : left + SIZE], CLIP_MEAN, CLIP_STD)


class VideoEncoder(nn.Module):
    """One class token and every 14 × 14 patch of every frame in joint attention; the class token is the answer."""

    def __init__(self, *, width: int = 1024, depth: int = 24, heads: int = 16, patch: int = 14, out: int = 768) -> None:
        super().__init__()
        places = (SIZE // patch) ** 2
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(places + 1, width))
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, FRAMES, width))
        self.proj = nn.Parameter(torch.zeros(width, out))
        self.conv1 = nn.Conv3d(3, width, (1, patch, patch), stride=(1, patch, patch), bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = Transformer(width, depth, heads)

    def forward(self, clip: Tensor) -> Tensor:
        """(B, 3, T, H, W) → (B, out). Tokens: the class token, then place by place all its frames."""
        patches = self.conv1(clip).flatten(3).permute(0, 3, 2, 1)  # (B, places, T, width)
        patches = patches + self.positional_embedding[1:, None] + self.temporal_positional_embedding
        first = (self.class_embedding + self.positional_embedding[0]).expand(len(clip), 1, -1)
        # (B, places, T, width) → (B, places · T, width)
        x = self.transformer(self.ln_pre(torch.cat([first, patches.flatten(1, 2)], dim=1)))
        return self.ln_post(x[:, 0]) @ self.proj  # type: ignore[no-any-return]


class TextTower(nn.Module):
    """CLIP's text tower: causal attention, the feature at the end of text (the largest id)."""

    def __init__(self, *, width: int = 768, depth: int = 12, heads: int = 12, words: int = 49408) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(words, width)
        self.positional_embedding = nn.Parameter(torch.zeros(CONTEXT, width))
        self.transformer = Transformer(width, depth, heads)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.zeros(width, width))

    def forward(self, ids: Tensor) -> Tensor:
        """(B, 32) → (B, width)."""
        x = self.ln_final(self.transformer(self.token_embedding(ids) + self.positional_embedding, causal=True))
        ends = x[torch.arange(len(ids), device=ids.device), ids.argmax(-1)]
        return ends @ self.text_projection  # type: ignore[no-any-return]


class VideoTextNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vision_encoder, self.text_encoder = VideoEncoder(), TextTower()


def build(state: dict[str, Tensor], path: Path) -> VideoTextNetwork:
    """``temp`` is the temperature of training; a cosine has none."""
    network = unfilled(VideoTextNetwork)
    pinned.apply(network, state, ignore=["temp"], where=str(path))
    return network
