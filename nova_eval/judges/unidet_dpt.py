"""UniDet on ResNet-50 and DPT-hybrid side by side: what is in an image, where, and how near?"""

from __future__ import annotations

from pathlib import Path

from nova_eval.identity import digest
from nova_eval.judges.dpt import DPTHybrid
from nova_eval.judges.unidet import UniDetR50
from nova_eval.protocols import Detection, Floats, Frames


class UniDetR50DPT:
    """A ``DepthDetector``, as T2I-CompBench's 3D-spatial category asks two networks.

    ``weights`` and ``depth_weights`` are the official files of ``UniDetR50`` and ``DPTHybrid`` (defaults: where the
    pinned files lie). ``batch`` frames are looked at at once.
    """

    name = "unidet_r50_dpt"
    VERSION = "1"

    def __init__(
        self,
        weights: Path | None = None,
        depth_weights: Path | None = None,
        dtype: str = "float32",
        batch: int = 8,
    ) -> None:
        self.objects, self.nearness = UniDetR50(weights, dtype, batch=batch), DPTHybrid(depth_weights, dtype, batch)
        parts = [self.objects.digest, self.nearness.digest]
        self.digest = digest({"judge": self.name, "version": self.VERSION, "parts": parts})

    def to(self, device: str) -> UniDetR50DPT:
        self.objects.to(device)
        self.nearness.to(device)
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        """(N, H, W, 3) → the objects of each frame, surest first."""
        return self.objects.detect(frames)

    def depth(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N, H, W) nearness in 0…1 over each frame's own range."""
        return self.nearness.depth(frames)
