"""The official result file: what it says of a dimension and of each video."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nova_eval.adapters.own_names import FILES
from nova_eval.adapters.results import OfficialResults
from nova_eval.records import Prompt, Score

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


def result_files(results: OfficialResults) -> dict[str, str]:
    """``<model>_eval_results.json``: each dimension's score and video records; and the suite with its videos.

    A dimension over part of its videos is the mean over those, as the official tool makes it.
    """
    scores: dict[str, list[Any]] = {}
    for name, metric in results.metric.items():
        rows = [row for row in results.counted if row.metric == name]
        if rows and metric.value is not None:
            rows.sort(key=lambda row: results.paths[row.key])
            records = [{"video_path": results.paths[row.key], **official_record(row)} for row in rows]
            scores[name] = [metric.value, records]
    videos: dict[str, list[str]] = {}
    for key in sorted(results.paths):
        videos.setdefault(key.prompt_id, []).append(results.paths[key])
    suite = [
        {
            "prompt_en": prompt.text,
            "dimension": list(prompt.tags),
            **({"auxiliary_info": asked} if (asked := _asked(prompt)) else {}),
            "video_list": videos[prompt.id],
        }
        for prompt in results.prompts
        if prompt.id in videos
    ]
    return {
        f"{results.model}_eval_results.json": json.dumps(scores, indent=4),
        f"{results.model}_full_info.json": json.dumps(suite, indent=4),
    }


def _asked(prompt: Prompt) -> dict[str, Any]:
    return {key: value for key, value in prompt.reference.items() if key != FILES}
