"""mPLUG-large for questions: an image encoder, a reader, layers that fuse both, and a decoder that writes the answer.

Structure and parameter names: mPLUG (X-PLUG/mPLUG, Apache-2.0) as modelscope (Apache-2.0) publishes it. The image
encoder is CLIP ViT-L/14 (openai/CLIP, MIT).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError
from nova_eval.judges.bert import NORM_EPS, WIDTH, Embeddings, KeysValues, Layer, Transform
from nova_eval.judges.clip_blocks import Transformer
from nova_eval.judges.hosting import unfilled
from nova_eval.judges.mplug_settings import Settings
from nova_eval.judges.wordpiece import PAD

PATCH, IMAGE_WIDTH, IMAGE_LAYERS, IMAGE_HEADS = 14, 1024, 24, 16
WORDS, TYPES = 30522, 2


class ImageTower(nn.Module):
    """CLIP's image tower without its projection; every token is normalised and kept."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(IMAGE_WIDTH))
        self.positional_embedding = nn.Parameter(torch.zeros((size // PATCH) ** 2 + 1, IMAGE_WIDTH))
        self.conv1 = nn.Conv2d(3, IMAGE_WIDTH, PATCH, PATCH, bias=False)
        self.ln_pre, self.ln_post = nn.LayerNorm(IMAGE_WIDTH), nn.LayerNorm(IMAGE_WIDTH)
        self.transformer = Transformer(IMAGE_WIDTH, IMAGE_LAYERS, IMAGE_HEADS)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) → (N, 1 + patches, 1024)."""
        # (N, 1024, rows, columns) → (N, patches, 1024)
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(images), 1, -1), patches], dim=1)
        return self.ln_post(self.transformer(self.ln_pre(tokens + self.positional_embedding)))  # type: ignore[no-any-return]


class TextTower(nn.Module):
    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS, TYPES)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer() for _ in range(depth))  # type: ignore[assignment]

    def forward(self, ids: Tensor) -> Tensor:
        """(Q, n) → (Q, n, width); padding is not seen."""
        x: Tensor = self.embeddings(ids)
        for layer in self.layer:
            x = layer.feed_forward(layer.attention(x, layer.attention.keys_values(x), (ids != PAD)[:, None, None]))
        return x


class Fusion(nn.Module):
    def __init__(self, depth: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=WIDTH) for _ in range(depth))  # type: ignore[assignment]

    def forward(self, image: Tensor, text: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, tokens, width), questions (Q, n, width), places that count (Q, n) → both after reading.

        Questions come back as (N · Q, n, width). Images stay (N, …), their keys and values made once for all
        questions, until a layer joins the two: from there on every question has its own image (N · Q, …).
        """
        places, tokens = text.shape[1], image.shape[1]
        text, seen = text.repeat(len(image), 1, 1), seen.repeat(len(image), 1)
        for number, layer in enumerate(self.layer):
            if number and number % self.stride == 0:
                image = image.repeat_interleave(len(text) // len(image), 0)
                both = torch.cat([image, text], dim=1)
                open_ = torch.cat([seen.new_ones(len(text), tokens), seen], dim=1)[:, None, None]
                both = layer.feed_forward(layer.attention(both, layer.attention.keys_values(both), open_))
                image, text = image + both[:, :tokens], both[:, tokens:]
                continue
            text = layer.attention(text, layer.attention.keys_values(text), seen[:, None, None])
            # (N · Q, places, width) → (N, Q · places, width)
            looking = text.reshape(len(image), -1, WIDTH)
            looking = layer.crossattention(looking, layer.crossattention.keys_values(image))
            text = layer.feed_forward(looking.view(-1, places, WIDTH))
        return image, text


class AnswerDecoder(nn.Module):
    """A causal language model that looks at an image and a question."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS, TYPES)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=WIDTH) for _ in range(depth))  # type: ignore[assignment]
        self.transform, self.decoder = Transform(), nn.Linear(WIDTH, WORDS)

    def sources(self, image: Tensor, text: Tensor) -> list[KeysValues]:
        """Fused images (N or N · Q, …) and questions (N · Q, …) → every layer's keys and values of both together."""
        found: list[KeysValues] = []
        for layer in self.layer:
            seen, read = (layer.crossattention.keys_values(states) for states in (image, text))
            copies = len(text) // len(image)
            joined = [torch.cat([a.repeat_interleave(copies, 0), b], 2) for a, b in zip(seen, read, strict=True)]
            found.append((joined[0], joined[1]))
        return found

    def next_words(
        self, ids: Tensor, start: int, past: list[KeysValues], sources: list[KeysValues], seen: Tensor
    ) -> Tensor:
        """Log-probabilities (rows, words) of what follows ``ids`` (rows, 1) at the place ``start``.

        ``past`` holds every layer's keys and values of the places before and gains those of ``ids``. ``sources`` and
        ``seen``, which of their places count, are of (items, …), each of which has as many rows as the others.
        """
        x: Tensor = self.embeddings(ids, start)
        for number, layer in enumerate(self.layer):
            new = layer.attention.keys_values(x)
            if start:
                new = torch.cat([past[number][0], new[0]], dim=2), torch.cat([past[number][1], new[1]], dim=2)
                past[number] = new
            else:
                past.append(new)
            x = layer.attention(x, new)
            # (items · rows, 1, width) → (items, rows, width)
            looking = x.view(len(seen), -1, WIDTH)
            looking = layer.crossattention(looking, sources[number], seen[:, None, None])
            x = layer.feed_forward(looking.view_as(x))
        scores: Tensor = self.decoder(self.transform(x[:, -1]))
        return scores.float().log_softmax(-1)


class MPlug(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.visual_encoder = ImageTower(settings.image_size)
        self.visn_fc, self.visn_layer_norm = nn.Linear(IMAGE_WIDTH, WIDTH), nn.LayerNorm(WIDTH, eps=NORM_EPS)
        self.text_encoder = TextTower(settings.text_layers)
        self.fusion_encoder = Fusion(settings.fusion_layers, settings.stride)
        self.text_decoder = AnswerDecoder(settings.decoder_layers)

    def image_tokens(self, images: Tensor) -> Tensor:
        """(N, 3, size, size) → (N, 1 + patches, width)."""
        return self.visn_layer_norm(self.visn_fc(self.visual_encoder(images)))  # type: ignore[no-any-return]

    def read(self, ids: Tensor, image: Tensor) -> tuple[list[KeysValues], Tensor]:
        """Questions (Q, n) about each image (N, …) → what the decoder looks at, and which places of it count.

        The items are N · Q: all questions about the first image come first.
        """
        seen = ids != PAD
        image, text = self.fusion_encoder(image, self.text_encoder(ids), seen)
        seen = seen.repeat(len(text) // len(ids), 1)
        return self.text_decoder.sources(image, text), torch.cat([seen.new_ones(len(text), image.shape[1]), seen], 1)


def build(state: dict[str, Tensor], path: Path, settings: Settings) -> MPlug:
    """What answering does not need is left in the file: CLIP's text tower, unused fusion layers, momentum copies."""
    state = {name.replace("model.", ""): tensor for name, tensor in state.items()}
    if _WORDS_IN in state:
        state.setdefault(_WORDS_OUT, state[_WORDS_IN])
    table = state.get("visual_encoder.visual.positional_embedding")
    places = (settings.image_size // PATCH) ** 2 + 1
    if table is not None and table.shape[0] != places:
        raise PrerequisiteError(
            f"{path} holds {table.shape[0]} places of an image, its settings (image_res {settings.image_size}) "
            f"have {places}",
            remedy="weights and settings are not of one model: python -m nova_eval weights fetch mplug_large",
        )
    network = unfilled(lambda: MPlug(settings))
    unused = settings.stored_fusion_layers - settings.fusion_layers
    pinned.apply(network, state, rename=partial(renamed, unused_fusion_layers=unused), where=str(path))
    return network


def renamed(name: str, unused_fusion_layers: int = 6) -> str | None:
    """A published name → ours, None where answering does not need it."""
    if re.search(r"(\.position_ids|\.visual\.proj)$|^[a-z_]+_m\.", name) or re.match(_TEXT_TOWER, name):
        return None
    if match := re.fullmatch(r"fusion_encoder\.encoder\.layer\.(\d+)\.(.+)", name):
        used = int(match[1]) - unused_fusion_layers
        return f"fusion_encoder.layer.{used}.{match[2]}" if used >= 0 else None
    for published, ours in _PREFIXES.items():
        if name.startswith(published):
            return ours + name.removeprefix(published)
    return name


_WORDS_IN, _WORDS_OUT = (
    f"text_decoder.{name}.weight" for name in ("bert.embeddings.word_embeddings", "cls.predictions.decoder")
)
_TEXT_TOWER = (
    r"visual_encoder\.(transformer|token_embedding|ln_final|positional_embedding|text_projection|logit_scale)\b"
)
_PREFIXES = {
    "visual_encoder.visual.": "visual_encoder.",
    "text_encoder.encoder.": "text_encoder.",
    "text_decoder.cls.predictions.bias": "text_decoder.decoder.bias",
    "text_decoder.cls.predictions.": "text_decoder.",
    "text_decoder.bert.encoder.": "text_decoder.",
    "text_decoder.bert.": "text_decoder.",
}
