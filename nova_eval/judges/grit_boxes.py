"""GRiT's regions: proposals from a heat map, refined in three stages.

Structure and parameter names: CenterNet2 (xingyizhou/CenterNet2, Apache-2.0) and the cascade of detectron2 (Apache-2.0)
as GRiT (JialianW/GRiT, MIT) uses them. Boxes are (x0, y0, x1, y1) in pixels, float32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import batched_nms, roi_align

from nova_eval.judges.grit_backbone import CHANNELS, STRIDES

HEAT_THRESHOLD, BEST_PER_LEVEL = 1e-4, 1000
PROPOSAL_NMS, PROPOSALS = 0.9, 256
SMALLEST_SIDE = 0.01
POOLED, HIDDEN = 7, 1024
DELTA_WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))
LARGEST_GROWTH = math.log(1000 / 16)
SCORE_THRESHOLD, REGION_NMS, REGIONS = 0.5, 0.5, 256
CANONICAL_LEVEL, CANONICAL_SIDE = 4, 224


class Regions(NamedTuple):
    """Boxes (N, 4) of one image and their scores (N,), highest first."""

    boxes: Tensor
    scores: Tensor


class Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class ProposalHead(nn.Module):
    """Says for every place of every level how likely an object's centre is there and how far its sides are."""

    def __init__(self) -> None:
        super().__init__()
        tower: list[nn.Module] = []
        for _ in range(4):
            tower += [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.GroupNorm(32, CHANNELS), nn.ReLU()]
        self.bbox_tower = nn.Sequential(*tower)
        self.bbox_pred = nn.Conv2d(CHANNELS, 4, 3, padding=1)
        self.agn_hm = nn.Conv2d(CHANNELS, 1, 3, padding=1)
        self.scales = nn.ModuleList(Scale() for _ in STRIDES)

    def forward(self, levels: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Per level: distances in strides (B, 4, h, w), not negative, and logits of the heat map (B, 1, h, w)."""
        answers = []
        for level, scale in zip(levels, self.scales, strict=True):
            x = self.bbox_tower(level)
            answers.append((F.relu(scale(self.bbox_pred(x))), self.agn_hm(x)))
        return answers


def proposals(answers: list[tuple[Tensor, Tensor]]) -> list[Regions]:
    """The best 256 boxes of each image (more when scores tie at the cut), not clipped. Scores are roots of the heat."""
    boxes, heats = [], []
    for (distances, heat), stride in zip(answers, STRIDES, strict=True):
        _, _, h, w = heat.shape
        x = torch.arange(w, device=heat.device) * float(stride) + stride // 2
        y = torch.arange(h, device=heat.device) * float(stride) + stride // 2
        centres = torch.stack([x.repeat(h), y.repeat_interleave(w)], dim=-1)
        reach = (distances.float() * stride).flatten(2).transpose(1, 2)  # (B, h · w, 4)
        boxes.append(torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], dim=-1))
        heats.append(heat.float().flatten(1).sigmoid())
    return [
        _best([_candidates(b[image], p[image]) for b, p in zip(boxes, heats, strict=True)])
        for image in range(len(boxes[0]))
    ]


def _candidates(boxes: Tensor, heat: Tensor) -> Regions:
    """The places of one level and image that are warm enough, at most a thousand."""
    warm = (heat > HEAT_THRESHOLD).nonzero()[:, 0]
    if len(warm) > BEST_PER_LEVEL:
        warm = warm[heat[warm].topk(BEST_PER_LEVEL, sorted=False).indices]  # as published: equal ones keep that order
    near, far = boxes[warm, :2], boxes[warm, 2:]
    return Regions(torch.cat([near, far.maximum(near + SMALLEST_SIDE)], dim=-1), heat[warm].sqrt())


def _best(levels: list[Regions]) -> Regions:
    boxes, scores = torch.cat([level.boxes for level in levels]), torch.cat([level.scores for level in levels])
    keep = suppressed(boxes, scores, PROPOSAL_NMS)
    if len(keep) > PROPOSALS:
        keep = keep[scores[keep] >= scores[keep[PROPOSALS - 1]]]
    return Regions(boxes[keep], scores[keep])


def suppressed(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """The places of the boxes that no better one overlaps, best first.

    Equal scores lie as in the published call, which suppresses class by class and here knows one class.
    """
    kept: Tensor = batched_nms(boxes, scores, torch.zeros_like(scores, dtype=torch.long), overlap)
    return kept


class BoxHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(CHANNELS * POOLED**2, HIDDEN), nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.fc2(F.relu(self.fc1(x.flatten(1)))))


class BoxPredictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_score = nn.Linear(HIDDEN, 2)  # object, background
        self.bbox_pred = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls_score(x).float(), self.bbox_pred(x).float()


class Cascade(nn.Module):
    """Three stages that each look at the boxes of the one before, move them, and say how sure they are."""

    def __init__(self) -> None:
        super().__init__()
        self.box_head = nn.ModuleList(BoxHead() for _ in DELTA_WEIGHTS)
        self.box_predictor = nn.ModuleList(BoxPredictor() for _ in DELTA_WEIGHTS)

    def forward(self, levels: list[Tensor], proposed: list[Regions], size: tuple[int, int]) -> list[Regions]:
        """The regions of each image of ``size`` (height, width) that the stages on average believe in."""
        boxes, owners = joined([regions.boxes for regions in proposed])
        objectness = boxes.new_zeros(len(boxes))
        for head, predictor, weights in zip(self.box_head, self.box_predictor, DELTA_WEIGHTS, strict=True):
            logits, deltas = predictor(head(pooled(levels, boxes, owners, POOLED)))
            objectness += logits.softmax(-1)[:, 0]
            boxes = clipped(moved(boxes, deltas, weights), size)
        scores = (objectness * (1 / len(DELTA_WEIGHTS)) * torch.cat([p.scores for p in proposed])).sqrt()
        return [_confident(boxes[owners == image], scores[owners == image]) for image in range(len(proposed))]


def _confident(boxes: Tensor, scores: Tensor) -> Regions:
    sure = (boxes.isfinite().all(-1) & (scores > SCORE_THRESHOLD)).nonzero()[:, 0]
    keep = sure[suppressed(boxes[sure], scores[sure], REGION_NMS)[:REGIONS]]
    return Regions(boxes[keep], scores[keep])


def joined(boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes of several images in one tensor, and the number of the image of each."""
    owners = [torch.full((len(some),), image, device=some.device) for image, some in enumerate(boxes)]
    return torch.cat(boxes), torch.cat(owners)


def pooled(levels: list[Tensor], boxes: Tensor, owners: Tensor, side: int) -> Tensor:
    """(N, 256, side, side): each box from the one of p3, p4, p5 that suits its area, aligned bins, adaptive samples."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    level = torch.floor(CANONICAL_LEVEL + torch.log2(area.sqrt() / CANONICAL_SIDE + 1e-8)).clamp(3, 5) - 3
    rois = torch.cat([owners[:, None].to(boxes), boxes], dim=-1)
    features = levels[0].new_zeros(len(boxes), CHANNELS, side, side)
    for number in range(3):
        chosen = (level == number).nonzero()[:, 0]
        samples = roi_align(levels[number].float(), rois[chosen], side, 1 / STRIDES[number], 0, aligned=True)
        features[chosen] = samples.to(features.dtype)
    return features


def moved(boxes: Tensor, deltas: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Boxes shifted by shares of their size and grown by exponents, each delta divided by its weight."""
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = boxes[:, :2] + 0.5 * sizes
    shifts, growths = (deltas / deltas.new_tensor(weights)).chunk(2, dim=-1)
    centres, sizes = shifts * sizes + centres, growths.clamp(max=LARGEST_GROWTH).exp() * sizes
    return torch.cat([centres - 0.5 * sizes, centres + 0.5 * sizes], dim=-1)


def clipped(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
