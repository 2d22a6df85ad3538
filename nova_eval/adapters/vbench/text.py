"""appearance_style, temporal_style and overall_consistency: how well frames or a clip agree with a text."""

from __future__ import annotations

from nova_eval.adapters.rule import ask, ask_each_frame, mean, scored, unscored
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames, too_short
from nova_eval.protocols import Asking, ImageTextModel, Item, VideoTextModel
from nova_eval.records import Score


def appearance_style(item: Item) -> Asking[Score]:
    """The mean over all frames of the similarity with the style's name alone, weighted by frames.

    The official number is logit / 100, which is the cosine because the published logit scale is 100; the judge's
    similarity is taken as it is. ``cur_sim``, the last frame's, is what the official code averages on several GPUs.
    Source: vbench/appearance_style.py.
    """
    style = auxiliary(item.prompt, "appearance_style")
    if not isinstance(style, str):
        return unscored(item, "appearance_style", "the prompt names no style")
    if not len(item.clip):
        return too_short(item, "appearance_style", 1)
    found = yield from ask_each_frame(item.clip, ImageTextModel.image_text_similarity, style)
    similarity = [float(value) for value in found]
    detail = {"frame_results": similarity, "cur_sim": similarity[-1]}
    return scored(item, "appearance_style", mean(similarity), len(similarity), detail)


def video_text(item: Item, *, metric: str, frames: int | None = 8) -> Asking[Score]:
    """The similarity of eight frames with the whole prompt.

    Source: vbench/temporal_style.py, overall_consistency.py.
    """
    looked_at = middle_frames(item.clip, frames)
    if not len(looked_at):
        return too_short(item, metric, 1)
    similarity = yield from ask(VideoTextModel.video_text_similarity, looked_at, item.prompt.text)
    return scored(item, metric, float(similarity))
