"""numeracy: are there as many of each object as the prompt says? Source: UniDet_eval/numeracy_eval.py."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from nova_eval.adapters.rule import ask, scored, unscored
from nova_eval.adapters.t2i_compbench.frames import detector_frame
from nova_eval.adapters.t2i_compbench.vocabulary import PEOPLE, PLURALS, SINGULARS
from nova_eval.protocols import Asking, Detection, Detector, Item
from nova_eval.records import Score

OFFICIAL_LABELS_ARE_RENAMED = True
"""Where no label equals the object's name, every label that *contains* it is renamed to it, for the objects after it
too: "pen" finds penguins, "bag" cabbages. Corrected: a merged label ("picture, frame") stands for each of its names,
and nothing else."""

OFFICIAL_NAMES = {**dict.fromkeys(PEOPLE, "person"), "ship": "boat", "goldfish": "fish", "painting": "picture"}
"""Names looked for in place of the prompt's. The official list also renames "telivision", so that a television is
looked for as "television" and never as "tv"."""

_NUMBERS = {
    word: value for value, word in enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight"), 1)
}
_ARTICLES = ("a", "an")
_SAME_OBJECT = 0.9  # of the union, or of either box


class UnreadablePrompt(ValueError):
    """The official reader fails on this prompt."""


def numeracy(
    item: Item, *, labels_are_renamed: bool = OFFICIAL_LABELS_ARE_RENAMED, resized: bool = True
) -> Asking[Score]:
    """Half a share for each kind of object that is there, the other half if its number is right.

    Detections of one label that cover each other are one object. ``resized=False`` shows the detector the frame as it
    is. A prompt about objects beside the official ones names them in ``reference["plurals"]``, singular to plural.
    """
    (found,) = yield from ask(Detector.detect, detector_frame(item, resized=resized), joined=True)
    labels = [detection.label for detection in distinct(found)]
    try:
        names, numbers = read_counts(item.prompt.text, item.prompt.reference.get("plurals", {}))
        value, seen = _share(names, numbers, labels, labels_are_renamed)
    except UnreadablePrompt as error:
        return unscored(item, "numeracy", str(error))
    return scored(item, "numeracy", value, detail={"asked": names, "numbers": numbers, "found": seen})


def read_counts(text: str, more: Mapping[str, str] = MappingProxyType({})) -> tuple[list[str], list[int]]:
    """The objects that a prompt counts, and their numbers: ``"two dogs and a cat"`` → (dog, cat), (2, 1).

    Numbers are a, an and one to eight in lower case. The lists differ in length after an article with a plural, whose
    number cannot be read; the numbers that follow then belong to the wrong objects, as they officially do. ``more``
    names further objects, singular to plural.
    """
    plurals = {**PLURALS, **more}
    singulars = {**SINGULARS, **{plural: singular for singular, plural in more.items()}}
    words = re.findall(r"\w+|[^\w\s]", text)
    names: list[str] = []
    numbers: list[int] = []
    for place, word in enumerate(words):
        if word not in _NUMBERS and word not in _ARTICLES:
            continue
        if place + 1 == len(words):
            raise UnreadablePrompt(f"no object follows {word!r}, the last word of the prompt")
        noun = words[place + 1]
        if noun in plurals and word in (*_ARTICLES, "one"):
            names.append(noun)
            numbers.append(1)
        elif noun in singulars:
            names.append(singulars[noun])
            numbers += [_NUMBERS[word]] if word in _NUMBERS else []
        elif noun in plurals:
            raise UnreadablePrompt(f"{word} {noun}: a number above one with a singular")
    if not names:
        raise UnreadablePrompt("the prompt counts no object that is known")
    return names, numbers


def distinct(found: Sequence[Detection]) -> list[Detection]:
    """The detections without those that cover, or are covered by, an earlier one of the same label."""
    kept: list[Detection] = []
    for detection in found:
        if not any(other.label == detection.label and same_place(detection.box, other.box) for other in kept):
            kept.append(detection)
    return kept


def same_place(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two boxes, which include their last pixel, share over 0.9 of their union or of either."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    area_a, area_b = ((box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b))
    shared = width * height
    return any(shared / whole > _SAME_OBJECT for whole in (area_a + area_b - shared, area_a, area_b))


def _share(
    names: Sequence[str], numbers: Sequence[int], labels: list[str], labels_are_renamed: bool
) -> tuple[float, list[int]]:
    weight = 1.0 / len(names)
    value, seen = 0.0, []
    for place, name in enumerate(names):
        wanted = OFFICIAL_NAMES.get(name, name)
        if wanted not in labels:
            labels[:] = [wanted if _stands_for(label, wanted, labels_are_renamed) else label for label in labels]
        seen.append(labels.count(wanted))
        if not seen[-1]:
            continue
        if place >= len(numbers):
            raise UnreadablePrompt(f"the number of {name!r} cannot be read")
        value += 0.5 * weight
        value += 0.5 * weight if seen[-1] == numbers[place] else 0.0
    return value, seen


def _stands_for(label: str, name: str, by_substring: bool) -> bool:
    return name in label if by_substring else name in label.split(", ")
