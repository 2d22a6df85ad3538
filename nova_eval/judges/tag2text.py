"""Tag2Text: what does a frame show, as a sentence?

Network: Tag2Text with Swin-B at 384 × 384 (xinyu1205/recognize-anything, Apache-2.0), as VBench's ``scene`` uses it:
tags are recognised, read by a text encoder that looks at the frame, and put into a sentence by a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn

from nova_eval import reading
from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError
from nova_eval.judges.beam_search import Hypothesis, beam_search
from nova_eval.judges.bert import WIDTH, Embeddings, KeysValues, Layer, Transform
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import IMAGENET_MEAN, IMAGENET_STD, each_distinct, normalised
from nova_eval.judges.resizing import resized
from nova_eval.judges.wordpiece import CLS, PAD, SEP, WordPiece
from nova_eval.protocols import Frames

SIZE, IMAGE_WIDTH = 384, 1024
TAGS, TAG_HEADS, TAG_LAYERS = 3429, 4, 2
WORDS, DEC, ENC = 30524, 30522, 30523  # bert-base-uncased and two ids: what begins a caption, what begins the tags
TAG_TEXT_LENGTH = 40
PROMPT = "a picture of "
BEAMS, MAX_LENGTH, MIN_LENGTH = 3, 30, 10  # both lengths count the prompt's four ids

OFFICIAL_TAG_THRESHOLD = 0.7
"""VBench leaves the class's default; Tag2Text itself publishes 0.68 (vbench/third_party/tag2Text/tag2text.py)."""

SUPPRESSED_TAGS = (127, 3265, 3338, 3351, 3355, 3359)  # quarter, two, three, four, five, one


class Tag2Text:
    """A ``SceneCaptioner``: one caption a frame; equal frames are captioned once.

    The official captions describe frame i // 3 in place i; that is the rule's affair (``scene``), not this judge's.
    ``weights`` is the official ``tag2text_swin_14m.pth``, ``vocabulary`` bert-base-uncased's ``vocab.txt``, ``tags``
    the 3429 tag names, one a line (defaults: where the pinned files lie). ``batch`` frames are captioned at once.
    """

    name = "tag2text"
    VERSION = "1"
    input_size = (SIZE, SIZE)

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 6,
        vocabulary: Path | None = None,
        tags: Path | None = None,
    ) -> None:
        self.hosted = Hosted(
            self.name,
            self.VERSION,
            weights="tag2text_swin_14m",
            path=weights,
            dtype=dtype,
            build=build,
            also={"bert_base_uncased_vocab": vocabulary, "tag2text_tags": tags},
        )
        self._batch = batch
        self.digest = self.hosted.digest

    def to(self, device: str) -> Tag2Text:
        self.hosted.to(device)
        return self

    def caption(self, frames: Frames) -> list[str]:
        """(N, H, W, 3), scaled to 384 × 384 by Pillow unless they are, → N captions."""
        return [self.sentence(hypothesis) for hypothesis in self.hypotheses(frames)]

    def hypotheses(self, frames: Frames) -> list[Hypothesis]:
        """The ids of each frame's caption, with their score."""
        with torch.inference_mode():
            return each_distinct(frames, self._batch, self._describe)

    def tag_text(self, logits: Tensor) -> list[str]:
        """Tag logits (N, 3429) → the names of the tags that are on, in the list's order, between bars."""
        return [" | ".join(self._tag_names[number] for number in on) for on in tags_on(logits)]

    def tag_ids(self, text: str) -> list[int]:
        """Forty ids: [ENC], the pieces of ``text`` (cut to 38), [SEP], padding."""
        ids = [ENC, *self._pieces.encode(text)[: TAG_TEXT_LENGTH - 2], SEP]
        return ids + [PAD] * (TAG_TEXT_LENGTH - len(ids))

    def sentence(self, hypothesis: Hypothesis) -> str:
        """The caption without its prompt."""
        return self._pieces.decode(number for number in hypothesis.ids if number != CLS)[len(PROMPT) :]

    @property
    def prompt_ids(self) -> list[int]:
        return [DEC, *self._pieces.encode(PROMPT)]

    def _describe(self, frames: Frames) -> list[Hypothesis]:
        network = self.hosted.network
        image = network.image_tokens(self.hosted.place(preprocess(frames)))
        ids = torch.tensor([self.tag_ids(text) for text in self.tag_text(network.tag_logits(image))])
        return network.captions(network.tag_encoder(ids.to(image.device), image), self.prompt_ids)

    @cached_property
    def _pieces(self) -> WordPiece:
        return WordPiece.read(self.hosted.files["bert_base_uncased_vocab"])

    @cached_property
    def _tag_names(self) -> list[str]:
        path = self.hosted.files["tag2text_tags"]
        names = reading.text(path, error=PrerequisiteError).splitlines()
        if len(names) != TAGS:
            raise PrerequisiteError(f"{path} names {len(names)} tags, not {TAGS}", remedy="fetch it again")
        return names


