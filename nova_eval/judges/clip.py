"""CLIP: what does a frame show, and does it agree with a text?

Network: CLIP (openai/CLIP, MIT) in open_clip's modules, which keep the published names. VBench asks ViT-B/32 for
``background_consistency`` and ``appearance_style`` and ViT-L/14 for ``aesthetic_quality``, T2I-CompBench the former for
``non_spatial`` and for actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.judges.clip_blocks import ImageTransformer, QuickGELU
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import CLIP_MEAN, CLIP_STD
from nova_eval.judges.resizing import Resampling, centre_crop, in_batches, normalise, shrink
from nova_eval.protocols import Floats, Frames

SIZE, CONTEXT, HEAD_WIDTH = 224, 77, 64
PUBLISHED_LOGIT_SCALE = 100.0
OPENAI_SPECIAL_TOKENS = ("<|startoftext|>", "<|endoftext|>")
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # facts that the published archives hold as tensors


class CLIPViTB32:
    """An ``ImageEncoder`` and an ``ImageTextModel``.

    ``weights`` is the official ``ViT-B-32.pt`` (default: where the pinned file lies). ``resampling`` is how
    ``encode_images`` shrinks frames: ``"pil"`` where the official code reads folders of frames. ``name`` is the judge's
    own; ``scaled`` says whether the file's logit scale counts in similarities.
    """

    name = "clip_vit_b32"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 32,
        resampling: Resampling = "tensor",
        *,
        name: str = name,
        scaled: bool = True,
    ) -> None:
        self.name, self._scaled = name, scaled
        version = self.VERSION if resampling == "tensor" else f"{self.VERSION}-{resampling}"
        self._hosted = Hosted(name, version, weights=CLIPViTB32.name, path=weights, dtype=dtype, build=build)
        self._batch, self._resampling = batch, resampling
        self._texts: dict[str, Tensor] = {}
        self.digest = self._hosted.digest

    def to(self, device: str) -> CLIPViTB32:
        self._hosted.to(device)
        self._texts.clear()
        return self

    def encode_images(self, frames: Frames, resampling: Resampling | None = None) -> Floats:
        """uint8 (N, H, W, 3) → (N, 512) features, not normalised."""

        def features(some: Frames) -> Tensor:
            images = preprocess(some, resampling or self._resampling, self._hosted.device)
            found: Tensor = self._hosted.network.visual(self._hosted.place(images))
            return found

        return in_batches(frames, self._batch, features)

    def encode_text(self, text: str) -> Floats:
        """(512,) feature of ``text``, not normalised. UsageError for a text of more than 77 tokens."""
        if text not in self._texts:
            tokens = text_ids(text).to(self._hosted.device)
            with torch.inference_mode():
                self._texts[text] = self._hosted.network.text(tokens)[0].float().cpu()
        feature: Floats = self._texts[text].numpy()
        return feature

    def image_text_similarity(self, frames: Frames, text: str) -> Floats:
        """uint8 (N, H, W, 3) → (N,) cosines, or logits / 100, which is the same with the published logit scale of 100.

        Frames are shrunk by Pillow whatever ``resampling`` says. UsageError for a text of more than 77 tokens.
        """
        images = F.normalize(torch.from_numpy(self.encode_images(frames, "pil")), dim=-1)
        words = F.normalize(torch.from_numpy(self.encode_text(text)), dim=-1)
        if not self._scaled:
            cosines: Floats = (images @ words).numpy()
            return cosines
        scale = self._hosted.network.logit_scale.float().exp().cpu()
        similarity: Floats = (scale * images @ words / PUBLISHED_LOGIT_SCALE).numpy()
        return similarity


OFFICIAL_SCORE_IS_THE_COSINE = True
"""CLIPScore is defined as 2.5 · max(cosine, 0); the official script prints the bare cosine (CLIP_similarity.py)."""

CLIPScoreViTB32 = partial(CLIPViTB32, name="clipscore_vit_b32", scaled=not OFFICIAL_SCORE_IS_THE_COSINE)
"""The cosine, neither scaled nor clipped. The official script computes in half precision on a GPU:
``dtype="float16"``."""


def preprocess(frames: Frames, resampling: Resampling = "tensor", device: str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) → (N, 3, 224, 224): shorter side 224 bicubic, centre crop, normalised."""
    return normalise(centre_crop(shrink(frames, SIZE, "bicubic", resampling, device), SIZE), CLIP_MEAN, CLIP_STD)


