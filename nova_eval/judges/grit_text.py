"""GRiT's words: a text for every region, written by a decoder that looks at the region's features.

Structure and parameter names: GRiT (JialianW/GRiT, MIT), whose decoder is GIT's (microsoft/GenerativeImage2Text, MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval.judges.bert import WIDTH, KeysValues, Layer
from nova_eval.judges.grit_backbone import CHANNELS
from nova_eval.judges.wordpiece import SEP

WORDS, LONGEST, DEPTH = 30522, 40, 6
OBJECT_NAME, DENSE_CAPTION = 101, 104  # the first id says what to write
NEVER = -10000.0


class Text(NamedTuple):
    """Ids from the first one, which says what is written, to the end, and the mean log-probability of what follows."""

    ids: tuple[int, ...]
    log_probability: float


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(1024, WIDTH)
        self.layer_norm = nn.LayerNorm(WIDTH, eps=1e-8)

    def forward(self, ids: Tensor, place: int) -> Tensor:
        """Ids (N,) at ``place`` → (N, 1, width)."""
        return self.layer_norm(self.words(ids) + self.positions.weight[place])[:, None]  # type: ignore[no-any-return]


class TextDecoder(nn.Module):
    """One stack of layers for features and words. Features do not see words, so their keys and values are made once."""

    def __init__(self) -> None:
        super().__init__()
        self.object_feature_projection = nn.Sequential(nn.Linear(CHANNELS, WIDTH), nn.LayerNorm(WIDTH))
        self.embedding = Embedding()
        self.layer: Sequence[Layer] = nn.ModuleList(Layer() for _ in range(DEPTH))  # type: ignore[assignment]
        self.bias = nn.Parameter(torch.zeros(WORDS))

    def look(self, features: Tensor) -> list[KeysValues]:
        """(N, 196, 256) → every layer's keys and values of the regions."""
        x = self.object_feature_projection(features)
        seen: list[KeysValues] = []
        for number, layer in enumerate(self.layer):
            seen.append(layer.attention.keys_values(x))
            if number + 1 < len(self.layer):  # nobody looks at what the last layer makes of the features
                x = layer.feed_forward(layer.attention(x, seen[-1]))
        return seen

    def write(self, seen: list[KeysValues], first: int) -> list[Text]:
        """The likeliest next word, never the same twice in a row, until every text has ended or has forty ids."""
        rows = len(seen[0][0])
        ids = torch.full((rows, 1), first, device=self.bias.device)
        total = torch.zeros(rows, device=self.bias.device)
        while ids.shape[1] < LONGEST:
            logits, seen = self._next(ids[:, -1], ids.shape[1] - 1, seen)
            if ids.shape[1] > 1:
                logits = logits.scatter(1, ids[:, -1:], NEVER)
            best, words = logits.log_softmax(-1).max(-1)
            ended = ids[:, -1] == SEP
            total = total + best.masked_fill(ended, 0)
            ids = torch.cat([ids, words.masked_fill(ended, SEP)[:, None]], dim=1)
            if bool((ids[:, -1] == SEP).all()):
                break
        return [_text(row, summed) for row, summed in zip(ids.tolist(), total.tolist(), strict=True)]

    def _next(self, ids: Tensor, place: int, seen: list[KeysValues]) -> tuple[Tensor, list[KeysValues]]:
        """Logits (N, words) of what follows ``ids``, and all keys and values with those of ``ids`` behind."""
        x = self.embedding(ids, place)
        grown: list[KeysValues] = []
        for layer, (keys, values) in zip(self.layer, seen, strict=True):
            new_keys, new_values = layer.attention.keys_values(x)
            grown.append((torch.cat([keys, new_keys], dim=2), torch.cat([values, new_values], dim=2)))
            x = layer.feed_forward(layer.attention(x, grown[-1]))
        return F.linear(x[:, 0], self.embedding.words.weight, self.bias).float(), grown


def _text(ids: list[int], total: float) -> Text:
    length = ids.index(SEP) + 1 if SEP in ids else len(ids)
    return Text(tuple(ids[:length]), total / (length - 1))
