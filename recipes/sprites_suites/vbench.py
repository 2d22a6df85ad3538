"""The VBench suite of the sprites world, in the shape of the official ``full_info`` list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.vocabulary import CAMERAS, MOTIONS, PLACES, RELATIONS, SHAPES, STILL, STYLES
from recipes.sprites_suites.rows import SuiteRow


def entries() -> list[SuiteRow]:
    """All entries in file order: ``prompt_en``, ``dimension`` and, where a rule needs it, ``auxiliary_info``."""
    return [
        *_still(),
        *_pairs(),
        *_actions(),
        *_subjects(),
        *_classes(),
        *_colors(),
        *_styles(),
        *_cameras(),
        *_sentences(),
        *_places(),
        *_relations(),
    ]


def _entry(text: str, *dimensions: str, **auxiliary: Any) -> SuiteRow:
    entry: SuiteRow = {"prompt_en": text, "dimension": list(dimensions)}
    return entry | {"auxiliary_info": auxiliary} if auxiliary else entry


def _text(*things: Thing, **rest: Any) -> str:
    return render_text(Scene(things, **rest))


def _sentence(*things: Thing, **rest: Any) -> str:
    text = _text(*things, **rest)
    return text[0].upper() + text[1:]


def _still() -> Iterator[SuiteRow]:
    shown = [
        ((Thing("star", "yellow"),), "night sky"),
        ((Thing("circle", "red"),), "beach"),
        ((Thing("heart", "pink", size="large"),), "room"),
        ((Thing("square", "blue"), Thing("circle", "orange")), None),
        ((Thing("triangle", "green", count=3),), "desert"),
        ((Thing("person", "white"),), "underwater"),
        ((Thing("ring", "purple", "striped"),), "meadow"),
        ((Thing("diamond", "black"),), "snowy field"),
        ((), "forest"),
        ((), "city"),
    ]
    for things, place in shown:
        yield _entry(_sentence(*things, place=place, motion=STILL), "temporal_flickering")


def _pairs() -> Iterator[SuiteRow]:
    shapes = (
        "circle",
        "star",
        "square",
        "heart",
        "triangle",
        "ring",
        "cross",
        "diamond",
        "crescent",
        "arrow",
        "person",
    )
    for i, shape in enumerate(shapes[:10]):
        other = shapes[(i * 3 + 4) % len(shapes)]
        pair = (shape, other if other != shape else "person")
        yield _entry(
            _text(Thing(pair[0]), Thing(pair[1])), "multiple_objects", multiple_objects={"object": " and ".join(pair)}
        )


def _actions() -> Iterator[SuiteRow]:
    for motion in MOTIONS:
        yield _entry(_sentence(Thing("person"), motion=motion), "human_action")


def _subjects() -> Iterator[SuiteRow]:
    moves = ("bouncing", "swaying", "circling", "zigzagging", "rising", "falling")
    places = (
        "beach",
        None,
        "meadow",
        "room",
        "desert",
        None,
        "snowy field",
        "stage",
        "night sky",
        None,
        "ocean",
        "city",
    )
    subjects = (
        *(Thing("star", "yellow"), Thing("circle", "red"), Thing("person", "white"), Thing("heart", "pink")),
        *(
            Thing("square", "blue", "striped"),
            Thing("diamond", "purple"),
            Thing("person", "black"),
            Thing("triangle", "green"),
        ),
        *(
            Thing("ring", "orange"),
            Thing("cross", "red"),
            Thing("circle", "white", "dotted"),
            Thing("crescent", "yellow"),
        ),
    )
    for i, (thing, place) in enumerate(zip(subjects, places, strict=True)):
        text = _text(thing, motion=moves[i % len(moves)], place=place)
        yield _entry(text, "subject_consistency", "dynamic_degree", "motion_smoothness")


def _classes() -> Iterator[SuiteRow]:
    for shape in SHAPES:
        yield _entry(_text(Thing(shape)), "object_class", object_class={"object": shape})


def _colors() -> Iterator[SuiteRow]:
    shown = {
        "circle": ("red", "blue", "white"),
        "square": ("green", "yellow"),
        "star": ("purple", "orange"),
        "heart": ("pink", "black"),
        "triangle": ("gray", "red"),
        "diamond": ("blue", "green"),
    }
    for shape, colors in shown.items():
        for color in colors:
            yield _entry(_text(Thing(shape, color)), "color", color={"color": color})


def _styles() -> Iterator[SuiteRow]:
    shown = [(Thing("circle", "red"), "beach"), (Thing("person", "blue"), "city"), (Thing("star", "yellow"), "meadow")]
    for i, (style, phrase) in enumerate([*STYLES.items(), *list(STYLES.items())[:2]]):
        thing, place = shown[(i + 2 * (i // len(STYLES))) % len(shown)]
        text = _text(thing, place=place, style=style)
        yield _entry(text, "appearance_style", appearance_style={"appearance_style": phrase})


def _cameras() -> Iterator[SuiteRow]:
    places = ("beach", "city", "forest", "mountain", "meadow", "snowy field", "desert", "night sky", "room")
    things = (Thing("circle", "red"), Thing("star", "orange"), Thing("person", "white"))
    for i, camera in enumerate(CAMERAS):
        yield _entry(_text(things[i % 3], place=places[i], camera=camera), "temporal_style")
    yield _entry(_text(place="ocean", camera="zoom_in"), "temporal_style")


def _sentences() -> Iterator[SuiteRow]:
    shown = [
        Scene((Thing("circle", "red", "striped"),), motion="bouncing", place="beach"),
        Scene((Thing("person", "blue"),), motion="swaying", place="snowy field"),
        Scene((Thing("star", "yellow", count=3),), place="night sky"),
        Scene((Thing("heart", "pink"), Thing("square", "black")), place="room"),
        Scene((Thing("triangle", "green", size="large"),), motion="falling", place="desert"),
        Scene((Thing("ring", "orange"),), motion="circling", place="ocean"),
        Scene((Thing("diamond", "purple", "checked"),), motion="rising", place="city"),
        Scene((Thing("circle", "white", "dotted", count=2),), place="forest"),
        Scene((Thing("crescent", "yellow"),), motion="rocking", place="underwater"),
        Scene((Thing("arrow", "red"),), motion="spinning", place="stage"),
        Scene((Thing("cross", "gray"), Thing("circle", "orange")), relation="left", place="meadow"),
        Scene((Thing("square", "blue", count=4),), place="sunset"),
    ]
    for scene in shown:
        yield _entry(render_text(scene), "overall_consistency", "aesthetic_quality", "imaging_quality")


def _places() -> Iterator[SuiteRow]:
    for place in PLACES:
        yield _entry(_text(place=place), "scene", "background_consistency", scene={"scene": {"scene": place}})


def _relations() -> Iterator[SuiteRow]:
    pairs = [
        ("circle", "square"),
        ("star", "heart"),
        ("triangle", "ring"),
        ("person", "diamond"),
        ("crescent", "cross"),
    ]
    for i in range(12):
        relation = tuple(RELATIONS)[i % 4]
        one, other = pairs[i % len(pairs)] if i < 8 else pairs[i % len(pairs)][::-1]
        text = _text(Thing(one), Thing(other), relation=relation)
        facts = {"object_a": one, "object_b": other, "relationship": RELATIONS[relation]}
        yield _entry(text, "spatial_relationship", spatial_relationship={"spatial_relationship": facts})
