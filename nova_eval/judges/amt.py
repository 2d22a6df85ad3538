"""AMT: what lies half-way between two frames?

Network: AMT-S (MCG-NKU/AMT, CC-BY-NC-4.0), as VBench's ``motion_smoothness`` uses it. The network itself is in
``amt_network``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nova_eval import weights as pinned
from nova_eval.errors import MediaError, UsageError
from nova_eval.judges.amt_network import AMT
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.resizing import as_floats, inside, replicate_pad
from nova_eval.protocols import Floats, Frames

MULTIPLE, DEFINED_FROM = 16, 128
OFFICIAL_PREDICTION_IS_TRUNCATED = True
"""A predicted value times 255 loses its fraction on its way to a byte; it is not rounded."""
PAIRS_ON_CPU = 1  # at once: more miss its cache, four take up to a third longer each
_CORRELATION_BYTES = 1 << 30  # pairs are predicted together while their correlation volumes stay below this


class AmtS:
    """A ``FrameInterpolator``.

    ``weights`` is the official ``amt-s.pth`` (default: where the pinned file lies). At most ``batch`` pairs are
    predicted at once on a GPU, fewer where frames are large, and one on the CPU.
    """

    name = "amt_s"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32", batch: int = 4) -> None:
        if dtype != "float32":
            raise UsageError(f"{self.name} computes in float32, not {dtype!r}")
        self._hosted = Hosted(self.name, self.VERSION, weights=self.name, path=weights, dtype=dtype, build=build)
        self._batch = batch
        self.digest = self._hosted.digest

    def to(self, device: str) -> AmtS:
        self._hosted.to(device)
        return self

    def predict(self, first: Frames, second: Frames) -> Floats:
        """Two uint8 (N, H, W, 3) → float32 (N, h, w, 3) middle frames in 0…1, padded to multiples of 16.

        MediaError for frames that the network is not defined on: less than 128 pixels a side when padded (the
        official code answers NaN there).
        """
        if first.shape != second.shape:
            raise UsageError(f"frames of one shape make pairs, not {first.shape} and {second.shape}")
        predictions = []
        size = self._pairs_at_once(*first.shape[1:3])
        for start in range(0, len(first), size):
            pair = [as_floats(frames[start : start + size], self._hosted.device) / 255.0 for frames in (first, second)]
            one, other = (replicate_pad(images, MULTIPLE) for images in pair)
            if min(one.shape[-2:]) < DEFINED_FROM:
                raise MediaError(f"AMT needs frames of {DEFINED_FROM - MULTIPLE + 1} pixels a side or more")
            with torch.inference_mode():
                middle = self._hosted.network(one, other)
            predictions.append(middle.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(predictions)

    def interpolate(self, first: Frames, second: Frames) -> Frames:
        """Two uint8 (N, H, W, 3) → uint8 (N, H, W, 3) predicted middle frames."""
        if not len(first):
            return first
        return as_bytes(self.predict(first, second), *first.shape[1:3])

    def _pairs_at_once(self, height: int, width: int) -> int:
        cells = -(-height // MULTIPLE) * -(-width // MULTIPLE) * 4  # of the maps at an eighth
        size = max(1, min(self._batch, _CORRELATION_BYTES // (2 * 4 * cells * cells)))
        return min(size, PAIRS_ON_CPU) if self._hosted.device == "cpu" else size


def as_bytes(padded: Floats, height: int, width: int) -> Frames:
    """Padded predictions (N, h, w, 3) in 0…1 → uint8 (N, height, width, 3)."""
    rows, columns = inside(height, width, MULTIPLE)
    scaled = (padded[:, rows, columns] * np.float32(255.0)).clip(0, 255)
    if not OFFICIAL_PREDICTION_IS_TRUNCATED:
        scaled = scaled.round()
    middle: Frames = scaled.astype(np.uint8)
    return middle


def build(state: dict[str, Tensor], path: Path) -> AMT:
    network = unfilled(AMT)
    pinned.apply(network, state, where=str(path))
    return network
