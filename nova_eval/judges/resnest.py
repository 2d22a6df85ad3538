"""The two trunks of UniDet: ResNet-50 with its stride in the first convolution, and ResNeSt-200.

Structure and parameter names: detectron2 (facebookresearch, Apache-2.0) and ResNeSt (zhanghang1989, Apache-2.0) as
UniDet (xingyizhou/UniDet, Apache-2.0) uses them. Both answer the maps at strides 8, 16 and 32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (256, 512, 1024, 2048)  # of res2 … res5
RESNET_50_BLOCKS, RESNEST_200_BLOCKS = (3, 4, 6, 3), (3, 24, 36, 3)
SPLITS, REDUCTION, NARROWEST = 2, 4, 32


class NormedConv(nn.Conv2d):
    """A convolution without bias, and the batch norm that the published names put below it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3, 1 × 1 beside a shortcut; the first of them carries the stride."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // 4
        if inputs != outputs:
            self.shortcut = NormedConv(inputs, outputs, 1, stride)
        self.conv1, self.conv2 = NormedConv(inputs, inner, 1, stride), NormedConv(inner, inner, 3)
        self.conv3 = NormedConv(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.shortcut(x) if hasattr(self, "shortcut") else x
        return F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))) + shortcut)


class SplitAttention(nn.Module):
    """Two 3 × 3 convolutions, and how much of each an image wants in every channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        attended = max(width * SPLITS // REDUCTION, NARROWEST)
        self.conv = nn.Conv2d(width, width * SPLITS, 3, padding=1, groups=SPLITS, bias=False)
        self.bn0 = nn.BatchNorm2d(width * SPLITS)
        self.fc1, self.fc2 = nn.Conv2d(width, attended, 1), nn.Conv2d(attended, width * SPLITS, 1)
        self.bn1 = nn.BatchNorm2d(attended)

    def forward(self, x: Tensor) -> Tensor:
        b, width, h, w = x.shape
        # (B, splits · width, h, w) → (B, splits, width, h, w)
        splits = F.relu(self.bn0(self.conv(x))).view(b, SPLITS, width, h, w)
        mean = splits.sum(1).mean((2, 3), keepdim=True)
        # (B, splits · width, 1, 1) → (B, splits, width, 1, 1)
        wanted = self.fc2(F.relu(self.bn1(self.fc1(mean)))).view(b, SPLITS, width, 1, 1).softmax(1)
        return (wanted * splits).sum(1)  # type: ignore[no-any-return]


class SplitBottleneck(nn.Module):
    """The same around split attention; averages carry the stride, on either way."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = outputs // 4
        if inputs != outputs:
            self.shortcut = NormedConv(inputs, outputs, 1)
        self.conv1, self.conv2 = NormedConv(inputs, inner, 1), SplitAttention(inner)
        self.conv3 = NormedConv(inner, outputs, 1)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(F.relu(self.conv1(x)))
        if self.stride > 1:
            y = F.avg_pool2d(y, 3, self.stride, padding=1)
            x = F.avg_pool2d(x, self.stride, self.stride, ceil_mode=True, count_include_pad=False)
        return F.relu(self.conv3(y) + (self.shortcut(x) if hasattr(self, "shortcut") else x))


class Stem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = NormedConv(3, 64, 7, 2)

    def forward(self, images: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.conv1(images)), 3, 2, padding=1)


class DeepStem(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1_1, self.conv1_2, self.conv1_3 = (
            NormedConv(3, 64, 3, 2),
            NormedConv(64, 64, 3),
            NormedConv(64, 128, 3),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = F.relu(self.conv1_2(F.relu(self.conv1_1(images))))
        return F.max_pool2d(F.relu(self.conv1_3(x)), 3, 2, padding=1)


class Trunk(nn.Module):
    """A stem and four stages; every stage but the first halves the map."""

    def __init__(self, stem: nn.Module, width: int, block: Callable[[int, int, int], nn.Module], depths: Any) -> None:
        super().__init__()
        self.stem = stem
        for number, (outputs, depth) in enumerate(zip(WIDTHS, depths, strict=True)):
            blocks = [block(width, outputs, 2 if number else 1)]
            blocks += [block(outputs, outputs, 1) for _ in range(depth - 1)]
            self.add_module(f"res{number + 2}", nn.Sequential(*blocks))
            width = outputs

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) → res3, res4, res5."""
        x = self.get_submodule("res2")(self.stem(images))
        maps = []
        for name in ("res3", "res4", "res5"):
            x = self.get_submodule(name)(x)
            maps.append(x)
        return maps


def resnet_50() -> Trunk:
    return Trunk(Stem(), 64, Bottleneck, RESNET_50_BLOCKS)


def resnest_200() -> Trunk:
    return Trunk(DeepStem(), 128, SplitBottleneck, RESNEST_200_BLOCKS)
