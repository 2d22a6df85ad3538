"""The BERT of Tag2Text, GRiT, BLIP and mPLUG: post-norm attention over a text and over what it describes.

Structure and parameter names follow BERT (google-research/bert, Apache-2.0) as BLIP and transformers lay it out.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, HIDDEN = 768, 12, 3072
POSITIONS = 512
NORM_EPS = 1e-12

KeysValues = tuple[Tensor, Tensor]  # each (B, heads, length, width / heads)


class Embeddings(nn.Module):
    """``words`` words and 512 places. With ``types`` every word counts as of the first kind of text."""

    def __init__(self, words: int, types: int = 0) -> None:
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(words, WIDTH), nn.Embedding(POSITIONS, WIDTH)
        if types:
            self.token_type_embeddings = nn.Embedding(types, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, eps=NORM_EPS)

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """(B, n) ids at the places from ``start`` → (B, n, width)."""
        x = self.word_embeddings(ids)
        if hasattr(self, "token_type_embeddings"):
            x = x + self.token_type_embeddings.weight[0]
        places = self.position_embeddings.weight[start : start + ids.shape[1]]
        return self.LayerNorm(x + places)  # type: ignore[no-any-return]


class Transform(nn.Module):
    """What a language model does to its last states before it compares them with words."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.LayerNorm(F.gelu(self.dense(x)))  # type: ignore[no-any-return]


class Projections(nn.Module):
    def __init__(self, width: int, source_width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key, self.value = nn.Linear(source_width, width), nn.Linear(source_width, width)


class Output(nn.Module):
    """Projects, adds what went in, normalises."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(width_in, width), nn.LayerNorm(width, eps=NORM_EPS)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dense(x) + residual)  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Attention whose keys and values are made apart from the queries, so that they can be kept.

    ``heads`` may be given at a call: Tag2Text uses the same weights with 12 and with 4.
    """

    def __init__(self, width: int = WIDTH, source_width: int = WIDTH) -> None:
        super().__init__()
        self.self, self.output = Projections(width, source_width), Output(width, width)

    def keys_values(self, source: Tensor, heads: int = HEADS) -> KeysValues:
        """(B, length, source width) → keys and values."""
        return _split(self.self.key(source), heads), _split(self.self.value(source), heads)

    def forward(self, x: Tensor, keys_values: KeysValues, mask: Tensor | None = None, heads: int = HEADS) -> Tensor:
        """(B, length, width) → the same; ``mask`` is True where a key may be seen. ``x`` may be one for all of B."""
        keys, values = keys_values
        queries = _split(self.self.query(x), heads).expand(len(keys), -1, -1, -1)
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        # (B, heads, length, width / heads) → (B, length, width)
        return self.output(mixed.transpose(1, 2).flatten(2), x)  # type: ignore[no-any-return]


class Intermediate(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.dense(x))


class Layer(nn.Module):
    """Self-attention, attention to a source of ``source_width`` (where there is one), feed-forward."""

    def __init__(self, width: int = WIDTH, hidden: int = HIDDEN, source_width: int | None = None) -> None:
        super().__init__()
        self.attention = Attention(width, width)
        if source_width is not None:
            self.crossattention = Attention(width, source_width)
        self.intermediate, self.output = Intermediate(width, hidden), Output(hidden, width)

    def feed_forward(self, x: Tensor) -> Tensor:
        return self.output(self.intermediate(x), x)  # type: ignore[no-any-return]


def _split(x: Tensor, heads: int) -> Tensor:
    """(B, length, width) → (B, heads, length, width / heads)"""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)
