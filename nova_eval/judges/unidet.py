"""UniDet: which objects of 722 classes are in an image, and where?

Network: UniDet (xingyizhou/UniDet, Apache-2.0) trained on COCO, Objects365, OpenImages and Mapillary with one learned
label space, on ResNet-50 and on ResNeSt-200, as T2I-CompBench's spatial, numeracy and complex categories use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import reading
from nova_eval import weights as pinned
from nova_eval.judges.grit_backbone import CHANNELS, Coarsest, padded
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import each_distinct
from nova_eval.judges.resnest import WIDTHS, NormedConv, Trunk, resnest_200, resnet_50
from nova_eval.judges.unidet_boxes import Found, NamingCascade, Proposer
from nova_eval.protocols import Detection, Frames

Channels: TypeAlias = tuple[float, float, float]

R50_MEAN, R50_STD = (103.53, 116.28, 123.675), (1.0, 1.0, 1.0)  # of blue, green, red
RS200_MEAN, RS200_STD = (123.68, 116.779, 103.939), (58.393, 57.12, 57.375)

OFFICIAL_RS200_SEES_BLUE_FIRST = True
"""The loader hands both networks blue, green, red, although ResNeSt-200 was trained on red, green, blue, the order of
its mean above (UniDet_eval/experts/obj_detection/generate_dataset.py)."""


class UniDetector:
    """A ``Detector``: at most 300 objects a frame with a score above 0.1, boxes in the frame's pixels.

    Frames are seen at the size they have; T2I-CompBench's rules shrink them to the official one. ``name`` is
    ``"unidet_r50"`` or ``"unidet_rs200"``, ``weights`` the official ``Unified_learned_OCIM_R50_6x+2x.pth`` or
    ``…_RS200_6x+2x.pth`` (default: where the pinned file lies). ``batch`` frames are seen at once.
    """

    VERSION = "1"

    def __init__(self, name: str, weights: Path | None = None, dtype: str = "float32", *, batch: int = 8) -> None:
        self.name, (build, self._mean, self._std) = name, TRUNKS[name]
        self.hosted = Hosted(name, self.VERSION, weights=name, path=weights, dtype=dtype, build=build)
        self.digest = self.hosted.digest
        self._batch = batch

    def to(self, device: str) -> UniDetector:
        self.hosted.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the objects of each frame, surest first."""
        size, hosted = (frames.shape[1], frames.shape[2]), self.hosted

        def look(some: Frames) -> list[list[Detection]]:
            images = hosted.place(preprocess(some, self._mean, self._std))
            return [named(found) for found in hosted.network(images, size)]

        with torch.inference_mode():
            return each_distinct(frames, self._batch, look)


UniDetR50, UniDetRS200 = partial(UniDetector, "unidet_r50"), partial(UniDetector, "unidet_rs200", batch=4)


@cache
def labels() -> Sequence[str]:
    """The names of the 722 classes, as the official scripts read them from ``dataset/detection_features.pt``.

    Several classes share a name, merged ones have several (``"table, desk"``), and one ends in a blank (``"tissue "``).
    """
    return tuple(reading.json_file(Path(__file__).with_name("unidet_labels.json"), list[str]))


class UniDet(nn.Module):
    """A trunk, its pyramid, proposals, and three stages that refine and name them."""

    def __init__(self, backbone: nn.Module, convolved: bool) -> None:
        super().__init__()
        self.backbone, self.proposal_generator = backbone, Proposer()
        self.roi_heads = NamingCascade(convolved)

    def forward(self, images: Tensor, size: tuple[int, int]) -> list[Found]:
        """(B, 3, H, W), normalised and padded from ``size`` (height, width) → the objects of each image."""
        levels = self.backbone(images)
        return self.roi_heads(levels, self.proposal_generator(levels, size), size)  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """Five maps of 256 channels at strides 8 to 128: three of the trunk, mixed with those above, and two more."""

    def __init__(self, trunk: Trunk, normed: bool) -> None:
        super().__init__()
        self.bottom_up, self.top_block = trunk, Coarsest()
        convolution: Callable[[int, int, int], nn.Module] = NormedConv if normed else _with_bias
        for number, width in zip((3, 4, 5), WIDTHS[1:], strict=True):
            self.add_module(f"fpn_lateral{number}", convolution(width, CHANNELS, 1))
            self.add_module(f"fpn_output{number}", convolution(CHANNELS, CHANNELS, 3))

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) with sides divisible by 32 → p3, p4, p5, p6, p7."""
        levels: list[Tensor] = []
        above: Tensor | None = None
        for number, source in reversed(list(zip((3, 4, 5), self.bottom_up(images), strict=True))):
            lateral = self.get_submodule(f"fpn_lateral{number}")(source)
            above = lateral if above is None else lateral + F.interpolate(above, scale_factor=2.0, mode="nearest")
            levels.insert(0, self.get_submodule(f"fpn_output{number}")(above))
        return [*levels, *self.top_block(levels[-1])]


def _with_bias(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def unidet_r50() -> UniDet:
    return UniDet(Pyramid(resnet_50(), normed=False), convolved=False)


def unidet_rs200() -> UniDet:
    return UniDet(Pyramid(resnest_200(), normed=True), convolved=True)


def preprocess(frames: Frames, mean: Channels, std: Channels) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, h, w): blue, green, red in 0…255, normalised, zeros to the right and below."""
    images = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1])).permute(0, 3, 1, 2).float()
    return padded((images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1))


def named(found: Found) -> list[Detection]:
    """The objects of a frame with their names."""
    rows = zip(found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
    return [Detection(labels()[number], (box[0], box[1], box[2], box[3]), score) for box, score, number in rows]


_CONSTANTS = re.compile(r"pixel_(mean|std)|proposal_generator\.anchor_generator\..*|.*\.num_batches_tracked")


def build_r50(state: dict[str, Tensor], path: Path) -> UniDet:
    return _filled(unidet_r50, state, path)


def build_rs200(state: dict[str, Tensor], path: Path) -> UniDet:
    return _filled(unidet_rs200, state, path)


def _filled(make: Callable[[], UniDet], state: dict[str, Tensor], path: Path) -> UniDet:
    """Constants that some releases of detectron2 wrote beside the weights are not used."""
    network = unfilled(make)
    kept = {name: tensor for name, tensor in state.items() if not _CONSTANTS.fullmatch(name)}
    pinned.apply(network, kept, ignore=[r".*\.num_batches_tracked"], where=str(path))
    return network


TRUNKS: Mapping[str, tuple[Callable[[dict[str, Tensor], Path], UniDet], Channels, Channels]] = {
    "unidet_r50": (build_r50, R50_MEAN, R50_STD),
    "unidet_rs200": (build_rs200, RS200_MEAN, RS200_STD),
}
"""How each is built from its weights, and its mean and deviation of blue, green and red."""