def tags_on(logits: Tensor) -> list[list[int]]:
    """Tag logits (N, 3429) → the places of the tags of each frame, number words left out."""
    on = torch.sigmoid(logits.float()) > OFFICIAL_TAG_THRESHOLD
    on[:, list(SUPPRESSED_TAGS)] = False
    return [row.nonzero()[:, 0].tolist() for row in on.cpu()]


def preprocess(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, 384, 384): Pillow's bilinear where the size differs, normalised."""
    return normalised(resized(frames, SIZE, SIZE, "bilinear"), IMAGENET_MEAN, IMAGENET_STD)


class TagEncoder(nn.Module):
    """Reads the tags while looking at the image. Its first two layers, without self-attention, also find the tags."""

    def __init__(self, depth: int = 12) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=IMAGE_WIDTH) for _ in range(depth))  # type: ignore[assignment]

    def forward(self, ids: Tensor, image: Tensor) -> Tensor:
        """Ids (B, 40), image tokens (B, 145, 1024) → (B, 40, width); padding is not seen."""
        seen = (ids != PAD)[:, None, None]
        x = self.embeddings(ids)
        for layer in self.layer:
            x = layer.attention(x, layer.attention.keys_values(x), seen)
            x = layer.feed_forward(layer.crossattention(x, layer.crossattention.keys_values(image)))
        return x  # type: ignore[no-any-return]

    def look(self, queries: Tensor, image: Tensor) -> Tensor:
        """Queries (1, n, width) that each look at every image (B, 145, 1024), with four wide heads → (B, n, width)."""
        x = queries
        for layer in self.layer[:TAG_LAYERS]:
            keys_values = layer.crossattention.keys_values(image, TAG_HEADS)
            x = layer.feed_forward(layer.crossattention(x, keys_values, heads=TAG_HEADS))
        return x


class CaptionDecoder(nn.Module):
    """A causal language model that looks at all forty places of the tags, padding included."""

    def __init__(self, depth: int = 12) -> None:
        super().__init__()
        self.embeddings = Embeddings(WORDS)
        self.layer: Sequence[Layer] = nn.ModuleList(Layer(source_width=WIDTH) for _ in range(depth))  # type: ignore[assignment]
        self.transform = Transform()
        self.bias = nn.Parameter(torch.zeros(WORDS))

    def next_words(self, ids: Tensor, start: int, past: list[KeysValues], tags: list[KeysValues]) -> Tensor:
        """Log-probabilities (B, words) of what follows ``ids`` (B, n), which stand at the places from ``start``.

        ``past`` holds every layer's keys and values of the places before and gains those of ``ids``.
        """
        x = self.embeddings(ids, start)
        places = torch.arange(start + ids.shape[1], device=ids.device)
        seen = places[None] <= places[start:, None]
        for number, layer in enumerate(self.layer):
            new = layer.attention.keys_values(x)
            if start:
                new = torch.cat([past[number][0], new[0]], dim=2), torch.cat([past[number][1], new[1]], dim=2)
                past[number] = new
            else:
                past.append(new)
            x = layer.attention(x, new, seen)
            x = layer.feed_forward(layer.crossattention(x, tags[number]))
        scores = F.linear(self.transform(x[:, -1]), self.embeddings.word_embeddings.weight, self.bias)
        return scores.float().log_softmax(-1)


