"""appearance_style, temporal_style and overall_consistency: how well frames or a clip agree with a text."""

from __future__ import annotations

from typing import Any

from nova_eval.adapters.vbench.rule import (
    auxiliary,
    mean,
    middle_frames,
    scored,
    too_short,
    unscored,
)
from nova_eval.protocols import ImageTextModel, Item, VideoTextModel
from nova_eval.records import Score


def style(item: Item, **settings: Any) -> tuple[str] | None:
    """The name of the style that an appearance_style prompt asks for; ``None`` where it names none."""
    name = auxiliary(item.prompt, "appearance_style")
    return (name,) if isinstance(name, str) else None


def appearance_style(item: Item, judge: ImageTextModel) -> Score:
    """The mean over all frames of the similarity with the style's name alone, weighted by frames.

    The official number is logit / 100, which is the cosine because the published logit scale is 100; the judge's
    similarity is taken as it is. ``cur_sim``, the last frame's, is what the official code averages on several GPUs.
    Source: vbench/appearance_style.py.
    """
    asked = style(item)
    if asked is None:
        return unscored(item, "appearance_style", "the prompt names no style")
    if not len(item.clip):
        return too_short(item, "appearance_style", 1)
    similarity = [float(value) for run in item.clip.runs() for value in judge.image_text_similarity(run, *asked)]
    detail = {"frame_results": similarity, "cur_sim": similarity[-1]}
    return scored(item, "appearance_style", mean(similarity), len(similarity), detail)


def video_text(item: Item, judge: VideoTextModel, *, metric: str, frames: int | None = 8) -> Score:
    """The similarity of eight frames with the whole prompt.

    Source: vbench/temporal_style.py, overall_consistency.py.
    """
    looked_at = middle_frames(item.clip, frames)
    if not len(looked_at):
        return too_short(item, metric, 1)
    return scored(item, metric, float(judge.video_text_similarity(looked_at, item.prompt.text)))
