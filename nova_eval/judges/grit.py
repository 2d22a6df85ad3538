"""GRiT: which objects are in a frame, where, and how would one describe them?

Network: GRiT-B for dense captions and object detection (JialianW/GRiT, MIT), as VBench's ``object_class``,
``multiple_objects``, ``spatial_relationship`` (objects) and ``color`` (dense captions) use it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges.grit_backbone import Pyramid, padded
from nova_eval.judges.grit_boxes import Cascade, ProposalHead, Regions, joined, pooled, proposals
from nova_eval.judges.grit_text import DENSE_CAPTION, OBJECT_NAME, Text, TextDecoder
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import each_distinct
from nova_eval.judges.wordpiece import WordPiece
from nova_eval.protocols import Detection, Frames

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
TEXT_POOLED = 14
REGIONS_AT_ONCE = 64  # texts written together: 7 MB of keys and values each

OFFICIAL_FULL_SIZE_LIMIT, OFFICIAL_REDUCED_SIDE = 768, 720
"""The detector's own resize is computed and thrown away: frames go in at their size unless the short side exceeds 768
(vbench/third_party/grit_src/grit/predictor.py, vbench/object_class.py). Objects are then looked for in floats resized
with antialias, dense captions in bytes resized by OpenCV (vbench/color.py)."""


class Read(NamedTuple):
    """One frame's regions, and a text of each kind asked for (``texts[kind][region]``)."""

    regions: Regions
    texts: tuple[list[Text], ...]


class Grit:
    """A ``Detector`` and a ``DenseCaptioner``: regions in the order of their box scores, empty boxes left out.

    ``score`` is the geometric mean of the box score and the probability a word of what is written, as published.
    ``weights`` is the official ``grit_b_densecap_objectdet.pth``, ``vocabulary`` bert-base-uncased's ``vocab.txt``
    (defaults: where the pinned files lie). ``batch`` frames are looked at at once. ``name`` is the judge's own.
    """

    VERSION = "1"

    def __init__(
        self,
        name: str,
        weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 4,
        vocabulary: Path | None = None,
    ) -> None:
        self.name = name
        self.hosted = Hosted(
            name,
            self.VERSION,
            weights="grit_b",
            path=weights,
            dtype=dtype,
            build=build,
            also={"bert_base_uncased_vocab": vocabulary},
        )
        self.digest = self.hosted.digest
        self._batch = batch

    def to(self, device: str) -> Grit:
        self.hosted.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the objects of each frame with their names."""
        return [self.detections(frame) for frame in self.read(frames, reduced_floats, (OBJECT_NAME,))]

    def describe(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the regions of each frame with names and captions."""
        return [self.detections(frame) for frame in self.read(frames, reduced_bytes, (DENSE_CAPTION, OBJECT_NAME))]

    def read(self, frames: Frames, reduced: Callable[[Frames], Tensor], kinds: tuple[int, ...]) -> list[Read]:
        """(N, H, W, 3) → regions and one text of each of ``kinds`` a region; equal frames are read once."""
        with torch.inference_mode():
            return each_distinct(frames, self._batch, lambda some: self._read(reduced(some), kinds))

    def detections(self, read: Read) -> list[Detection]:
        """The first kind of text gives the score and, where it is not the name, the caption; the last is the name."""
        written, named = read.texts[0], read.texts[-1]
        detections = []
        for number, (x0, y0, x1, y1) in enumerate(read.regions.boxes.tolist()):
            if x1 > x0 and y1 > y0:
                score = math.sqrt(float(read.regions.scores[number]) * math.exp(written[number].log_probability))
                caption = self.words(written[number]) if written is not named else ""
                detections.append(Detection(self.words(named[number]), (x0, y0, x1, y1), score, caption))
        return detections

    def words(self, text: Text) -> str:
        """The text without the id that it starts from."""
        return self._pieces.decode(text.ids[1:])

    def _read(self, images: Tensor, kinds: tuple[int, ...]) -> list[Read]:
        """(N, 3, H, W) in 0…255."""
        network = self.hosted.network
        size = (images.shape[2], images.shape[3])
        levels = network.backbone(self.hosted.place(padded(normalised_pixels(images))))
        regions = network.cascade(levels, proposals(network.proposals(levels)), size)
        texts = network.texts(levels, *joined([found.boxes for found in regions]), kinds)
        reads = []
        for found in regions:
            own = tuple(kind[: len(found.boxes)] for kind in texts)
            texts = [kind[len(found.boxes) :] for kind in texts]
            reads.append(Read(Regions(found.boxes.cpu(), found.scores.cpu()), own))
        return reads

    @cached_property
    def _pieces(self) -> WordPiece:
        return WordPiece.read(self.hosted.files["bert_base_uncased_vocab"])


