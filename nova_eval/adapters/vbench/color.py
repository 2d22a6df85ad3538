"""color: of the frames in which the object is described with a color, how many name the right one?"""

from __future__ import annotations

import re
from collections.abc import Sequence

from nova_eval.adapters.rule import ask, left_out, scored, unscored
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames, too_short
from nova_eval.protocols import Asking, DenseCaptioner, Detection, Item
from nova_eval.records import Score

OFFICIAL_COLOR_WORDS = (
    *("white", "red", "pink", "blue", "silver", "purple"),
    *("orange", "green", "gray", "yellow", "black", "grey"),
)
"""Frames that name none of these do not count. Another wanted color (brown) counts as right and never as named, which
can push a rate over 1 (vbench/color.py ``check_generate``)."""

OFFICIAL_CLASS_OF_FIRST_BOX = True
"""The frame's highest-scoring box lends its class name to every box, so "a red bird" counts for "a red car" when a car
leads. Colors are looked for as substrings ("covered" holds "red"), and a clip in which no frame qualifies is left out
of the mean (vbench/color.py ``get_dect_from_grit``, ``color``). Corrected: each box by its own class, whole words,
and 0 for such a clip."""


def color(
    item: Item,
    *,
    frames: int | None = 16,
    class_of_first_box: bool = OFFICIAL_CLASS_OF_FIRST_BOX,
) -> Asking[Score]:
    """Frames with the right color over frames with any color, among frames that show the object."""
    wanted = auxiliary(item.prompt, "color")
    if not isinstance(wanted, str):
        return unscored(item, "color", "the prompt names no color")
    looked_at = middle_frames(item.clip, frames)
    found = (yield from ask(DenseCaptioner.describe, looked_at)) if len(looked_at) else []
    if class_of_first_box:
        name = object_name(item.prompt.text, wanted)
        counts = [_official_frame(frame, name, wanted) for frame in found]
    else:
        name = " ".join(word for word in _words(item.prompt.text) if word not in {"a", "an", wanted.lower()})
        counts = [_corrected_frame(frame, name, wanted.lower()) for frame in found]
    named = sum(frame_named for frame_named, _ in counts)
    right = sum(frame_right for _, frame_right in counts)
    if named:
        return scored(item, "color", right / named, detail={"cur_success_frame_rate": right / named})
    if class_of_first_box:
        return left_out(item, "color", "no frame names a color of the object")
    if not found:
        return too_short(item, "color", 1)
    return scored(item, "color", 0.0, detail={"cur_success_frame_rate": 0.0})


def object_name(prompt: str, wanted: str) -> str:
    """The object as the official code derives it: every ``"a "``, ``"an "`` and color removed from the prompt."""
    return prompt.replace("a ", "").replace("an ", "").replace(wanted, "").strip()


def _official_frame(found: Sequence[Detection], name: str, wanted: str) -> tuple[bool, bool]:
    label = found[0].label if found else ""
    captions = [detection.caption for detection in found] or [""]
    if label != name:
        return False, False
    named = any(word in caption for caption in captions for word in OFFICIAL_COLOR_WORDS)
    return named, any(wanted in caption for caption in captions)


def _corrected_frame(found: Sequence[Detection], name: str, wanted: str) -> tuple[bool, bool]:
    words = {word for box in found if box.label.lower() == name for word in _words(box.caption)}
    right = wanted in words
    return right or not words.isdisjoint(OFFICIAL_COLOR_WORDS), right


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
