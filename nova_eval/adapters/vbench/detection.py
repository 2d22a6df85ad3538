"""object_class and multiple_objects: is what the prompt names among the objects found in each frame?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.adapters.rule import ask, scored, unscored
from nova_eval.adapters.vbench.frames import auxiliary, middle_frames, too_short
from nova_eval.errors import NovaEvalError
from nova_eval.protocols import Asking, Detector, Frames, Item
from nova_eval.records import Score

OFFICIAL_DETECTOR_ERROR_IS_EMPTY_FRAME = True
"""object_class alone catches every exception of the detector, out of memory included, and counts a frame without
objects (vbench/object_class.py ``get_dect_from_grit``). Corrected: the exception passes, the sample is unscored."""


def object_class(
    item: Item,
    *,
    frames: int | None = 16,
    error_is_empty_frame: bool = OFFICIAL_DETECTOR_ERROR_IS_EMPTY_FRAME,
) -> Asking[Score]:
    """The share of frames in which an object has exactly the wanted name. Source: vbench/object_class.py."""
    wanted = auxiliary(item.prompt, "object_class", "object")
    if not isinstance(wanted, str):
        return unscored(item, "object_class", "the prompt names no object")
    looked_at = middle_frames(item.clip, frames)
    names = yield from (_names_despite_errors if error_is_empty_frame else _names)(looked_at)
    return share_of_frames(item, "object_class", [wanted in found for found in names])


def multiple_objects(item: Item, *, frames: int | None = 16) -> Asking[Score]:
    """The share of frames in which both names of ``"a and b"`` are found. Source: vbench/multiple_objects.py.

    One object satisfies ``"dog and dog"``.
    """
    wanted = auxiliary(item.prompt, "multiple_objects", "object")
    pair = wanted.split(" and ") if isinstance(wanted, str) else []
    if len(pair) != 2:
        return unscored(item, "multiple_objects", f"{wanted!r} does not name two objects as 'a and b'")
    both = {name.strip() for name in pair}
    names = yield from _names(middle_frames(item.clip, frames))
    return share_of_frames(item, "multiple_objects", [both <= found for found in names])


def share_of_frames(item: Item, metric: str, hits: Sequence[bool]) -> Score:
    """Successes over frames, weighted by frames, so that the dimension pools the frames of all clips."""
    if not hits:
        return too_short(item, metric, 1)
    detail = {"success_frame_count": sum(hits), "frame_count": len(hits)}
    return scored(item, metric, sum(hits) / len(hits), len(hits), detail)


def _names(frames: Frames) -> Asking[list[set[str]]]:
    found = (yield from ask(Detector.detect, frames)) if len(frames) else []
    return [{detection.label for detection in frame} for frame in found]


def _names_despite_errors(frames: Frames) -> Asking[list[set[str]]]:
    try:
        return (yield from _names(frames))
    except NovaEvalError:
        raise  # missing weights are not a frame without objects
    except Exception:
        if len(frames) == 1:
            return [set()]
    names = []
    for t in range(len(frames)):
        names += yield from _names_despite_errors(frames[t : t + 1])
    return names
