"""aesthetic_quality and imaging_quality: ratings of single frames."""

from __future__ import annotations

from nova_eval.adapters.rule import ask_each_frame, mean, scored
from nova_eval.adapters.vbench.frames import too_short
from nova_eval.protocols import AestheticModel, Asking, Item, QualityModel
from nova_eval.records import Score


def aesthetic_quality(item: Item) -> Asking[Score]:
    """The mean rating of all frames, over 10 and not clamped. Source: vbench/aesthetic_quality.py."""
    if not len(item.clip):
        return too_short(item, "aesthetic_quality", 1)
    ratings = yield from ask_each_frame(item.clip, AestheticModel.aesthetic)
    return scored(item, "aesthetic_quality", mean(ratings) / 10.0)


def imaging_quality(item: Item) -> Asking[Score]:
    """The mean quality of all frames, over 100. Source: vbench/imaging_quality.py.

    The official per-video record is on the 0 to 100 scale, the dimension on 0 to 1; the detail keeps the former.
    """
    if not len(item.clip):
        return too_short(item, "imaging_quality", 1)
    raw = mean((yield from ask_each_frame(item.clip, QualityModel.quality)))
    return scored(item, "imaging_quality", raw / 100.0, detail={"video_results": raw})
