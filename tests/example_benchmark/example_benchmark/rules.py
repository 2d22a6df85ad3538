"""The rules: a function of a sample each, which makes a score of pixels or of a judge's answer."""

from __future__ import annotations

from nova_eval.adapters.rule import Rule, scored
from nova_eval.protocols import Detector, Item
from nova_eval.records import Score


def light(item: Item, judge: None) -> Score:
    """The mean of all pixels, 0 to 1."""
    return scored(item, "light", float(item.clip.frames[0].mean()) / 255)


def shapes(item: Item, judge: Detector) -> Score:
    """Whether the judge finds the shape that was asked for."""
    (found,) = judge.detect(item.clip.frames[:1])
    return scored(item, "shapes", float(item.prompt.reference["shape"] in {object.label for object in found}))


RULES = (Rule("light", None, light), Rule("shapes", "shapes", shapes))
