"""The two ways in which published scorers shrink a frame, and what follows them.

``"tensor"`` resamples floats at the target's pixel centres: not antialiased, neither rounded nor clamped. ``"pil"`` is
Pillow's filter: antialiased and rounded to bytes. VBench uses the first for decoded videos and the second for folders
of frames (and for appearance_style).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nova_eval.errors import MediaError, unknown
from nova_eval.protocols import Floats, Frames

Resampling: TypeAlias = Literal["tensor", "pil"]
Filter: TypeAlias = Literal["bilinear", "bicubic"]


def in_batches(frames: Frames, size: int, answer: Callable[[Frames], Tensor]) -> Floats:
    """What ``answer`` says of consecutive runs of at most ``size`` frames, as one float32 array.

    No gradients are kept. MediaError when there is no frame.
    """
    if not len(frames):
        raise MediaError("there is no frame to look at")
    with torch.inference_mode():
        answers = [answer(frames[start : start + size]).float().cpu() for start in range(0, len(frames), size)]
    joined: Floats = torch.cat(answers).numpy()
    return joined


def as_floats(frames: Frames, device: str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, H, W), still 0…255."""
    return torch.tensor(np.ascontiguousarray(frames), device=device).permute(0, 3, 1, 2).float()


def short_side_to(height: int, width: int, size: int) -> tuple[int, int]:
    """(height, width) at which the shorter side is ``size``; the longer is truncated, as torchvision truncates it."""
    if width <= height:
        return int(size * height / width), size
    return size, int(size * width / height)


def shrink(frames: Frames, size: int, kind: Filter, resampling: Resampling, device: str = "cpu") -> Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, h, w) in 0…255 (``"tensor"`` bicubic overshoots), shorter side ``size``."""
    if resampling not in {"tensor", "pil"}:
        raise unknown("resampling", resampling, ["tensor", "pil"])
    height, width = frames.shape[1:3]
    target = short_side_to(height, width, size)
    if target == (height, width):
        return as_floats(frames, device)
    if resampling == "tensor":
        return F.interpolate(as_floats(frames, device), size=target, mode=kind, align_corners=False, antialias=False)
    return as_floats(resized(frames, *target, kind), device)


def resized(frames: Frames, height: int, width: int, kind: Filter) -> Frames:
    """uint8 (N, H, W, 3) → (N, height, width, 3) by Pillow's filter, whatever the aspect ratio."""
    from PIL import Image

    if frames.shape[1:3] == (height, width):
        return frames
    by_name = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    return np.stack([np.asarray(Image.fromarray(frame).resize((width, height), by_name[kind])) for frame in frames])


def centre_crop(images: Tensor, size: int) -> Tensor:
    """(…, H, W) → (…, size, size); offsets round half to even."""
    top, left = (round((side - size) / 2) for side in images.shape[-2:])
    return images[..., top : top + size, left : left + size]


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """0…255 (N, 3, H, W) → each channel in 0…1 less ``mean`` over ``std``."""
    centre = torch.tensor(mean, device=images.device).view(3, 1, 1)
    spread = torch.tensor(std, device=images.device).view(3, 1, 1)
    return (images / 255.0 - centre) / spread


def replicate_pad(images: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) with both sides a multiple of ``multiple``, the border repeated around ``inside``."""
    height, width = images.shape[-2:]
    rows, columns = inside(height, width, multiple)
    around = (columns.start, -width % multiple - columns.start, rows.start, -height % multiple - rows.start)
    return F.pad(images, around, mode="replicate") if any(around) else images


def inside(height: int, width: int, multiple: int) -> tuple[slice, slice]:
    """Where an image lies in its padded form: padding is split between both sides, the smaller half first."""
    top, left = -height % multiple // 2, -width % multiple // 2
    return slice(top, top + height), slice(left, left + width)
