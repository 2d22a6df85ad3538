"""The color of an object: CLIP ViT-L/14 told what the object is and asked which of ten colors it has.

Network: CLIP (openai/CLIP, MIT). Source: djghosh13/geneval, evaluation/evaluate_images.py, and the zero-shot classifier
of clip-benchmark 1.4.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nova_eval.errors import MediaError, UsageError
from nova_eval.judges.clip import build, preprocess, tokenize
from nova_eval.judges.hosting import Hosted
from nova_eval.protocols import Detection, Floats, Frames

CLIP = "clip_vit_l14"
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
TEMPLATES = ("a photo of a {color} {name}", "a photo of a {color}-colored {name}", "a photo of a {color} object")
LOGIT_SCALE = 100.0
BACKGROUND = "#999"
KEEP_BACKGROUND = "original"


@dataclass(frozen=True, slots=True)
class ObjectView:
    """What is shown of an object: before which color (None: the image itself), and whether only its box."""

    background: tuple[int, ...] | None
    crop: bool

    def of(self, frame: Frames, found: Detection) -> Frames:
        """uint8 (h, w, 3). A box's corners round half to even, and what it has outside the image is black.

        MediaError for a box without extent.
        """
        from PIL import Image

        image = Image.fromarray(frame)
        if found.mask is not None and self.background is not None:
            ground = Image.new("RGB", image.size, self.background)
            image = Image.composite(image, ground, Image.fromarray(np.asarray(found.mask, bool)))
        return np.array(image.crop(_corners(found)) if self.crop else image)


def view(background: str = BACKGROUND, *, crop: bool = True) -> ObjectView:
    """``background`` is a color's name or number, or ``"original"``. UsageError for another text."""
    return ObjectView(None if background == KEEP_BACKGROUND else _rgb(background), crop)


class ColorNamer:
    """Names the colors of objects in an image, as ``view`` shows them.

    Both towers of CLIP compute in ``dtype``, ``batch`` objects or texts at once; they are compared in float32.
    """

    def __init__(
        self, judge: str, version: str, *, weights: Path | None, dtype: str, view: ObjectView, batch: int = 16
    ) -> None:
        self.view, self._batch = view, batch
        self.hosted = Hosted(judge, version, weights=CLIP, path=weights, dtype=dtype, build=build)
        self._texts: dict[str, Tensor] = {}

    def to(self, device: str) -> None:
        self.hosted.to(device)
        self._texts.clear()

    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """(H, W, 3) and objects in it → the color of each. MediaError for an object without extent."""
        return [COLORS[place] for place in self.logits(frame, objects).argmax(1)] if objects else []

    def logits(self, frame: Frames, objects: Sequence[Detection]) -> Floats:
        """(N, 10): 100 times the cosine of each object with each color."""
        features = F.normalize(torch.from_numpy(self.features(frame, objects)), dim=-1)
        classifiers = {name: self.classifier(name) for name in {found.label for found in objects}}
        rows = [feature @ classifiers[found.label] for feature, found in zip(features, objects, strict=True)]
        logits: Floats = (LOGIT_SCALE * torch.stack(rows)).numpy()
        return logits

    def features(self, frame: Frames, objects: Sequence[Detection]) -> Floats:
        """(N, 768) image features of the objects, not normalised."""
        images = self.inputs(frame, objects)
        with torch.inference_mode():
            parts = [self.hosted.network.visual(self.hosted.place(some)).float().cpu() for some in self._parts(images)]
        features: Floats = torch.cat(parts).numpy()
        return features

    def inputs(self, frame: Frames, objects: Sequence[Detection]) -> Tensor:
        """(N, 3, 224, 224): what CLIP sees of each object."""
        return torch.cat([preprocess(self.view.of(frame, found)[None], "pil") for found in objects])

    def classifier(self, name: str) -> Tensor:
        """(768, 10) float32 on the CPU: for each color the direction of its three texts about ``name``."""
        features = self.text_features([text for color in COLORS for text in texts(color, name)])
        # (10 · texts, 768) → (10, texts, 768)
        by_color = F.normalize(torch.from_numpy(features), dim=-1).reshape(len(COLORS), len(TEMPLATES), -1)
        return F.normalize(by_color.mean(1), dim=-1).T

    def text_features(self, lines: Sequence[str]) -> Floats:
        """(N, 768) features of texts, not normalised. A text is read once: a third of them are every object's."""
        new = [line for line in dict.fromkeys(lines) if line not in self._texts]
        if new:
            tokens = torch.cat([tokenize(line) for line in new]).to(self.hosted.device)
            with torch.inference_mode():
                parts = [self.hosted.network.text(some).float().cpu() for some in self._parts(tokens)]
            self._texts.update(zip(new, torch.cat(parts), strict=True))
        features: Floats = torch.stack([self._texts[line] for line in lines]).numpy()
        return features

    def _parts(self, tensor: Tensor) -> Sequence[Tensor]:
        return [tensor[start : start + self._batch] for start in range(0, len(tensor), self._batch)]


def texts(color: str, name: str) -> list[str]:
    """What is said of an object of that name in that color; the article is always "a"."""
    return [template.format(color=color, name=name) for template in TEMPLATES]


def _rgb(color: str) -> tuple[int, ...]:
    from PIL import ImageColor

    try:
        return ImageColor.getrgb(color)[:3]
    except ValueError as error:
        raise UsageError(
            f"background {color!r} is not a color", remedy=f"such as {BACKGROUND}, or {KEEP_BACKGROUND}"
        ) from error


def _corners(found: Detection) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = (round(side) for side in found.box)
    if x1 <= x0 or y1 <= y0:
        raise MediaError(f"the {found.label} at {found.box} has no extent, so it has no color")
    return x0, y0, x1, y1
