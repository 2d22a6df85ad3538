"""The AMT-S network: two frames in 0…1 → the frame between them. Module names are those of the published file.

Structure: MCG-NKU/AMT (CC-BY-NC-4.0), https://arxiv.org/abs/2304.09790. Flows have four channels: two from the middle
frame to the first one, two to the second.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval.judges.correlation import build_pyramid

CHANNELS = (20, 32, 44, 56)  # of the pyramid, at 1/2, 1/4, 1/8 and 1/16
SIDE = 20  # channels that a residual block treats once more
FLOWS = 3  # pairs of flows whose warped frames are blended
RADIUS, LEVELS = 3, 4  # of the correlation lookup
FEATURES = 84
MIDDLE = 0.5  # the time of the predicted frame


def resize(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def warp(images: Tensor, flow: Tensor) -> Tensor:
    """``images`` (N, C, H, W) looked up at every pixel plus ``flow`` (N, 2, H, W); beyond the border, the border."""
    height, width = flow.shape[-2:]
    across = torch.linspace(-1.0, 1.0, width, device=flow.device).expand(height, width)
    down = torch.linspace(-1.0, 1.0, height, device=flow.device)[:, None].expand(height, width)
    half = torch.tensor([(width - 1.0) / 2.0, (height - 1.0) / 2.0], device=flow.device)
    # flow (N, 2, H, W) → (N, H, W, 2)
    grid = torch.stack([across, down], dim=-1) + flow.permute(0, 2, 3, 1) / half
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


def conv_prelu(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.PReLU(out))


class Bottleneck(nn.Module):
    """A residual block of the feature encoder; instance norms have no weights."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        inner = out // 4
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1)
        self.conv3 = nn.Conv2d(inner, out, 1)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, out, 1, stride), nn.InstanceNorm2d(out)) if stride > 1 else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in (self.conv1, self.conv2, self.conv3):
            y = F.instance_norm(conv(y)).relu_()
        return y.add_(self.downsample(x)).relu_()


class FeatureEncoder(nn.Module):
    """(N, 3, H, W) → (N, 84, H/8, W/8): what frames are matched by."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 7, 2, 3)
        self.layer1 = nn.Sequential(Bottleneck(32, 32, 1), Bottleneck(32, 32, 1))
        self.layer2 = nn.Sequential(Bottleneck(32, 64, 2), Bottleneck(64, 64, 1))
        self.layer3 = nn.Sequential(Bottleneck(64, 96, 2), Bottleneck(96, 96, 1))
        self.conv2 = nn.Conv2d(96, FEATURES, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = F.instance_norm(self.conv1(images)).relu_()
        return self.conv2(self.layer3(self.layer2(self.layer1(x))))  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """(N, 3, H, W) → four maps at 1/2 to 1/16: what is warped and decoded."""

    def __init__(self) -> None:
        super().__init__()
        for level, (channels, out) in enumerate(zip((3, *CHANNELS), CHANNELS, strict=False), start=1):
            self.add_module(f"pyramid{level}", nn.Sequential(conv_prelu(channels, out, 2), conv_prelu(out, out)))

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = [images]
        for stage in self.children():
            maps.append(stage(maps[-1]))
        return maps[1:]


class ResidualBlock(nn.Module):
    """Five convolutions; the last ``SIDE`` channels pass two more."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv_prelu(channels, channels), conv_prelu(SIDE, SIDE)
        self.conv3, self.conv4 = conv_prelu(channels, channels), conv_prelu(SIDE, SIDE)
        self.conv5, self.prelu = nn.Conv2d(channels, channels, 3, 1, 1), nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self._with_side(self.conv1(x), self.conv2)
        y = self._with_side(self.conv3(y), self.conv4)
        return self.prelu(self.conv5(y).add_(x))  # type: ignore[no-any-return]

    @staticmethod
    def _with_side(x: Tensor, conv: nn.Module) -> Tensor:
        """``x`` itself, its side channels replaced."""
        x[:, -SIDE:] = conv(x[:, -SIDE:])
        return x


class Decoder(nn.Module):
    """Maps of both frames, and what the coarser level found, → ``out`` channels at twice the size."""

    def __init__(self, channels: int, inner: int, out: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            conv_prelu(channels, inner), ResidualBlock(inner), nn.ConvTranspose2d(inner, out, 4, 2, 1)
        )

    def forward(self, *maps: Tensor) -> Tensor:
        return self.convblock(torch.cat(maps, dim=1))  # type: ignore[no-any-return]


