"""subject_consistency and background_consistency: how alike the frames of a clip are to an image encoder."""

from __future__ import annotations

import numpy as np

from nova_eval.adapters.rule import ask_each_frame, mean, scored
from nova_eval.adapters.vbench.frames import too_short
from nova_eval.protocols import Asking, ImageEncoder, Item
from nova_eval.records import Score


def consistency(item: Item, *, metric: str) -> Asking[Score]:
    """Mean over frames t ≥ 1 of ½(max(0, cos(t − 1, t)) + max(0, cos(0, t))), weighted by the number of pairs.

    Source: vbench/subject_consistency.py, background_consistency.py, run by one process (frame-weighted mean).
    """
    if len(item.clip) < 2:
        return too_short(item, metric, 2)
    features = np.asarray((yield from ask_each_frame(item.clip, ImageEncoder.encode_images)), np.float64)
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    to_previous = np.maximum((unit[:-1] * unit[1:]).sum(axis=1), 0.0)
    to_first = np.maximum(unit[1:] @ unit[0], 0.0)
    pairs = (to_previous + to_first) / 2
    detail = {"video_sim": float(pairs.sum()), "cnt_per_video": len(pairs)}
    return scored(item, metric, mean(pairs), len(pairs), detail)
