"""How frames become the tensors that image networks were trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor

from nova_eval.protocols import Frames

Answer = TypeVar("Answer")

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def normalised(frames: Frames, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """uint8 (N, H, W, 3) → float32 (N, 3, H, W), each channel of the image in 0…1 less ``mean`` over ``std``."""
    x = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def each_distinct(frames: Frames, batch: int, answer: Callable[[Frames], Iterable[Answer]]) -> list[Answer]:
    """``answer`` of every frame, asked ``batch`` frames at a time and once for frames that are equal."""
    places: dict[bytes, int] = {}
    which = [places.setdefault(frame.tobytes(), len(places)) for frame in frames]
    distinct = [which.index(place) for place in range(len(places))]
    answers: list[Answer] = []
    for start in range(0, len(distinct), batch):
        answers.extend(answer(frames[distinct[start : start + batch]]))
    return [answers[place] for place in which]
