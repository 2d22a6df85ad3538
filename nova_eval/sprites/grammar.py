"""Prompt ↔ scene: ``parse`` reads every sentence that ``render_text`` writes, and says clearly what it cannot read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nova_eval.errors import UsageError
from nova_eval.sprites.vocabulary import (
    BEFORE,
    CAMERAS,
    COLORS,
    COUNTS,
    DEPTHS,
    MOTIONS,
    PLACES,
    PLURALS,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    SIZING_MOTIONS,
    STILL,
    STILL_PREFIX,
    STYLES,
    TEXTURES,
    THIN,
    TURNABLE,
    TURNING_MOTIONS,
)


@dataclass(frozen=True, slots=True)
class Thing:
    """``count`` equal objects. ``None`` means that the prompt leaves the attribute free."""

    shape: str
    color: str | None = None
    texture: str | None = None
    size: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """What a prompt asks to be shown. Raises UsageError where the world cannot show it recognisably."""

    things: tuple[Thing, ...] = ()
    relation: str | None = None
    position: str | None = None
    motion: str | None = None
    place: str | None = None
    camera: str | None = None
    style: str | None = None

    def __post_init__(self) -> None:
        if problem := _incomplete(self) or _invisible(self):
            raise UsageError(f"the sprites world cannot show this: {problem}")

    @property
    def objects(self) -> int:
        """How many objects are in view."""
        return sum(thing.count for thing in self.things)

    @property
    def moving(self) -> bool:
        """Whether a motion is asked for."""
        return self.motion is not None and self.motion != STILL

    @property
    def layers(self) -> tuple[Thing, Thing] | None:
        """The nearer and the farther thing where one stands before the other."""
        if self.relation not in DEPTHS:
            return None
        one, other = self.things
        return (one, other) if self.relation == "front" else (other, one)


def render_text(scene: Scene) -> str:
    """The sentence for ``scene``, in lower case without a full stop."""
    words = [_thing_text(thing) for thing in scene.things]
    if not words:
        main = str(scene.place)
    else:
        joint = _JOINTS[scene.relation] if scene.relation else "and"
        main = f" {joint} ".join(words)
        if scene.position:
            main += f" {POSITIONS[scene.position]}"
        if scene.moving:
            main += f" is {scene.motion}" if scene.things[0].shape == "person" else f" {scene.motion}"
        if scene.place:
            main += f" {PLACES[scene.place].phrase}"
    parts = [main]
    if scene.motion == STILL:
        parts.insert(0, STILL_PREFIX)
    if scene.camera:
        parts.append(CAMERAS[scene.camera])
    if scene.style:
        parts.append(STYLES[scene.style])
    return ", ".join(parts)


def parse(text: str) -> Scene:
    """The scene that ``text`` asks for. Raises UsageError naming the part that is not of this language."""
    parts = [part.strip() for part in " ".join(text.lower().split()).rstrip(". ").split(",")]
    still = len(parts) > 1 and parts[0] == STILL_PREFIX
    main, *additions = parts[still:]
    camera, style = _parse_additions(text, additions)
    if (alone := _ARTICLE.sub("", main)) in PLACES:
        return Scene(motion=STILL if still else None, place=alone, camera=camera, style=style)
    main, place = _split_end(main, {name: place.phrase for name, place in PLACES.items()})
    main, motion = _split_end(main, _MOTION_PHRASES)
    if still and motion:
        raise UsageError(f"prompt {text!r} asks for a still frame and for {motion}", remedy="keep one of them")
    main, position = _split_end(main, POSITIONS)
    relation = next((name for name, phrase in _JOINTS.items() if f" {phrase} " in main), None)
    phrases = main.split(f" {_JOINTS[relation]} " if relation else " and ")
    things = tuple(_parse_thing(text, phrase) for phrase in phrases)
    return Scene(things, relation, position, STILL if still else motion, place, camera, style)


def read_thing(phrase: str) -> Thing | None:
    """The thing of a phrase such as ``"two large red striped circles"``, ``None`` where it is none."""
    match = _THING.fullmatch(phrase)
    if match is None:
        return None
    count, noun = _BY_COUNT[match["count"]], match["noun"]
    shape = next(shape for shape in SHAPES if noun in (shape, PLURALS[shape]))
    if (count == 1) != (noun == shape):
        return None
    return Thing(shape, match["color"], match["texture"], match["size"], count)


def describe_thing(thing: Thing) -> str:
    """The phrase for one thing, e.g. ``"two large red striped circles"``."""
    return _thing_text(thing)


def _parse_additions(text: str, additions: list[str]) -> tuple[str | None, str | None]:
    camera = style = None
    for part in additions:
        if part in _BY_CAMERA and camera is None:
            camera = _BY_CAMERA[part]
        elif part in _BY_STYLE and style is None:
            style = _BY_STYLE[part]
        else:
            raise _unreadable(text, part, [*_BY_CAMERA, *_BY_STYLE])
    return camera, style


def _split_end(main: str, phrases: Mapping[str, str]) -> tuple[str, str | None]:
    """``main`` without the phrase it ends in, and that phrase's name."""
    for name, phrase in phrases.items():
        if main.endswith(f" {phrase}"):
            return main.removesuffix(f" {phrase}").removesuffix(" is"), name
    return main, None


