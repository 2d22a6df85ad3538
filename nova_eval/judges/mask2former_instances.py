"""What stands before and after Mask2Former in mmdet 2.x: frames to network input, queries to instances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nova_eval.protocols import Frames, Mask

LONG_SIDE, SHORT_SIDE, MULTIPLE = 1333, 800, 32
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
INSTANCES = 100

OFFICIAL_PADDING = 128
"""mmdet 2.x pads with this grey before it normalises (3.x with zeros afterwards), so padding is not zero."""


class Instances(NamedTuple):
    """N instances of one image, surest first.

    ``labels`` are places among the classes, ``boxes`` (N, 4) hold whole pixels, the last one outside, and ``masks``
    (one (H, W) array an instance) may be shared: one query can be an instance of several classes.
    """

    labels: list[int]
    scores: list[float]
    boxes: list[tuple[float, float, float, float]]
    masks: list[Mask]


def resized(height: int, width: int) -> tuple[int, int]:
    """Height and width at which an image is looked at, before padding: within 1333 by 800, its shape kept."""
    scale = min(LONG_SIDE / max(height, width), SHORT_SIDE / min(height, width))
    return int(height * scale + 0.5), int(width * scale + 0.5)


def padded(height: int, width: int) -> tuple[int, int]:
    """Both sides rounded up to a multiple of 32."""
    return -(-height // MULTIPLE) * MULTIPLE, -(-width // MULTIPLE) * MULTIPLE


def preprocess(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, h, w): OpenCV's bilinear on bytes, padding right and below, normalised."""
    import cv2

    height, width = resized(*frames.shape[1:3])
    h, w = padded(height, width)
    images = np.full((len(frames), h, w, 3), OFFICIAL_PADDING, np.uint8)
    for image, frame in zip(images, frames, strict=True):
        image[:height, :width] = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def instances(classes: Tensor, masks: Tensor, height: int, width: int) -> Instances:
    """The logits of one image's queries, (Q, classes + 1) and (Q, h, w) → its 100 surest (query, class) pairs.

    Masks are enlarged to the padded input, cropped, and resized to the image. The score is the probability of the class
    times the mean certainty inside the mask; a pair without any pixel has the box (0, 0, 0, 0) and score 0.
    """
    probabilities = classes.float().softmax(-1)[:, :-1]
    # (Q, classes) → (Q · classes,)
    pairs = probabilities.flatten().topk(min(INSTANCES, probabilities.numel()))
    queries, labels = pairs.indices // probabilities.shape[1], pairs.indices % probabilities.shape[1]
    used, which = torch.unique(queries, return_inverse=True)
    logits = _at_image_size(masks[used].float(), height, width)
    inside = logits > 0
    certainty = (logits.sigmoid() * inside).sum((1, 2)) / (inside.sum((1, 2)) + 1e-6)
    scores = pairs.values * certainty[which]
    order = scores.argsort(descending=True, stable=True)
    boxes, regions = bounds(inside).tolist(), inside.cpu().numpy()
    places = which[order].tolist()
    return Instances(
        labels[order].tolist(),
        scores[order].tolist(),
        [tuple(boxes[place]) for place in places],
        [regions[place] for place in places],
    )


def _at_image_size(masks: Tensor, height: int, width: int) -> Tensor:
    """(Q, h, w) at a quarter of the padded input → (Q, height, width), by way of the input's own size."""
    shown = resized(height, width)
    enlarged = F.interpolate(masks[None], size=padded(*shown), mode="bilinear", align_corners=False)
    cropped = enlarged[..., : shown[0], : shown[1]]
    return F.interpolate(cropped, size=(height, width), mode="bilinear", align_corners=False)[0]


def bounds(masks: Tensor) -> Tensor:
    """(N, H, W) masks → float (N, 4) tight boxes x0, y0, x1, y1, the last pixel plus one; zeros for an empty mask."""
    sides = []
    for line in (masks.any(1), masks.any(2)):  # columns, rows
        size, occupied = line.shape[1], line.float()
        first = occupied.argmax(1)
        last = size - occupied.flip(1).argmax(1)
        sides.append((first, torch.where(line.any(1), last, torch.zeros_like(last))))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], 1).float()
