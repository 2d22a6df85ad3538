"""The rules: a function of a sample each, which makes a score of its pixels or of a judge's answer."""

from __future__ import annotations

from nova_eval.adapters.rule import Rule, ask, first_frame, scored
from nova_eval.protocols import Asking, Detector, Item
from nova_eval.records import Score


def light(item: Item) -> Score:
    """The mean of all pixels, 0 to 1."""
    return scored(item, "light", float(first_frame(item).mean()) / 255)


def shapes(item: Item) -> Asking[Score]:
    """Whether the judge finds the shape that was asked for."""
    (found,) = yield from ask(Detector.detect, first_frame(item), joined=True)
    names = {detection.label for detection in found}
    return scored(item, "shapes", float(item.prompt.reference["shape"] in names))


RULES = (Rule("light", None, light), Rule("shapes", "shapes", shapes))
"""A name, the role of its judge in ``benchmark.toml`` (``None``: pixels are enough), and the function."""