class Update(nn.Module):
    """Corrects a level's flows and feature by the correlation found at them, at 1/8 of the frame's size."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        correlations, hidden, joined = 2 * LEVELS * (2 * RADIUS + 1) ** 2, 76, 68
        self.factor = factor
        self.convc1 = nn.Conv2d(correlations, 64, 1)
        self.convf1, self.convf2 = nn.Conv2d(4, 40, 7, 1, 3), nn.Conv2d(40, 20, 3, 1, 1)
        self.conv = nn.Conv2d(64 + 20, joined, 3, 1, 1)
        self.gru = _two_convs(joined + 4 + channels, hidden, hidden)
        self.feat_head = _two_convs(hidden, hidden, channels)
        self.flow_head = _two_convs(hidden, hidden, 4)

    def forward(self, feature: Tensor, flows: Tensor, correlation: Tensor) -> tuple[Tensor, Tensor]:
        """A feature at the level's size, flows and correlation at 1/8 → corrections of both at the level's size."""
        small = feature if self.factor == 1 else resize(feature, 1 / self.factor)
        by_correlation = _leaky(self.convc1(correlation))
        by_flow = _leaky(self.convf2(_leaky(self.convf1(flows))))
        joined = _leaky(self.conv(torch.cat([by_correlation, by_flow], dim=1)))
        hidden = self.gru(torch.cat([joined, flows, small], dim=1))
        feature, flows = self.feat_head(hidden), self.flow_head(hidden)
        if self.factor == 1:
            return feature, flows
        return resize(feature, self.factor), self.factor * resize(flows, self.factor)


def _two_convs(channels: int, inner: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, inner, 3, 1, 1), nn.LeakyReLU(0.1, inplace=True), nn.Conv2d(inner, out, 3, 1, 1)
    )


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, 0.1)


class Correlation:
    """All pairs of cells of two feature maps, looked up both ways around where flows point."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        from torchvision.models.optical_flow._utils import make_coords_grid
        from torchvision.models.optical_flow.raft import CorrBlock

        self._forward = CorrBlock(num_levels=LEVELS, radius=RADIUS)
        self._backward = CorrBlock(num_levels=LEVELS, radius=RADIUS)
        build_pyramid(self._forward, first, second)
        build_pyramid(self._backward, second, first)
        self._cells = make_coords_grid(len(first), *first.shape[-2:]).to(first.device)

    def around(self, flows: Tensor) -> Tensor:
        """Flows (N, 4, h, w) from the middle, carried on to whole steps between the frames → (N, 392, h, w)."""
        to_first, to_second = flows.chunk(2, dim=1)
        ahead = self._forward.index_pyramid(centroids_coords=self._cells + to_second * (1 / MIDDLE))
        back = self._backward.index_pyramid(centroids_coords=self._cells + to_first * (1 / (1 - MIDDLE)))
        return torch.cat([ahead, back], dim=1)


class AMT(nn.Module):
    """Two (N, 3, H, W) in 0…1, sides multiples of 16 and at least 128 → (N, 3, H, W) in 0…1."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4 = CHANNELS
        self.feat_encoder, self.encoder = FeatureEncoder(), Pyramid()
        self.decoder4 = Decoder(2 * c4 + 1, 2 * c4, c3 + 4)
        self.decoder3 = Decoder(3 * c3 + 4, 3 * c3, c2 + 4)
        self.decoder2 = Decoder(3 * c2 + 4, 3 * c2, c1 + 4)
        self.decoder1 = Decoder(3 * c1 + 4, 3 * c1, 8 * FLOWS)
        self.update4, self.update3, self.update2 = Update(c3, 1), Update(c2, 2), Update(c1, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * FLOWS, 6 * FLOWS, 3, 1, 1), nn.PReLU(6 * FLOWS), nn.Conv2d(6 * FLOWS, 3, 3, 1, 1)
        )

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        mean = torch.cat([first, second], dim=2).mean(1, keepdim=True).mean(2, keepdim=True).mean(3, keepdim=True)
        first, second = first - mean, second - mean
        matching = Correlation(self.feat_encoder(first), self.feat_encoder(second))
        ones, others = self.encoder(first), self.encoder(second)

        coarsest = ones[3]
        time = torch.full_like(coarsest[:, :1], MIDDLE)
        found = self.decoder4(coarsest, others[3], time)
        flows, feature = self._corrected(self.update4, found, matching)
        for level, decoder, update in ((2, self.decoder3, self.update3), (1, self.decoder2, self.update2)):
            found = self._finer(decoder, feature, ones[level], others[level], flows)
            flows, feature = self._corrected(update, found, matching, flows)

        found = self._finer(self.decoder1, feature, ones[0], others[0], flows)
        to_first, to_second, masks, residuals = torch.split(found, [2 * FLOWS, 2 * FLOWS, FLOWS, 3 * FLOWS], dim=1)
        doubled = 2.0 * resize(flows, 2.0)
        blends = []
        for k in range(FLOWS):
            pair = doubled + torch.cat([to_first[:, 2 * k : 2 * k + 2], to_second[:, 2 * k : 2 * k + 2]], dim=1)
            one, other = warp(first, pair[:, :2]), warp(second, pair[:, 2:])
            mask = masks[:, k : k + 1].sigmoid()
            blends.append(torch.lerp(other, one, mask).add_(mean).add_(residuals[:, 3 * k : 3 * k + 3]))
        added: Tensor = self.comb_block(torch.cat(blends, dim=1))
        return (torch.stack(blends, dim=1).mean(1) + added).clamp(0, 1)

    @staticmethod
    def _finer(decoder: nn.Module, feature: Tensor, one: Tensor, other: Tensor, flows: Tensor) -> Tensor:
        to_first, to_second = flows.chunk(2, dim=1)
        found: Tensor = decoder(feature, warp(one, to_first), warp(other, to_second), flows)
        return found

    @staticmethod
    def _corrected(
        update: Update, found: Tensor, matching: Correlation, coarser: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        flows, feature = found.tensor_split([4], dim=1)
        if coarser is not None:
            flows = flows + 2.0 * resize(coarser, 2.0)
        inverse = 1 / update.factor
        small = flows if update.factor == 1 else inverse * resize(flows, inverse)
        more_feature, more_flows = update(feature, small, matching.around(small))
        return flows + more_flows, feature + more_feature
