"""GenEval's judge: which of 80 objects are in an image, with which masks, and which of ten colors do they have?

Two hosts of one detector: transformers (``geneval_objects``) and mmdet itself (``geneval_objects_mmdet``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from nova_eval import reading
from nova_eval import weights as pinned
from nova_eval.errors import UsageError
from nova_eval.judges import mask2former, mask2former_mmdet
from nova_eval.judges.geneval_colors import BACKGROUND, CLIP, ColorNamer, view
from nova_eval.judges.hosting import Hosted
from nova_eval.judges.mask2former_instances import Instances, preprocess
from nova_eval.judges.pixels import each_distinct
from nova_eval.protocols import Detection, Frames

WEIGHTS = "mask2former_swin_s"
HOSTS: Mapping[str, tuple[str, Callable[[dict[str, Tensor], Path], nn.Module]]] = {  # → the judge's name
    "transformers": ("geneval_objects", mask2former.build),
    "mmdet": ("geneval_objects_mmdet", mask2former_mmdet.build),
}


class GenEvalObjects:
    """A ``ColoredObjectDetector`` of the 80 COCO classes: 100 objects an image, surest first, however unsure.

    ``weights`` is OpenMMLab's Mask2Former Swin-S, ``clip`` the official ``ViT-L-14.pt`` (default: where the pinned
    files lie). ``batch`` images are looked at at once. ``background`` and ``crop`` are those of ``view``. ``host`` is
    ``"transformers"``, or ``"mmdet"``, which computes in float32 alone and must be installed: PrerequisiteError else.
    """

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
        host: str = "transformers",
    ) -> None:
        if host == "mmdet":
            mask2former_mmdet.require_installed()
            if dtype != "float32":
                raise UsageError(f"mmdet's Mask2Former computes in float32, not in {dtype}", remedy="leave dtype out")
        self.name, build = HOSTS[host]
        version, clip = _version(self.VERSION, background, crop), pinned.locate(CLIP) if clip is None else clip
        self.finder = ObjectFinder(
            self.name, version, build, weights=weights, dtype=dtype, batch=batch, also={CLIP: clip}
        )
        self.namer = ColorNamer(self.name, version, weights=clip, dtype=dtype, view=view(background, crop=crop))
        self.digest = self.finder.hosted.digest

    def to(self, device: str) -> GenEvalObjects:
        self.finder.hosted.to(device)
        self.namer.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """uint8 (N, H, W, 3) → the objects of each image."""
        return self.finder.detect(frames)

    def colors(self, frame: Frames, objects: Sequence[Detection]) -> list[str]:
        """(H, W, 3) and objects in it → the color of each."""
        return self.namer.colors(frame, objects)


GenEvalObjectsMMDet = partial(GenEvalObjects, host="mmdet")


class ObjectFinder:
    """The detector behind both judges; ``also`` are further files that its digest covers.

    The network that ``build`` makes has a method ``instances(images, height, width)`` → one ``Instances`` an image.
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
        also: Mapping[str, Path | None],
    ) -> None:
        self.hosted = Hosted(judge, version, weights=WEIGHTS, path=weights, dtype=dtype, build=build, also=also)
        self._batch = batch

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """uint8 (N, H, W, 3) → the objects of each image; equal images are looked at once."""
        with torch.inference_mode():
            return each_distinct(frames, self._batch, self._found)

    def _found(self, frames: Frames) -> list[list[Detection]]:
        height, width = frames.shape[1:3]
        images, network = self.hosted.place(preprocess(frames)), cast(Any, self.hosted.network)
        return [_detections(found) for found in network.instances(images, height, width)]


@cache
def names() -> tuple[str, ...]:
    """What the 80 classes of COCO are called in GenEval's prompts, in the order of the detector's labels."""
    return tuple(reading.text(Path(__file__).with_name("geneval_objects.txt")).splitlines())


def _detections(found: Instances) -> list[Detection]:
    return [
        Detection(names()[label], box, score, mask=mask)
        for label, score, box, mask in zip(found.labels, found.scores, found.boxes, found.masks, strict=True)
    ]


def _version(version: str, background: str, crop: bool) -> str:
    """Names the settings where they are not the official ones."""
    official = (background, crop) == (BACKGROUND, True)
    return version if official else f"{version}-{background}-{'crop' if crop else 'whole'}"
