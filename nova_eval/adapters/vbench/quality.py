"""aesthetic_quality and imaging_quality: ratings of single frames."""

from __future__ import annotations

from itertools import chain

from nova_eval.adapters.vbench.rule import mean, scored, too_short
from nova_eval.protocols import AestheticModel, Item, QualityModel
from nova_eval.records import Score


def aesthetic_quality(item: Item, judge: AestheticModel) -> Score:
    """The mean rating of all frames, over 10 and not clamped. Source: vbench/aesthetic_quality.py."""
    if not len(item.clip):
        return too_short(item, "aesthetic_quality", 1)
    return scored(item, "aesthetic_quality", mean(chain.from_iterable(map(judge.aesthetic, item.clip.runs()))) / 10.0)


def imaging_quality(item: Item, judge: QualityModel) -> Score:
    """The mean quality of all frames, over 100. Source: vbench/imaging_quality.py.

    The official per-video record is on the 0 to 100 scale, the dimension on 0 to 1; the detail keeps the former.
    """
    if not len(item.clip):
        return too_short(item, "imaging_quality", 1)
    raw = mean(chain.from_iterable(map(judge.quality, item.clip.runs())))
    return scored(item, "imaging_quality", raw / 100.0, detail={"video_results": raw})
