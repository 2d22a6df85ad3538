"""The official result file: what it says of a dimension and of each video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nova_eval.records import Score

_EXTRA_KEYS: Mapping[str, tuple[str, ...]] = {
    "background_consistency": ("video_sim", "cnt_per_video"),
    "object_class": ("success_frame_count", "frame_count"),
    "multiple_objects": ("success_frame_count", "frame_count"),
    "scene": ("success_frame_count", "frame_count"),
    "human_action": ("cor_num_per_video",),
    "color": ("cur_success_frame_rate",),
    "spatial_relationship": ("frame_results",),
    "appearance_style": ("frame_results", "cur_sim"),
}
_BOOLEAN = frozenset({"human_action", "dynamic_degree"})


def official_record(score: Score) -> dict[str, Any]:
    """The per-video record of a scored row, ``video_path`` aside: the official keys, types and units.

    The official list holds no record of a video that the rule leaves out, and none of one that is unscored.
    """
    if score.value is None:
        raise ValueError(f"no record of a row without a number: {score.metric} of {score.key}")
    result: Any = bool(score.value) if score.metric in _BOOLEAN else score.value
    if score.metric == "imaging_quality":
        result = score.detail["video_results"]  # 0 to 100, where the dimension is 0 to 1
    return {"video_results": result} | {key: score.detail[key] for key in _EXTRA_KEYS.get(score.metric, ())}
