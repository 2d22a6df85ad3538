"""spatial_2d, spatial_3d, and the places of complex prompts: are two objects there, and where the prompt says?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise, product

import numpy as np

from nova_eval.adapters.rule import ask, first_frame, scored, unscored
from nova_eval.adapters.t2i_compbench.frames import detector_frame, official_depth
from nova_eval.adapters.t2i_compbench.parses import Parses, Token
from nova_eval.adapters.t2i_compbench.positions import (
    RELATIONS_2D,
    RELATIONS_3D,
    position_2d,
    position_3d,
    relation_in,
)
from nova_eval.adapters.t2i_compbench.vocabulary import PEOPLE
from nova_eval.protocols import Asking, DepthModel, Detection, Detector, Item
from nova_eval.records import Score

Pair = tuple[int | None, int | None]

OFFICIAL_MATCHING_IS_NAIVE = True
"""2D: a label must equal the noun, so that a third of the prompts ("wallet", "sofa", "table") can never score, and the
first detection of a label is taken. 3D: the noun may stand anywhere in a label ("cat" in "caterpillar"), and the *last*
match before both are known is taken. Both: girl, boy, man and woman are looked for as "person" only, and one detection
may be both objects. Corrected: a merged label ("table, desk") stands for each of its names, people for "person" and
themselves, and the surest two different detections are taken."""

OFFICIAL_BELOW_HALF_IS_ZERO = True
"""2D: scores below 0.5 become 0, so one object alone, or two in the wrong place, score nothing. Corrected: they keep
their score, as they do in 3D."""

OFFICIAL_OBJECTS_ARE_PARSED = True
"""The objects of a prompt are the first and the last word that a parser takes for a noun. Corrected: the words around
the relation, since every simple prompt reads "a X <relation> a Y"."""

_PREPOSITIONS = ("on top of", "on bottom of", "on the left", "on the right", "next to", "on side of", "near")
_SIMPLE = re.compile(r"an? (\w+) (?:.+) an? (\w+)")


def spatial_2d(
    item: Item,
    *,
    parses: Parses,
    naive_matching: bool = OFFICIAL_MATCHING_IS_NAIVE,
    below_half_is_zero: bool = OFFICIAL_BELOW_HALF_IS_ZERO,
    objects_are_parsed: bool = OFFICIAL_OBJECTS_ARE_PARSED,
    position: Callable[..., float] = position_2d,
    resized: bool = True,
) -> Asking[Score]:
    """A quarter of each object's detection score, and half of how well they are placed."""
    objects = _simple_objects(item, parses, objects_are_parsed)
    match = _first_equal if naive_matching else _surest_two
    least = 0.5 if below_half_is_zero else 0.0
    return _placed(item, "spatial_2d", objects, match=match, position=position, least=least, resized=resized)


def complex_spatial(
    item: Item,
    *,
    parses: Parses,
    naive_matching: bool = OFFICIAL_MATCHING_IS_NAIVE,
    below_half_is_zero: bool = OFFICIAL_BELOW_HALF_IS_ZERO,
    position: Callable[..., float] = position_2d,
    resized: bool = True,
) -> Asking[Score]:
    """The same for the two objects beside the one preposition of a complex prompt; 0 where there are not two."""
    objects = complex_objects(parses.of_prompt(item.prompt).tokens)
    if len(objects) != 2:
        return scored(item, "complex_spatial", 0.0, detail={"objects": objects})
    match = _first_equal if naive_matching else _surest_two
    least = 0.5 if below_half_is_zero else 0.0
    pair = objects[0], objects[1]
    return (
        yield from _placed(item, "complex_spatial", pair, match=match, position=position, least=least, resized=resized)
    )


def spatial_3d(
    item: Item,
    *,
    parses: Parses,
    naive_matching: bool = OFFICIAL_MATCHING_IS_NAIVE,
    objects_are_parsed: bool = OFFICIAL_OBJECTS_ARE_PARSED,
    position: Callable[..., float] = position_3d,
    resized: bool = True,
) -> Asking[Score]:
    """A quarter of each object's detection score, and half of whether one hides the other as the prompt says."""
    objects = _simple_objects(item, parses, objects_are_parsed)
    (depth,) = yield from ask(DepthModel.depth, first_frame(item), joined=True)
    depth = official_depth(depth) if resized else depth

    def at_depth(relation: str | None, a: Sequence[float], b: Sequence[float]) -> float:
        return position(relation, a, b, depth)

    match = _last_containing if naive_matching else _surest_two
    return (yield from _placed(item, "spatial_3d", objects, match=match, position=at_depth, least=0.0, resized=resized))


