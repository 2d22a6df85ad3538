"""Networks of the causal video VAE (Open-Sora-Plan), written anew from facts of baaivision/NOVA (Apache-2.0).

Encoder and decoder map (B, C, T, H, W) to (B, C', T', H', W'). Blocks of kind 2D work on every frame alone; blocks of
kind 3D convolve causally in time and pool the statistics of their group norms over all frames they are given.
Names of submodules are the published state-dict keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Long clips go through a layer in slices of about this many values, so that padded copies and workspaces stay small
# beside the activations themselves: 256 Mi values are 5.7 frames of 128 channels at 480 × 768.
_SLICE_VALUES = 1 << 28


class CausalConv3d(nn.Conv3d):
    """Sees the present frame and k − 1 earlier ones; in front of the clip stand copies of its first frame.

    ``padding`` is spatial. T frames become ⌈T / stride⌉.
    """

    def __init__(
        self, channels: int, out_channels: int, kernel: int | tuple[int, int, int], stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__(channels, out_channels, kernel, stride, (0, padding, padding))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] == 1:  # copies of one frame: the kernel's slices act as their sum, at a third of the work
            plane = F.conv2d(x[:, :, 0], self.weight.sum(2), self.bias, self.stride[1:], self.padding[1:])
            return plane[:, :, None]
        past, stride = self.kernel_size[0] - 1, self.stride[0]
        outputs = (x.shape[2] - 1) // stride + 1
        at_once = max(1, _SLICE_VALUES // (x[:, :, 0].numel() * stride))
        parts = []
        for start in range(0, outputs, at_once):
            begin = start * stride - past
            end = (min(start + at_once, outputs) - 1) * stride + 1
            part = x[:, :, max(begin, 0) : end]
            if begin < 0:
                part = torch.cat([x[:, :, :1].expand(-1, -1, -begin, -1, -1), part], dim=2)
            parts.append(super().forward(part) if stride > 1 or x.device.type != "cpu" else self._planes(part))
        return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]

    def _planes(self, x: Tensor) -> Tensor:
        """As the convolution in space of k frames stacked as channels: two to seven times as fast on a CPU."""
        k = self.kernel_size[0]
        # (B, C, T + k − 1, H, W) → (B, T, k, C, H, W) → (B · T, k · C, H, W)
        stacked = x.transpose(1, 2).unfold(1, k, 1).movedim(-1, 2).flatten(2, 3).flatten(0, 1)
        # (C', C, k, h, w) → (C', k · C, h, w)
        weight = self.weight.transpose(1, 2).flatten(1, 2)
        planes = F.conv2d(stacked, weight, self.bias, self.stride[1:], self.padding[1:])
        # (B · T, C', H', W') → (B, C', T, H', W')
        return planes.view(len(x), -1, *planes.shape[1:]).transpose(1, 2)


Conv = type[nn.Conv2d] | type[CausalConv3d]
CONVOLUTIONS: dict[str, Conv] = {
    "DownEncoderBlock2D": nn.Conv2d,
    "DownEncoderBlock3D": CausalConv3d,
    "UpDecoderBlock2D": nn.Conv2d,
    "UpDecoderBlock3D": CausalConv3d,
}


def per_frame(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Applies a layer of (N, C, H, W) to every frame of (B, C, T, H, W) alone, a slice of frames at a time."""
    # (B, C, T, H, W) → (B · T, C, H, W)
    frames = x.transpose(1, 2).flatten(0, 1)
    at_once = max(1, _SLICE_VALUES // frames[0].numel())
    parts = [layer(frames[start : start + at_once]) for start in range(0, len(frames), at_once)]
    out = torch.cat(parts) if len(parts) > 1 else parts[0]
    # (B · T, C, H, W) → (B, C, T, H, W)
    return out.reshape(x.shape[0], x.shape[2], *out.shape[1:]).transpose(1, 2)


def _apply(conv: Conv, layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return per_frame(layer, x) if conv is nn.Conv2d else layer(x)


def _silu(x: Tensor) -> Tensor:
    return F.silu(x, inplace=not torch.is_grad_enabled())


class ResBlock(nn.Module):
    """GroupNorm–SiLU–conv twice, beside a shortcut that is a 1×1 convolution where channels change."""

    def __init__(self, channels: int, out_channels: int, conv: Conv, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, channels, eps=1e-6)
        self.conv1 = conv(channels, out_channels, 3, 1, 1)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps=1e-6)
        self.conv2 = conv(out_channels, out_channels, 3, 1, 1)
        self.conv_shortcut = conv(channels, out_channels, 1) if channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv1(_silu(self.norm1(x)))
        h = self.conv2(_silu(self.norm2(h)))
        return h.add_(x if self.conv_shortcut is None else self.conv_shortcut(x))


class FrameAttention(nn.Module):
    """Single-head self-attention within each frame of (N, C, H, W) or (B, C, T, H, W)."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])

    def forward(self, x: Tensor) -> Tensor:
        h = self.group_norm(x)
        return (self._attend(h) if x.ndim == 4 else per_frame(self._attend, h)) + x

    def _attend(self, frames: Tensor) -> Tensor:
        tokens = frames.flatten(2).transpose(1, 2)  # (N, H·W, C)
        q, k, v = (project(tokens)[:, None] for project in (self.to_q, self.to_k, self.to_v))
        out: Tensor = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])
        # (N, H·W, C) → (N, C, H, W)
        return out.transpose(1, 2).reshape(frames.shape)


class Downsample(nn.Module):
    """Stride 2 in space, and in time where ``conv`` is 3D, after one row and column of zeros right and below."""

    def __init__(self, channels: int, conv: Conv) -> None:
        super().__init__()
        self.conv = conv(channels, channels, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return _apply(type(self.conv), self.conv, F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Doubles space; doubles time too (T → 2T − 1, the first frame stays single) where the kernel spans time.

    Interpolation in time blends neighbours, so a frame sees a quarter of the next one: a tile is not strictly causal.
    """

    def __init__(self, channels: int, conv: Conv, kernel: int | tuple[int, int, int]) -> None:
        super().__init__()
        self.conv = conv(channels, channels, kernel, 1, 1)  # type: ignore[arg-type]
        self.in_time = isinstance(self.conv, CausalConv3d) and self.conv.kernel_size[0] > 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.in_time:
            return _apply(type(self.conv), self.conv, x.repeat_interleave(2, 3).repeat_interleave(2, 4))
        parts = [F.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")]
        if x.shape[2] > 1:
            parts.append(F.interpolate(x[:, :, 1:], scale_factor=(2, 2, 2), mode="trilinear"))
        out: Tensor = self.conv(torch.cat(parts, dim=2))
        return out


class Stage(nn.Module):
    """Residual blocks of one width, then at most one change of resolution."""

    def __init__(self, channels: int, out_channels: int, conv: Conv, depth: int, groups: int) -> None:
        super().__init__()
        widths = [channels, *[out_channels] * (depth - 1)]
        self.conv = conv
        self.resnets = nn.Sequential(*(ResBlock(width, out_channels, conv, groups) for width in widths))
        self.downsamplers = nn.Sequential()
        self.upsamplers = nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.upsamplers(self.downsamplers(_apply(self.conv, self.resnets, x)))
        return out


class MidBlock(nn.Module):
    def __init__(self, channels: int, conv: Conv, groups: int) -> None:
        super().__init__()
        self.conv = conv
        self.resnets = nn.ModuleList(ResBlock(channels, channels, conv, groups) for _ in range(2))
        self.attentions = nn.ModuleList([FrameAttention(channels, groups)])

    def forward(self, x: Tensor) -> Tensor:
        return _apply(self.conv, lambda x: self.resnets[1](self.attentions[0](self.resnets[0](x))), x)


class Encoder(nn.Module):
    """Pixels (B, 3, T, H, W) → moments (B, 2C, ⌈T / 2ᵏ⌉, H/2ⁿ⁻¹, W/2ⁿ⁻¹) for n widths, of which k steps halve time.

    A step halves time where the *next* block is 3D. The first convolution is always 2D.
    """

    def __init__(
        self, channels: int, moments: int, *, kinds: Sequence[str], widths: Sequence[int], depth: int, groups: int
    ) -> None:
        super().__init__()
        convs = [CONVOLUTIONS[kind] for kind in kinds]
        self.conv_in = nn.Conv2d(channels, widths[0], 3, 1, 1)
        self.down_blocks = nn.Sequential()
        for i, (conv, width) in enumerate(zip(convs, widths, strict=True)):
            stage = Stage(widths[max(i - 1, 0)], width, conv, depth, groups)
            if i + 1 < len(widths):
                stage.downsamplers.append(Downsample(width, convs[i + 1]))
            self.down_blocks.append(stage)
        self.conv = convs[-1]
        self.mid_block = MidBlock(widths[-1], self.conv, groups)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = self.conv(widths[-1], moments, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.down_blocks(per_frame(self.conv_in, x)))
        return _apply(self.conv, lambda x: self.conv_out(_silu(self.conv_norm_out(x))), x)


class Decoder(nn.Module):
    """Latents (B, C, t, h, w) → pixels (B, 3, 2ᵏ(t − 1) + 1, h·2ⁿ⁻¹, w·2ⁿ⁻¹) for n widths; k steps double time.

    ``widths`` are the encoder's, finest first. The last upsampler has the kernel (1, 3, 3) and doubles space only. The
    first and last convolutions and the mid block are of the last block's kind.
    """

    def __init__(
        self, latents: int, channels: int, *, kinds: Sequence[str], widths: Sequence[int], depth: int, groups: int
    ) -> None:
        super().__init__()
        convs, widths = [CONVOLUTIONS[kind] for kind in kinds], list(reversed(widths))
        self.conv = convs[-1]
        self.conv_in = self.conv(latents, widths[0], 3, 1, 1)
        self.mid_block = MidBlock(widths[0], self.conv, groups)
        self.up_blocks = nn.Sequential()
        for i, (conv, width) in enumerate(zip(convs, widths, strict=True)):
            stage = Stage(widths[max(i - 1, 0)], width, conv, depth + 1, groups)
            if i + 1 < len(widths):
                last = i + 2 == len(widths)
                stage.upsamplers.append(Upsample(width, conv, (1, 3, 3) if last and conv is CausalConv3d else 3))
            self.up_blocks.append(stage)
        self.conv_norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = self.conv(widths[-1], channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up_blocks(self.mid_block(_apply(self.conv, self.conv_in, x)))
        return _apply(self.conv, lambda x: self.conv_out(_silu(self.conv_norm_out(x))), x)
