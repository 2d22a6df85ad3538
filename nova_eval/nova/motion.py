"""The motion score that conditions video generation: how much a clip moves, as training clips are measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames


def motion_score(frames: Frames) -> float:
    """Mean magnitude of dense optical flow in pixels a frame, over all pixels and consecutive frames.

    ``frames`` (T, H, W, 3) uint8 with T ≥ 2. OpenCV's Farnebäck flow on grey frames.
    """
    import cv2

    if len(frames) < 2:
        raise UsageError(f"a motion score needs 2 frames or more, not {len(frames)}")
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    scores = []
    for before, after in pairwise(grey):
        flow = cv2.calcOpticalFlowFarneback(before, after, np.empty(0), 0.5, 3, 15, 3, 5, 1.2, 0)
        scores.append(float(np.linalg.norm(flow, axis=-1).mean()))
    return float(np.mean(scores))
