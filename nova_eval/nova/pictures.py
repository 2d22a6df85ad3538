"""Given first frames for image-to-video, as the autoencoder wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nova_eval.errors import UsageError

Picture = NDArray[np.uint8]


def first_frames(image: Any, count: int, height: int, width: int) -> Tensor:
    """(count, 3, 1, height, width) in [−1, 1].

    ``image`` is one uint8 RGB picture (H, W, 3), an array or anything NumPy reads as one (Pillow), for all samples, or
    a sequence of ``count`` such pictures. A picture of another size is scaled to cover the frame and cut at the middle.
    """
    pictures = list(image) if _is_many(image) else [image] * count
    if len(pictures) != count:
        raise UsageError(f"{len(pictures)} images for {count} prompts", remedy="give one image, or one a prompt")
    frames = np.stack([_fitted(np.asarray(picture), height, width) for picture in pictures])
    pixels = torch.from_numpy(frames).float().sub_(127.5).div_(127.5)
    return pixels.permute(0, 3, 1, 2).unsqueeze(2)


def _is_many(image: Any) -> bool:
    return (isinstance(image, Sequence) and not isinstance(image, (str, bytes))) or getattr(image, "ndim", 3) == 4


def _fitted(picture: NDArray[Any], height: int, width: int) -> Picture:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise UsageError(
            f"the image has shape {picture.shape} and type {picture.dtype}", remedy="give uint8 RGB of shape (H, W, 3)"
        )
    if picture.shape[:2] == (height, width):
        return picture
    from PIL import Image

    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    scaled = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    top, left = (scaled.shape[0] - height) // 2, (scaled.shape[1] - width) // 2
    return scaled[top : top + height, left : left + width]
