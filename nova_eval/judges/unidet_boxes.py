"""UniDet's regions: proposals around anchors, refined and named in three stages.

Structure and parameter names: Faster and Cascade R-CNN of detectron2 (facebookresearch, Apache-2.0) as UniDet
(xingyizhou/UniDet, Apache-2.0) uses them. Boxes are (x0, y0, x1, y1) in pixels, float32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms

from nova_eval.judges.grit_backbone import CHANNELS, STRIDES
from nova_eval.judges.grit_boxes import DELTA_WEIGHTS, HIDDEN, POOLED, BoxHead, Regions, clipped, joined, moved, pooled
from nova_eval.judges.resnest import NormedConv

CLASSES = 722
ANCHOR_SIDES = (32, 64, 128, 256, 512)  # one a level, each also times 2^⅓ and 2^⅔
ANCHOR_GROWTHS, ANCHOR_RATIOS = (1.0, 2 ** (1 / 3), 2 ** (2 / 3)), (0.5, 1.0, 2.0)  # height over width
ANCHORS = len(ANCHOR_GROWTHS) * len(ANCHOR_RATIOS)
BEST_PER_LEVEL, PROPOSALS, PROPOSAL_NMS = 1000, 1000, 0.7
REGIONS, REGION_NMS = 300, 0.5

OFFICIAL_SCORE_THRESHOLD = 0.1
"""Written into the official detector's code; the 0.5 of its configuration and of its command line has no effect."""


