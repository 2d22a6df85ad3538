"""LAION's aesthetic predictor: how much would people like a frame, from 1 to 10?

Network: a linear head (LAION-AI/aesthetic-predictor, MIT) on CLIP ViT-L/14 (openai/CLIP, MIT), as VBench's
``aesthetic_quality`` uses it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges.clip import preprocess, vision_tower
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.resizing import in_batches
from nova_eval.protocols import Floats, Frames

HEAD = "laion_aesthetic_head"


class LaionAesthetic:
    """An ``AestheticModel``: a rating of every frame, not clamped.

    ``weights`` is the official ``ViT-L-14.pt``, ``head`` the ``sa_0_4_vit_l_14_linear.pth`` (default: where the pinned
    files lie).
    """

    name = "laion_aesthetic"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 16,
        head: Path | None = None,
    ) -> None:
        head = pinned.locate(HEAD) if head is None else head
        self._hosted = Hosted(
            self.name,
            self.VERSION,
            weights="clip_vit_l14",
            path=weights,
            dtype=dtype,
            build=partial(build, head=head),
            also={HEAD: head},
        )
        self._batch = batch
        self.digest = self._hosted.digest

    def to(self, device: str) -> LaionAesthetic:
        self._hosted.to(device)
        return self

    def encode_images(self, frames: Frames) -> Floats:
        """uint8 (N, H, W, 3) → (N, 768) image features, not normalised."""

        def features(some: Frames) -> Tensor:
            images = preprocess(some, "tensor", self._hosted.device)
            found: Tensor = self._hosted.network.visual(self._hosted.place(images))
            return found

        return in_batches(frames, self._batch, features)

    def rate(self, features: Floats) -> Floats:
        """(N, 768) image features → (N,) ratings: the head on the unit features, in float32."""
        head = self._hosted.network.head
        with torch.inference_mode():
            unit = F.normalize(torch.from_numpy(features), dim=-1)
            ratings: Floats = F.linear(unit, head.weight.float().cpu(), head.bias.float().cpu())[:, 0].numpy()
        return ratings

    def aesthetic(self, frames: Frames) -> Floats:
        """uint8 (N, H, W, 3) → (N,) ratings."""
        return self.rate(self.encode_images(frames))


class Predictor(nn.Module):
    def __init__(self, visual: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.visual, self.head = visual, head


def build(state: dict[str, Tensor], path: Path, head: Path) -> Predictor:
    linear = nn.Linear(768, 1)
    pinned.apply(linear, pinned.load_state_dict(head, pinned.entry(HEAD).wrapping), where=str(head))
    return Predictor(vision_tower(state, path), linear)