def tokenize(text: str) -> Tensor:
    """(1, 77) token ids as open_clip reads ``text``, zeros after its end; a longer one is cut."""
    from open_clip.tokenizer import SimpleTokenizer

    tokens: Tensor = SimpleTokenizer(context_length=CONTEXT)([text])
    return tokens


def text_ids(text: str) -> Tensor:
    """(1, 77) token ids as OpenAI's package reads ``text``, zeros after its end. UsageError when they do not fit."""
    pairs = byte_pairs()
    if len(pairs.encode(text)) + 2 > CONTEXT:
        raise UsageError(f"the text has more than CLIP's {CONTEXT} tokens: {text[:60]!r} …", remedy="shorten it")
    ids: Tensor = pairs([text], context_length=CONTEXT)
    return ids


@lru_cache(maxsize=1)
def byte_pairs() -> Any:
    """open_clip's tokenizer with the start and end of a text spelt as OpenAI's spells them, should a text hold them."""
    import regex  # type: ignore[import-untyped]
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer: Any = SimpleTokenizer(context_length=CONTEXT)
    for spelt, number in zip(OPENAI_SPECIAL_TOKENS, tokenizer.all_special_ids, strict=True):
        tokenizer.encoder[spelt], tokenizer.cache[spelt] = number, spelt
    _, words = tokenizer.pat.pattern.split("|'s|", 1)
    special = "|".join(map(regex.escape, OPENAI_SPECIAL_TOKENS))
    tokenizer.pat = regex.compile(f"{special}|'s|{words}", regex.IGNORECASE)
    return tokenizer


class CLIP(nn.Module):
    """Two towers and the logarithm of the logit scale."""

    def __init__(self, visual: nn.Module, text: nn.Module, logit_scale: Tensor) -> None:
        super().__init__()
        self.visual, self.text = visual, text
        self.register_buffer("logit_scale", logit_scale)
        self.logit_scale: Tensor


def vision_tower(state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The image tower, its sizes read off the published names ``visual.…``."""
    from open_clip.transformer import VisionTransformer

    tower = {name.removeprefix("visual."): value for name, value in state.items() if name.startswith("visual.")}
    width, _, _, patch = _shape(tower, "conv1.weight", 4, path)

    def make() -> nn.Module:
        network: nn.Module = VisionTransformer(
            image_size=SIZE,
            patch_size=patch,
            width=width,
            layers=0,
            heads=width // HEAD_WIDTH,
            mlp_ratio=4.0,
            output_dim=_shape(tower, "proj", 2, path)[1],
        )
        network.transformer = ImageTransformer(width, _layers(tower), width // HEAD_WIDTH)
        return network

    network = unfilled(make)
    pinned.apply(network, tower, where=str(path))
    return network


def text_tower(state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """The text tower: every published name that is not the image tower's."""
    from open_clip.transformer import TextTransformer

    tower = {name: value for name, value in state.items() if not name.startswith("visual.")}
    vocabulary, width = _shape(tower, "token_embedding.weight", 2, path)
    network: nn.Module = TextTransformer(
        context_length=CONTEXT,
        vocab_size=vocabulary,
        width=width,
        heads=width // HEAD_WIDTH,
        layers=_layers(tower),
        output_dim=_shape(tower, "text_projection", 2, path)[1],
        act_layer=QuickGELU,
    )
    pinned.apply(network, tower, ignore=(*NOT_WEIGHTS, "logit_scale"), where=str(path))
    return network


def build(state: dict[str, Tensor], path: Path) -> CLIP:
    scale = state.get("logit_scale", torch.tensor(PUBLISHED_LOGIT_SCALE).log())
    return CLIP(vision_tower(state, path), text_tower(state, path), scale.float().reshape(()))


def _layers(tower: Mapping[str, Tensor]) -> int:
    return len({name.split(".")[2] for name in tower if name.startswith("transformer.resblocks.")})


def _shape(tower: Mapping[str, Tensor], name: str, rank: int, path: Path) -> tuple[int, ...]:
    if name not in tower or tower[name].ndim != rank:
        raise PrerequisiteError(f"{path} holds no CLIP: {name} is missing", remedy="it is not the published file")
    return tuple(tower[name].shape)