class Found(NamedTuple):
    """The objects of one image, surest first: boxes (N, 4), scores (N,) and classes (N,)."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor


class AnchorHead(nn.Module):
    """Says for each of nine anchors at every place of every level whether it holds an object, and where that is."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.objectness_logits = nn.Conv2d(CHANNELS, ANCHORS, 1)
        self.anchor_deltas = nn.Conv2d(CHANNELS, 4 * ANCHORS, 1)

    def forward(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Per level: logits (B, 9, h, w) and deltas (B, 36, h, w)."""
        answers = []
        for level in levels:
            x = F.relu(self.conv(level))
            answers.append((self.objectness_logits(x), self.anchor_deltas(x)))
        return answers


class Proposer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rpn_head = AnchorHead()

    def forward(self, levels: list[Tensor], size: tuple[int, int]) -> list[Regions]:
        return proposals(self.rpn_head(levels), size)


def anchors(level: int, height: int, width: int, device: torch.device) -> Tensor:
    """(height · width · 9, 4): the anchors of a map, place by place, centred at multiples of the stride from 0."""
    shapes = []
    for side in (ANCHOR_SIDES[level] * growth for growth in ANCHOR_GROWTHS):
        for ratio in ANCHOR_RATIOS:
            w = (side**2 / ratio) ** 0.5
            shapes.append([-w / 2, -ratio * w / 2, w / 2, ratio * w / 2])
    x = torch.arange(width, device=device, dtype=torch.float32) * STRIDES[level]
    y = torch.arange(height, device=device, dtype=torch.float32) * STRIDES[level]
    centres = torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=-1).repeat(1, 2)
    # (h·w, 1, 4) + (9, 4) → (h·w·9, 4)
    return (centres[:, None] + torch.tensor(shapes, device=device)).view(-1, 4)


def proposals(answers: list[tuple[Tensor, Tensor]], size: tuple[int, int]) -> list[Regions]:
    """The best thousand boxes of each image of ``size`` (height, width), with their logits."""
    boxes, logits, levels = [], [], []
    for level, (objectness, deltas) in enumerate(answers):
        b, _, h, w = objectness.shape
        # (B, 9, h, w) → (B, h·w·9)
        scores = objectness.float().permute(0, 2, 3, 1).reshape(b, -1)  # place by place, nine anchors each
        # (B, 9 · 4, h, w) → (B, h·w·9, 4)
        shifts = deltas.float().view(b, ANCHORS, 4, h, w).permute(0, 3, 4, 1, 2).reshape(b, -1, 4)
        best = scores.topk(min(BEST_PER_LEVEL, scores.shape[1]))
        around = anchors(level, h, w, scores.device)
        boxes.append(
            torch.stack(
                [moved(around[i], own[i], (1.0, 1.0, 1.0, 1.0)) for own, i in zip(shifts, best.indices, strict=True)]
            )
        )
        logits.append(best.values)
        levels.append(torch.full((best.values.shape[1],), level, device=scores.device))
    of_level = torch.cat(levels)
    return [
        _best(clipped(some, size), own, of_level)
        for some, own in zip(torch.cat(boxes, 1), torch.cat(logits, 1), strict=True)
    ]


def _best(boxes: Tensor, logits: Tensor, levels: Tensor) -> Regions:
    """Boxes of one level that overlap are one proposal; those of different levels are not."""
    whole = (boxes.isfinite().all(-1) & logits.isfinite() & (boxes[:, 2:] > boxes[:, :2]).all(-1)).nonzero()[:, 0]
    keep = whole[batched_nms(boxes[whole], logits[whole], levels[whole], PROPOSAL_NMS)[:PROPOSALS]]
    return Regions(boxes[keep], logits[keep])


class ConvolvedBoxHead(nn.Module):
    """Four convolutions and a layer, in place of two layers."""

    def __init__(self) -> None:
        super().__init__()
        for number in range(1, 5):
            self.add_module(f"conv{number}", NormedConv(CHANNELS, CHANNELS, 3))
        self.fc1 = nn.Linear(CHANNELS * POOLED**2, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        for number in range(1, 5):
            x = F.relu(self.get_submodule(f"conv{number}")(x))
        return F.relu(self.fc1(x.flatten(1)))


class BoxNamer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_score, self.bbox_pred = nn.Linear(HIDDEN, CLASSES + 1), nn.Linear(HIDDEN, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the classes and of none of them, and the deltas of a box."""
        return self.cls_score(x).float(), self.bbox_pred(x).float()


class NamingCascade(nn.Module):
    """Three stages that each look at the boxes of the one before, move them, and say what they hold."""

    def __init__(self, convolved: bool) -> None:
        super().__init__()
        self.box_head = nn.ModuleList(ConvolvedBoxHead() if convolved else BoxHead() for _ in DELTA_WEIGHTS)
        self.box_predictor = nn.ModuleList(BoxNamer() for _ in DELTA_WEIGHTS)

    def forward(self, levels: list[Tensor], proposed: list[Regions], size: tuple[int, int]) -> list[Found]:
        """The objects of each image of ``size`` (height, width), by the boxes of the last stage and the mean score."""
        boxes, owners = joined([regions.boxes for regions in proposed])
        scores = boxes.new_zeros(len(boxes), CLASSES)
        for head, predictor, weights in zip(self.box_head, self.box_predictor, DELTA_WEIGHTS, strict=True):
            logits, deltas = predictor(head(pooled(levels, boxes, owners, POOLED)))
            scores += logits.sigmoid()[:, :CLASSES]  # classes are independent: a box can have several names
            boxes = clipped(moved(boxes, deltas, weights), size)
        scores = scores / len(DELTA_WEIGHTS)
        return [_confident(boxes[owners == image], scores[owners == image]) for image in range(len(proposed))]


def _confident(boxes: Tensor, scores: Tensor) -> Found:
    whole = boxes.isfinite().all(-1) & scores.isfinite().all(-1)
    which, classes = ((scores > OFFICIAL_SCORE_THRESHOLD) & whole[:, None]).nonzero(as_tuple=True)
    sure = scores[which, classes]
    keep = batched_nms(boxes[which], sure, classes, REGION_NMS)[:REGIONS]
    found = Found(boxes[which[keep]], sure[keep], classes[keep])
    some = (found.boxes[:, 2:] > found.boxes[:, :2]).all(-1)
    return Found(found.boxes[some], found.scores[some], found.classes[some])