GritObjectDetector, GritDenseCaptioner = partial(Grit, "grit_object_det"), partial(Grit, "grit_dense_cap")


class GritNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.proposals = Pyramid(), ProposalHead()
        self.cascade, self.text = Cascade(), TextDecoder()

    def texts(self, levels: list[Tensor], boxes: Tensor, owners: Tensor, kinds: tuple[int, ...]) -> list[list[Text]]:
        """For each of ``kinds`` a text a box; the features of a box are looked at once."""
        texts: list[list[Text]] = [[] for _ in kinds]
        for start in range(0, len(boxes), REGIONS_AT_ONCE):
            some = slice(start, start + REGIONS_AT_ONCE)
            # (n, 256, 14, 14) → (n, 196, 256)
            seen = self.text.look(pooled(levels, boxes[some], owners[some], TEXT_POOLED).flatten(2).transpose(1, 2))
            for own, kind in zip(texts, kinds, strict=True):
                own.extend(self.text.write(seen, kind))
        return texts


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a frame is looked at."""
    short = min(height, width)
    if short <= OFFICIAL_FULL_SIZE_LIMIT:
        return height, width
    scale = OFFICIAL_REDUCED_SIDE / short
    return int(scale * height), int(scale * width)


def reduced_floats(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, h, w) in 0…255; bilinear with antialias where the frame is large."""
    images = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()
    size = reduced_size(*frames.shape[1:3])
    if size == frames.shape[1:3]:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)


def reduced_bytes(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, h, w) in 0…255, whole numbers; OpenCV's bilinear where the frame is large."""
    height, width = reduced_size(*frames.shape[1:3])
    if (height, width) != frames.shape[1:3]:
        import cv2

        frames = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in frames])
    return torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float()


def normalised_pixels(images: Tensor) -> Tensor:
    """(N, 3, H, W) in 0…255, less the mean of each channel, over its deviation."""
    return (images - images.new_tensor(MEAN).view(3, 1, 1)) / images.new_tensor(STD).view(3, 1, 1)


def build(state: dict[str, Tensor], path: Path) -> GritNetwork:
    """The mask head and the state of training are not used; the word table may be in the file once or twice."""
    network = unfilled(GritNetwork)
    pinned.apply(network, state, rename=renamed, where=str(path))
    return network


def renamed(name: str) -> str | None:
    """A published name → ours."""
    if re.match(r"(roi_heads\.(mask_head|text_decoder_det)\.|pixel_(mean|std)$)", name):
        return None
    for published, ours in _PREFIXES.items():
        if name.startswith(published):
            return ours + name.removeprefix(published)
    return name


_PREFIXES = {
    "proposal_generator.centernet_head.": "proposals.",
    "roi_heads.box_head.": "cascade.box_head.",
    "roi_heads.box_predictor.": "cascade.box_predictor.",
    "roi_heads.text_decoder.textual.output.weight": "text.embedding.words.weight",
    "roi_heads.text_decoder.textual.output.bias": "text.bias",
    "roi_heads.text_decoder.textual.transformer.encoder.": "text.",
    "roi_heads.text_decoder.textual.": "text.",
}