def complex_objects(tokens: Sequence[Token]) -> list[str]:
    """Around each preposition, the nearest noun before it and the first noun after it.

    Before it a proper noun will do too; after it only where no noun follows, and then the end of the first run of them
    that something else follows.
    """
    objects: list[str] = []
    for start in range(len(tokens)):
        spans = (" ".join(token.text for token in tokens[start : start + length]) for length in (3, 2, 1))
        length = next((n for n, span in zip((3, 2, 1), spans, strict=True) if span in _PREPOSITIONS), 0)
        if not length:
            continue
        before = [token.text for token in tokens[:start] if token.pos in {"NOUN", "PROPN"}]
        after = tokens[start + length :]
        nouns = [token.text for token in after if token.pos == "NOUN"]
        names = [
            token.text for token, following in pairwise(after) if token.pos == "PROPN" and following.pos != "PROPN"
        ]
        objects += [*before[-1:], *(nouns or names)[:1]]
    return objects


def _simple_objects(item: Item, parses: Parses, parsed: bool) -> tuple[str, str] | None:
    if not parsed:
        match = _SIMPLE.fullmatch(item.prompt.text)
        return (match[1], match[2]) if match else None
    nouns = [token.text for token in parses.of_prompt(item.prompt).tokens if token.pos == "NOUN"]
    return (nouns[0], nouns[-1]) if nouns else None


def _placed(
    item: Item,
    metric: str,
    objects: tuple[str, str] | None,
    *,
    match: Callable[[tuple[str, str], Sequence[Detection]], Pair],
    position: Callable[..., float],
    least: float,
    resized: bool,
) -> Asking[Score]:
    """The score of two objects, 0 where it is below ``least``."""
    if objects is None:
        return unscored(item, metric, "no noun was read in the prompt")
    frame = detector_frame(item, resized=resized)
    (found,) = yield from ask(Detector.detect, frame, joined=True)
    places = match(objects, found)
    relation = relation_in(item.prompt.text, RELATIONS_3D if metric == "spatial_3d" else RELATIONS_2D)
    boxes = [[float(np.float32(side)) for side in found[place].box] for place in places if place is not None]
    # Detectors answer in single precision.
    value = sum(0.25 * float(np.float32(found[place].score)) for place in places if place is not None)
    if len(boxes) == 2:
        try:
            value += position(relation, *boxes) / 2
        except ZeroDivisionError:
            return unscored(item, metric, "the overlap of two boxes without area is undefined")
    if value < least:
        value = 0.0
    size = [frame.shape[2], frame.shape[1]]  # boxes are in pixels of what was shown to the detector
    detail = {"objects": list(objects), "relation": relation, "boxes": boxes, "size": size}
    return scored(item, metric, value, detail=detail)


def _first_equal(objects: tuple[str, str], found: Sequence[Detection]) -> Pair:
    labels = [detection.label for detection in found]
    first, second = (labels.index(name) if name in labels else None for name in _as_person(objects))
    return first, second


def _last_containing(objects: tuple[str, str], found: Sequence[Detection]) -> Pair:
    """Both objects' last matches up to where both are known; an object that is alone, its first match."""
    first, second = _as_person(objects)
    known: list[int | None] = [None, None]
    for place, detection in enumerate(found):
        known = [place if name in detection.label else old for name, old in zip((first, second), known, strict=True)]
        if None not in known:
            return known[0], known[1]
    alone = [next((p for p, d in enumerate(found) if name in d.label), None) for name in (first, second)]
    return alone[0], alone[1]


def _surest_two(objects: tuple[str, str], found: Sequence[Detection]) -> Pair:
    """The pair of different detections with the highest sum of scores, or the surest of what is there."""
    first, second = ([p for p, d in enumerate(found) if _names(name, d.label)] for name in objects)
    pairs = [(a, b) for a, b in product(first, second) if a != b]
    if pairs:
        return max(pairs, key=lambda pair: found[pair[0]].score + found[pair[1]].score)
    alone = [max(places, key=lambda place: found[place].score, default=None) for places in (first, second)]
    return (alone[0], None) if first else (None, alone[1])


def _as_person(objects: tuple[str, str]) -> tuple[str, str]:
    first, second = ("person" if name in PEOPLE else name for name in objects)
    return first, second


def _names(noun: str, label: str) -> bool:
    return noun in label.split(", ") or (noun in PEOPLE and label == "person")