class Tag2TextNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tag_encoder, self.text_decoder = TagEncoder(), CaptionDecoder()
        self.label_embed = nn.Embedding(TAGS, WIDTH)
        self.tag_weight, self.tag_bias = nn.Parameter(torch.zeros(TAGS, WIDTH)), nn.Parameter(torch.zeros(TAGS))
        self.visual_encoder: SwinTransformer | None = None

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, 384, 384) → the mean of 144 tokens, then these: (B, 145, 1024)."""
        assert self.visual_encoder is not None
        # (B, 12, 12, 1024) → (B, 144, 1024)
        tokens = self.visual_encoder.forward_features(images).flatten(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)

    def tag_logits(self, image: Tensor) -> Tensor:
        """Image tokens → (B, 3429)."""
        found = self.tag_encoder.look(self.label_embed.weight[None], image)
        return (found * self.tag_weight).sum(-1) + self.tag_bias

    def captions(self, tags: Tensor, prompt: list[int]) -> list[Hypothesis]:
        """Read tags (B, 40, width) → the best caption of each image."""
        rows = tags.repeat_interleave(BEAMS, dim=0)
        sources = [layer.crossattention.keys_values(rows) for layer in self.text_decoder.layer]
        past: list[KeysValues] = []
        length = 0

        def step(ids: Tensor, parents: Tensor) -> Tensor:
            nonlocal length, past
            parents = parents.to(tags.device)
            past = [(keys[parents], values[parents]) for keys, values in past]
            start, length = length, length + ids.shape[1]
            return self.text_decoder.next_words(ids.to(tags.device), start, past, sources)

        return beam_search(
            step,
            prompt,
            len(tags),
            beams=BEAMS,
            max_length=MAX_LENGTH,
            min_length=MIN_LENGTH,
            end=SEP,
            pad=PAD,
        )


def vision_network(depths: tuple[int, ...] = (2, 2, 18, 2)) -> SwinTransformer:
    """Swin-B with windows of 12 × 12, without a classifier; its weights are not drawn."""
    return SwinTransformer(
        img_size=SIZE,
        window_size=12,
        embed_dim=128,
        depths=depths,
        num_heads=(4, 8, 16, 32)[: len(depths)],
        num_classes=0,
        global_pool="",
        weight_init="skip",
    )


def build(state: dict[str, Tensor], path: Path) -> Tag2TextNetwork:
    """Shared parameters may be in the file once or twice; tables that follow from the window's size are not used."""
    network = unfilled(Tag2TextNetwork)
    network.visual_encoder = vision_network()
    state = {name: tensor[0] if name in {"fc.W", "fc.b"} else tensor for name, tensor in state.items()}
    pinned.apply(network, state, rename=renamed, where=str(path))
    return network


def renamed(name: str) -> str | None:
    """A published name → ours. Copies of shared parameters get the name of what they are copies of."""
    if re.search(r"(position_ids|relative_position_index|attn_mask)$", name):
        return None
    if match := re.fullmatch(r"visual_encoder\.layers\.(\d)\.downsample\.(.+)", name):
        return f"visual_encoder.layers.{int(match[1]) + 1}.downsample.{match[2]}"  # timm halves before a stage
    for published, ours in _PREFIXES.items():
        if name.startswith(published):
            return ours + name.removeprefix(published)
    return name


_PREFIXES = {
    "text_decoder.cls.predictions.decoder.weight": "text_decoder.embeddings.word_embeddings.weight",
    "text_decoder.cls.predictions.decoder.bias": "text_decoder.bias",
    "text_decoder.cls.predictions.": "text_decoder.",
    "text_decoder.bert.encoder.": "text_decoder.",
    "text_decoder.bert.": "text_decoder.",
    "tag_encoder.encoder.": "tag_encoder.",
    "vision_multi.encoder.": "tag_encoder.",
    "fc.W": "tag_weight",
    "fc.b": "tag_bias",
}
