"""What each judge is asked: its own public question about some frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nova_eval.protocols import Detection, Frames

TEXT = "a red fox"
QUESTION = "is it a fox?"

Ask = Callable[[Any, Frames], Any]
"""A judge and uint8 frames (N, H, W, 3) → its answer; pairs are neighbours, a clip is filled up by repetition."""


def _objects_and_colors(judge: Any, frames: Frames) -> Any:
    mask = np.ones(frames.shape[1:3], bool)
    dog = Detection("dog", (1.0, 2.0, 30.0, 40.0), 1.0, mask=mask)
    return judge.detect(frames), [judge.colors(frame, [dog]) for frame in frames]


def _filled_up(frames: Frames, count: int) -> Frames:
    return frames[np.arange(count) * len(frames) // count]


QUESTIONS: Mapping[str, Ask] = {
    "dino_vitb16": lambda judge, frames: judge.encode_images(frames),
    "clip_vit_b32": lambda judge, frames: judge.image_text_similarity(frames, TEXT),
    "clipscore_vit_b32": lambda judge, frames: judge.image_text_similarity(frames, TEXT),
    "laion_aesthetic": lambda judge, frames: judge.aesthetic(frames),
    "musiq_spaq": lambda judge, frames: judge.quality(frames),
    "raft_things": lambda judge, frames: judge.flow(frames[:-1], frames[1:]),
    "amt_s": lambda judge, frames: judge.interpolate(frames[:-1], frames[1:]),
    "grit_dense_cap": lambda judge, frames: judge.describe(frames),
    "grit_object_det": lambda judge, frames: judge.detect(frames),
    "tag2text": lambda judge, frames: judge.caption(frames),
    "umt_l16": lambda judge, frames: judge.action_logits(_filled_up(frames, 16))[1],
    "viclip_l14": lambda judge, frames: judge.video_text_similarity(_filled_up(frames, 8), TEXT),
    "geneval_objects": _objects_and_colors,
    "geneval_objects_mmdet": _objects_and_colors,
    "blip_vqa": lambda judge, frames: judge.probability_of_yes(frames, [QUESTION]),
    "mplug_large": lambda judge, frames: judge.answer(frames, [QUESTION]),
    "unidet_r50": lambda judge, frames: judge.detect(frames),
    "unidet_rs200": lambda judge, frames: judge.detect(frames),
    "dpt_hybrid": lambda judge, frames: judge.depth(frames),
    "unidet_r50_dpt": lambda judge, frames: (judge.detect(frames), judge.depth(frames)),
}

IN_FLOAT32_ONLY = frozenset({"raft_things", "amt_s", "geneval_objects_mmdet"})
