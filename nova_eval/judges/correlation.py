"""All pairs of cells of two feature maps as RAFT and AMT compare them, for torchvision's lookup."""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def build_pyramid(block: Any, one: Tensor, other: Tensor) -> None:
    """Fills torchvision's ``CorrBlock``: scalar products of (N, C, h, w) maps over √C, halved level by level.

    Pooling is linear, so the second map is pooled instead of the products, of which there are h·w times as many, and
    the first is scaled instead of them.
    """
    count, channels, height, width = one.shape
    # (N, C, h, w) → (N, h·w, C)
    queries = one.flatten(2).transpose(1, 2) * (1 / math.sqrt(channels))
    pyramid = []
    for level in range(block.num_levels):
        if level:
            other = F.avg_pool2d(other, kernel_size=2, stride=2)
        # (N, h·w, C) @ (N, C, h'·w') → (N, h·w, h'·w')
        products = queries @ other.flatten(2)
        # → (N·h·w, 1, h', w'): one map a query
        pyramid.append(products.reshape(count * height * width, 1, *other.shape[-2:]))
    block.corr_pyramid = pyramid
