"""GenEval's judge: which of 80 objects are in an image, with which masks, and which of ten colours do they have?

Two hosts of one detector: transformers (``geneval_objects``) and mmdet itself (``geneval_objects_mmdet``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges import mask2former, mask2former_mmdet
from nova_eval.judges.geneval_colors import BACKGROUND, CLIP, ColorNamer
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.mask2former_instances import Instances, preprocess
from nova_eval.judges.pixels import each_distinct
from nova_eval.prompts.geneval import OBJECTS
from nova_eval.protocols import Detection, Frames

WEIGHTS = "mask2former_swin_s"
COLORED_AT_ONCE = 16  # objects


class GenEvalObjects:
    """A ``ColoredObjectDetector`` of the 80 COCO classes: 100 objects an image, surest first, however unsure.

    ``weights`` is OpenMMLab's Mask2Former Swin-S, ``clip`` the official ``ViT-L-14.pt`` (default: where the pinned
    files lie). ``batch`` images are looked at at once. ``background`` and ``crop`` are those of ``ColorNamer``.
    """

    name = "geneval_objects"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 4,
        clip: Path | None = None,
        *,
        background: str = BACKGROUND,
        crop: bool = True,
    ) -> None:
        self.looker = Looker(
            self.name,
            self.VERSION,
            mask2former.build,
            weights=weights,
            dtype=dtype,
            batch=batch,
            clip=clip,
            background=background,
            crop=crop,
        )
        self.digest = self.looker.hosted.digest

    def to(self, device: str) -> GenEvalObjects:
        self.looker.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """uint8 (N, H, W, 3) → the objects of each image."""
        return self.looker.detect(frames)

    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """(H, W, 3) and objects in it → the colour of each."""
        return self.looker.namer.colors(frame, objects)


class GenEvalObjectsMMDet:
    """The same questions, files and settings, with mmdet 3 as the detector's host and after it.

    PrerequisiteError when mmdet is not installed.
    """

    name = "geneval_objects_mmdet"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 4,
        clip: Path | None = None,
        *,
        background: str = BACKGROUND,
        crop: bool = True,
    ) -> None:
        mask2former_mmdet.require_installed()
        self.looker = Looker(
            self.name,
            self.VERSION,
            mask2former_mmdet.build,
            weights=weights,
            dtype=dtype,
            batch=batch,
            clip=clip,
            background=background,
            crop=crop,
        )
        self.digest = self.looker.hosted.digest

    def to(self, device: str) -> GenEvalObjectsMMDet:
        self.looker.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """uint8 (N, H, W, 3) → the objects of each image."""
        return self.looker.detect(frames)

    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """(H, W, 3) and objects in it → the colour of each."""
        return self.looker.namer.colors(frame, objects)


class Looker:
    """The two networks behind a judge. Their files and settings make its digest.

    The detector's network has a method ``instances(images, height, width)`` → one ``Instances`` an image.
    """

    def __init__(
        self,
        judge: str,
        version: str,
        build: Callable[[dict[str, Tensor], Path], nn.Module],
        *,
        weights: Path | None,
        dtype: str,
        batch: int,
        clip: Path | None,
        background: str,
        crop: bool,
    ) -> None:
        if (background, crop) != (BACKGROUND, True):
            version = f"{version}-{background}-{'crop' if crop else 'whole'}"
        clip = pinned.locate(CLIP) if clip is None else clip
        self.hosted = Hosted(judge, version, weights=WEIGHTS, path=weights, dtype=dtype, build=build, also={CLIP: clip})
        self.namer = ColorNamer(
            judge, version, weights=clip, dtype=dtype, batch=COLORED_AT_ONCE, background=background, crop=crop
        )
        self._batch = batch

    def to(self, device: str) -> None:
        self.hosted.to(device)
        self.namer.to(device)

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """uint8 (N, H, W, 3) → the objects of each image; equal images are looked at once."""
        with torch.inference_mode():
            return each_distinct(frames, self._batch, self._found)

    def _found(self, frames: Frames) -> list[list[Detection]]:
        height, width = frames.shape[1:3]
        images = self.hosted.place(preprocess(frames))
        network: Any = self.hosted.network
        return [_detections(found) for found in network.instances(images, height, width)]


def _detections(found: Instances) -> list[Detection]:
    return [
        Detection(OBJECTS[label], box, score, mask=mask)
        for label, score, box, mask in zip(found.labels, found.scores, found.boxes, found.masks, strict=True)
    ]
