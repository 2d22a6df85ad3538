"""CLIPScore: how well do an image and a text agree?

Network: CLIP ViT-B/32 (openai/CLIP, MIT), as T2I-CompBench uses it for ``non_spatial`` and for actions.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from nova_eval.judges.clip import build, preprocess, text_ids
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.resizing import in_batches
from nova_eval.protocols import Floats, Frames

OFFICIAL_SCORE_IS_THE_COSINE = True
"""CLIPScore is defined as 2.5 · max(cosine, 0); the official script prints the bare cosine (CLIP_similarity.py)."""


class CLIPScoreViTB32:
    """An ``ImageTextModel``: the cosine, neither scaled nor clipped. A text that CLIP would cut is refused.

    ``weights`` is the official ``ViT-B-32.pt`` (default: where the pinned file lies). The official script computes in
    half precision on a GPU: ``dtype="float16"``.
    """

    name = "clipscore_vit_b32"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32", batch: int = 32) -> None:
        self.hosted = Hosted(self.name, self.VERSION, weights="clip_vit_b32", path=weights, dtype=dtype, build=build)
        self._batch = batch
        self._texts: dict[str, Tensor] = {}
        self.digest = self.hosted.digest

    def to(self, device: str) -> CLIPScoreViTB32:
        self.hosted.to(device)
        self._texts.clear()
        return self

    def image_text_similarity(self, frames: Frames, text: str) -> Floats:
        """uint8 (N, H, W, 3) → (N,) cosines. UsageError for a text of more than 77 tokens."""
        images = F.normalize(torch.from_numpy(self.image_features(frames)), dim=-1)
        cosines: Floats = (images @ F.normalize(self.text_feature(text), dim=-1)).numpy()
        return cosines

    def image_features(self, frames: Frames) -> Floats:
        """(N, 512), not normalised: shorter side 224 by Pillow's bicubic, centre crop."""

        def features(some: Frames) -> Tensor:
            found: Tensor = self.hosted.network.visual(self.hosted.place(preprocess(some, "pil")))
            return found

        return in_batches(frames, self._batch, features)

    def text_feature(self, text: str) -> Tensor:
        """(512,) on the CPU, not normalised; computed once a text."""
        if text not in self._texts:
            ids = text_ids(text).to(self.hosted.device)
            with torch.inference_mode():
                self._texts[text] = self.hosted.network.text(ids)[0].float().cpu()
        return self._texts[text]