def _thing_text(thing: Thing) -> str:
    noun = thing.shape if thing.count == 1 else PLURALS[thing.shape]
    phrase = " ".join(word for word in (thing.size, thing.color, thing.texture, noun) if word)
    article = "an" if thing.count == 1 and phrase[0] in "aeiou" else COUNTS[thing.count]
    return f"{article} {phrase}"


def _parse_thing(text: str, phrase: str) -> Thing:
    thing = read_thing(phrase)
    if thing is None:
        raise _unreadable(text, phrase, [] if _THING.fullmatch(phrase) else [*SHAPES, *PLACES])
    return thing


def _unreadable(text: str, part: str, known: list[str]) -> UsageError:
    shown = text if len(text) <= 80 else text[:77] + "..."
    words = f" (it knows {', '.join(known[:12])} …)" if known else ""
    return UsageError(
        f"the sprites world cannot read {part!r} in the prompt {shown!r}{words}",
        remedy="use prompts of its own language, for example --variant sprites",
    )


def _incomplete(scene: Scene) -> str:
    """What the parts of the scene lack to go together, "" if nothing."""
    if not scene.things and (scene.place is None or scene.relation or scene.position or scene.moving):
        return "nothing to show, or a relation, position or motion without an object"
    if len(scene.things) > 2 or scene.objects > 4:
        return "more than two kinds or four objects"
    if scene.relation and (len(scene.things), scene.objects) != (2, 2):
        return "a relation that is not between two single objects"
    if (scene.position or scene.moving) and scene.objects != 1:
        return "a position or motion of more than one object"
    if len(scene.things) == 2:
        one, other = scene.things
        if one.shape == other.shape and (one.color == other.color or not (one.color and other.color)):
            return "two things that nothing tells apart"
    return ""


def _invisible(scene: Scene) -> str:
    """What nobody could see in the scene, "" if all can be seen."""
    in_place = TURNING_MOTIONS | SIZING_MOTIONS
    if scene.moving and (scene.camera or (scene.position and scene.motion not in in_place)):
        return "a moving object together with a camera move or a fixed position"
    if scene.motion == STILL and scene.camera:
        return "a camera move in a still frame"
    if scene.motion in TURNING_MOTIONS and scene.things[0].shape not in TURNABLE:
        return f"a {scene.things[0].shape}, which looks the same from all sides, {scene.motion}"
    if any(thing.shape in THIN and thing.texture not in (None, "plain") for thing in scene.things):
        return f"a texture on a shape as thin as {', '.join(sorted(THIN))}"
    sizes_change = scene.motion in SIZING_MOTIONS or scene.camera in ("zoom_in", "zoom_out")
    if any(thing.size for thing in scene.things) and (scene.objects > 2 or sizes_change):
        return "a size word where sizes change or objects are many"
    return _hidden(scene)


def _hidden(scene: Scene) -> str:
    """What one of two things that overlap would hide, "" if both can be told."""
    if scene.layers is None:
        return ""
    near, far = scene.layers
    if near.shape not in BEFORE.get(far.shape, {}):
        return f"a {near.shape} in front of a {far.shape}, which would not both be seen whole"
    if any(thing.size or thing.texture for thing in scene.things):
        return "a size or a texture where one thing stands before another"
    if near.color is not None and near.color == far.color:
        return "a thing before another one of its color"
    return ""


_JOINTS = RELATIONS | DEPTHS
_ARTICLE = re.compile(r"^(an?|the) ")
_MOTION_PHRASES = {motion: motion for motion in MOTIONS}
_BY_CAMERA = {phrase: name for name, phrase in CAMERAS.items()}
_BY_STYLE = {phrase: name for name, phrase in STYLES.items()}
_BY_COUNT = {word: count for count, word in COUNTS.items()} | {"an": 1, "one": 1}
_THING = re.compile(
    rf"(?P<count>{'|'.join(_BY_COUNT)}) (?:(?P<size>{'|'.join(SIZES)}) )?(?:(?P<color>{'|'.join(COLORS)}) )?"
    rf"(?:(?P<texture>{'|'.join(TEXTURES)}) )?(?P<noun>{'|'.join([*SHAPES, *PLURALS.values()])})"
)
