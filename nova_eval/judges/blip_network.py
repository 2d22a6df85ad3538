"""BLIP for questions: an image encoder, a reader of questions that looks at the image, and the first word of an answer.

Structure and parameter names: BLIP with ViT-B/16 (salesforce/BLIP, BSD-3-Clause).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges.bert import HEADS, WIDTH, Embeddings, Layer, Transform
from nova_eval.judges.hosting import unfilled
from nova_eval.judges.wordpiece import PAD

SIZE, PATCH = 480, 16
GRID = SIZE // PATCH
WORDS, DEC, ENC = 30524, 30522, 30523  # bert-base-uncased and two ids: what begins an answer, what begins a question
YES, NO = 2748, 2053
POSITIONS = "visual_encoder.pos_embed"


class QuestionReader(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=WIDTH) for _ in range(depth))  # type: ignore[assignment]

    def forward(self, ids: Tensor, image: Tensor) -> Tensor:
        """Questions (Q, n) and images (N, tokens, width) → (N · Q, n, width): every question about every image.

        Padding is not seen. Keys and values of an image are made once for all questions.
        """
        images, questions = len(image), len(ids)
        seen = (ids != PAD)[:, None, None].repeat(images, 1, 1, 1)
        x = self.embeddings(ids).repeat(images, 1, 1)
        for layer in self.layer:
            x = layer.attention(x, layer.attention.keys_values(x), seen)
            # (N · Q, n, width) → (N, Q · n, width)
            looking = x.view(images, questions * ids.shape[1], -1)
            looking = layer.crossattention(looking, layer.crossattention.keys_values(image))
            x = layer.feed_forward(looking.view_as(x))
        return x  # type: ignore[no-any-return]


class AnswerDecoder(nn.Module):
    """A causal language model of which only the first word is asked for."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=WIDTH) for _ in range(depth))  # type: ignore[assignment]
        self.transform = Transform()
        self.bias = nn.Parameter(torch.zeros(WORDS))

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        """Read questions (B, n, width), and which of their places count (B, n) → logits (B, words)."""
        x = self.embeddings(torch.full((len(states), 1), DEC, device=states.device))
        for layer in self.layer:
            x = layer.attention(x, layer.attention.keys_values(x))
            x = layer.feed_forward(
                layer.crossattention(x, layer.crossattention.keys_values(states), seen[:, None, None])
            )
        return F.linear(self.transform(x[:, 0]), self.embeddings.word_embeddings.weight, self.bias)


class BLIPForQuestions(nn.Module):
    def __init__(self, depth: int = 12) -> None:
        super().__init__()
        self.visual_encoder = VisionTransformer(
            img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=depth, num_heads=HEADS, num_classes=0
        )
        self.text_encoder, self.text_decoder = QuestionReader(depth), AnswerDecoder(depth)

    def image_tokens(self, images: Tensor) -> Tensor:
        """(N, 3, 480, 480) → (N, 901, width)."""
        tokens: Tensor = self.visual_encoder.forward_features(images)
        return tokens

    def first_word(self, ids: Tensor, image: Tensor) -> Tensor:
        """Questions (Q, n), image tokens (N, 901, width) → logits (N, Q, words) of the answer's first word."""
        seen = (ids != PAD).repeat(len(image), 1)
        logits: Tensor = self.text_decoder(self.text_encoder(ids, image), seen)
        # (N · Q, words) → (N, Q, words)
        return logits.view(len(image), len(ids), -1)


def build(state: dict[str, Tensor], path: Path) -> BLIPForQuestions:
    """Shared parameters may be in the file once or twice. A position table of another grid is resampled."""
    network = unfilled(BLIPForQuestions)
    pinned.apply(network, _at_480(state), rename=renamed, where=str(path))
    return network


def _at_480(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """As the official loader does for a network that was trained at another size."""
    table = state.get(POSITIONS)
    if table is None or table.ndim != 3 or table.shape[1] == GRID**2 + 1:
        return dict(state)
    side = int((table.shape[1] - 1) ** 0.5)
    if side**2 + 1 != table.shape[1]:
        return dict(state)
    # (1, side², width) → (1, width, side, side)
    grid = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid.float(), size=(GRID, GRID), mode="bicubic", align_corners=False)
    # (1, width, GRID, GRID) → (1, GRID², width), behind the class token's row
    return {**state, POSITIONS: torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)}


def renamed(name: str) -> str | None:
    """A published name → ours. Copies of shared parameters get the name of what they are copies of."""
    if name.endswith("position_ids"):
        return None
    for published, ours in _PATTERNS.items():
        if re.match(published, name):
            return re.sub(published, ours, name, count=1)
    return name


_PATTERNS = {
    r"text_decoder\.cls\.predictions\.decoder\.weight$": "text_decoder.embeddings.word_embeddings.weight",
    r"text_decoder\.cls\.predictions\.decoder\.bias$": "text_decoder.bias",
    r"text_decoder\.cls\.predictions\.": "text_decoder.",
    r"text_decoder\.bert\.(encoder\.)?": "text_decoder.",
    r"text_encoder\.encoder\.": "text_encoder.",
}
