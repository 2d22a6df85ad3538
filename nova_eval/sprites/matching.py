"""How much of a sentence pictures show: the mean over everything the sentence states, 0 … 1."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.sprites.grammar import Scene, Thing, describe_thing, parse
from nova_eval.sprites.layers import Layered, read_layers, stands_before
from nova_eval.sprites.motion_reading import main_track, name_camera, name_motion
from nova_eval.sprites.reading import FrameReading, Seen
from nova_eval.sprites.style_reading import style_score
from nova_eval.sprites.tones import PLAIN
from nova_eval.sprites.vocabulary import STILL, STYLES

UNCLEAR = "an unclear picture"
_STOP_WORDS = frozenset({"a", "an", "the", "of", "on", "in", "at", "is", "with", "and", "to", "by", "from", "style"})


def understood(text: str) -> Scene | str | None:
    """The scene of ``text``; the name of a style where it names only that; ``None`` for foreign sentences."""
    lowered = text.lower()
    try:
        return parse(text)
    except UsageError:
        return next((name for name, phrase in STYLES.items() if phrase in lowered), None)


def frame_matches(frames: Frames, readings: Sequence[FrameReading], text: str) -> list[float]:
    """For each frame, the share of ``text`` that it shows. What only a clip can show is left out."""
    wanted = understood(text)
    if wanted is None:
        return [_word_match(text, caption(reading)) for reading in readings]
    if isinstance(wanted, str):
        return [style_score(frame, wanted) for frame in frames]
    facets = [_static_facets(frame, reading, wanted) for frame, reading in zip(frames, readings, strict=True)]
    return [float(np.mean(each)) if each else 0.0 for each in facets]


def clip_match(frames: Frames, readings: Sequence[FrameReading], text: str) -> float:
    """The share of ``text`` that the clip shows, motion and camera included."""
    wanted = understood(text)
    if not isinstance(wanted, Scene):
        return float(np.mean(frame_matches(frames, readings, text)))
    facets = [_static_facets(frame, reading, wanted) for frame, reading in zip(frames, readings, strict=True)]
    scores = list(np.mean(facets, axis=0)) if facets and facets[0] else []
    if wanted.motion == STILL:
        drift = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean() if len(frames) > 1 else 0.0
        scores.append(float(np.clip(1.5 - drift, 0, 1)))
    elif wanted.motion:
        scores.append(float(name_motion(main_track(readings)) == wanted.motion))
    if wanted.camera:
        scores.append(float(name_camera(frames) == wanted.camera) * _clarity(readings))
    return float(np.mean(scores)) if scores else 0.0


def caption(reading: FrameReading) -> str:
    """A sentence on one frame: the place first, then the objects."""
    place = reading.place
    if place is None and not reading.objects and reading.places[PLAIN] < 0.5:
        return UNCLEAR
    where = f"a {place}" if place else "a plain backdrop"
    return " with ".join(
        [where, *([" and ".join(describe(seen) for seen in reading.objects)] if reading.objects else [])]
    )


def describe(seen: Seen) -> str:
    """The phrase for one object, e.g. ``"a red striped circle"``."""
    return describe_thing(Thing(seen.shape, seen.color, None if seen.texture == "plain" else seen.texture))


def relation_holds(relation: str, one: Seen, other: Seen) -> bool:
    """Whether ``one`` lies mainly in the direction ``relation`` of ``other``."""
    across, down = one.x - other.x, one.y - other.y
    if relation in ("left", "right"):
        return abs(across) > abs(down) and (across < 0) == (relation == "left")
    return abs(down) > abs(across) and (down < 0) == (relation == "top")


def position_holds(position: str, seen: Seen, size: tuple[int, int]) -> bool:
    """Whether ``seen`` lies in that part of a frame of ``size`` (H, W)."""
    height, width = size
    across, down = seen.x * min(height, width) / width - 0.5, seen.y * min(height, width) / height - 0.5
    edge = 0.12
    inside = {
        "left": across < -edge and abs(across) > abs(down),
        "right": across > edge and abs(across) > abs(down),
        "top": down < -edge and abs(down) > abs(across),
        "bottom": down > edge and abs(down) > abs(across),
        "middle": max(abs(across), abs(down)) < edge,
    }
    return inside[position]


def place_share(reading: FrameReading, place: str) -> float:
    """0 … 1: how much of what shows between the sprites is ``place``; 0 where another one is recognised."""
    return min(1.0, reading.places[place] / 0.75) if reading.place == place else 0.0


def _related(relation: str, layers: Layered, one: Seen, other: Seen) -> bool:
    if relation == "front":
        return stands_before(layers, one, other)
    return stands_before(layers, other, one) if relation == "behind" else relation_holds(relation, one, other)


def _static_facets(frame: Frames, reading: FrameReading, scene: Scene) -> list[float]:
    size = (frame.shape[0], frame.shape[1])
    layers = read_layers(reading, size) if scene.layers else Layered(reading.objects)
    objects = layers.objects
    scores = [score for thing in scene.things for score in _thing_facets(objects, thing, scene)]
    if scene.relation:
        pairs = [(a, b) for a in _fitting(objects, scene.things[0]) for b in _fitting(objects, scene.things[1])]
        scores.append(float(any(_related(scene.relation, layers, a, b) for a, b in pairs)))
    if scene.position:
        placed = _fitting(objects, scene.things[0])
        scores.append(float(any(position_holds(scene.position, seen, size) for seen in placed)))
    if scene.place:
        scores.append(place_share(reading, scene.place))
    if scene.style:
        scores.append(style_score(frame, scene.style))
    return scores


def _thing_facets(objects: Sequence[Seen], thing: Thing, scene: Scene) -> list[float]:
    shared = sum(other.shape == thing.shape for other in scene.things) > 1
    same = [seen for seen in objects if seen.shape == thing.shape and (not shared or seen.color == thing.color)]
    scores = [1.0 if len(same) == thing.count else 0.5 if same else 0.0]
    for wanted, name in ((thing.color, "color"), (thing.texture, "texture"), (thing.size, "size")):
        if wanted:
            scores.append(float(np.mean([getattr(seen, name) == wanted for seen in same])) if same else 0.0)
    return scores


def _fitting(objects: Sequence[Seen], thing: Thing) -> list[Seen]:
    return [seen for seen in objects if seen.shape == thing.shape and thing.color in (None, seen.color)]


def _clarity(readings: Sequence[FrameReading]) -> float:
    """The share of frames that show anything of this world."""
    return float(np.mean([caption(reading) != UNCLEAR for reading in readings]))


def _word_match(text: str, shown: str) -> float:
    wanted = {word for word in re.findall(r"[a-z]+", text.lower()) if word not in _STOP_WORDS}
    return len(wanted & set(shown.split())) / len(wanted) if wanted and shown != UNCLEAR else 0.0
