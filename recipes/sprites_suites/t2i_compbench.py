"""The T2I-CompBench suite of the sprites world."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.vocabulary import BEFORE, PLACES, PLURALS, POSITIONS, RELATIONS, SHAPES, TEXTURES, THIN
from recipes.sprites_suites.readings import reading_of
from recipes.sprites_suites.rows import EACH, HUES, SuiteRow, pairs, row

PATTERNS = tuple(texture for texture in TEXTURES if texture != "plain")
BROAD = tuple(shape for shape in SHAPES if shape not in THIN)


def entries() -> list[SuiteRow]:
    """Eight categories; every prompt brings its ``parse``, complex ones their ``kind``, counts their ``plurals``."""
    return [
        *(_read("color", scene) for scene in _colored_pairs()),
        *(_read("shape", Scene((Thing(one), Thing(other)))) for one, other in pairs(4, EACH)),
        *(_read("texture", scene) for scene in _textured_pairs()),
        *_places_2d(),
        *_places_3d(),
        *_numbers(),
        *(_read("non_spatial", scene) for scene in _whole_sentences()),
        *_complex(),
    ]


def _colored_pairs() -> Iterator[Scene]:
    for i, (one, other) in enumerate(pairs(2, EACH)):
        yield Scene((Thing(one, HUES[(2 * i) % len(HUES)]), Thing(other, HUES[(2 * i + 3) % len(HUES)])))


def _textured_pairs() -> Iterator[Scene]:
    for i, (one, other) in enumerate(pairs(2, EACH, BROAD)):
        first, second = PATTERNS[i % 3], PATTERNS[(i + 1 + i // 3 % 2) % 3]
        yield Scene((Thing(one, texture=first), Thing(other, texture=second)))


def _places_2d() -> Iterator[SuiteRow]:
    for i, (one, other) in enumerate(pairs(6, EACH)):
        yield _read("spatial_2d", Scene((Thing(one), Thing(other)), tuple(RELATIONS)[i % 4]))


def _places_3d() -> Iterator[SuiteRow]:
    """The only prompts outside of the training sentences: nothing there stands before anything else."""
    deep = [(near, far) for far, before in BEFORE.items() for near in before]
    for near, far in deep:
        yield _read("spatial_3d", Scene((Thing(near), Thing(far)), "front"))
    for near, far in deep[: EACH - len(deep)]:
        yield _read("spatial_3d", Scene((Thing(far), Thing(near)), "behind"))


def _numbers() -> Iterator[SuiteRow]:
    """Mostly one kind of object; the last ones count two, which training sentences do not."""
    single = [Scene((Thing(SHAPES[(3 * i) % 11], count=2 + i % 3),)) for i in range(14)]
    mixed = [((2, 1), (1, 2), (2, 2), (1, 3), (3, 1), (1, 2))[i] for i in range(EACH - len(single))]
    counted = zip(pairs(4, len(mixed)), mixed, strict=True)
    double = [Scene((Thing(one, count=a), Thing(other, count=b))) for (one, other), (a, b) in counted]
    for scene in (*single, *double):
        plurals = {thing.shape: PLURALS[thing.shape] for thing in scene.things}
        yield _read("numeracy", scene, plurals=plurals)


def _whole_sentences() -> Iterator[Scene]:
    """Styles are left to DPG-Bench: what a style repaints is hard to tell apart."""
    places, positions = tuple(PLACES), tuple(POSITIONS)
    for i in range(EACH):
        shape, hue, place = SHAPES[(4 * i + 1) % 11], HUES[(4 * i) % 9], places[(5 * i) % 13]
        if i % 4 == 0:
            yield Scene((Thing(shape, hue, None if shape in THIN else PATTERNS[i % 3]),), place=place)
        elif i % 4 == 1:
            yield Scene((Thing(shape, hue, count=2 + i % 3),), place=place)
        elif i % 4 == 2:
            yield Scene((Thing(shape), Thing(SHAPES[(4 * i + 6) % 11], hue)), place=place)
        else:
            yield Scene((Thing(shape, hue),), position=positions[i // 4 % 5], place=place)


def _complex() -> Iterator[SuiteRow]:
    """As officially: a relation (spatial), attributes and a place (action, of which an image shows none), or both."""
    places = tuple(place for place in PLACES if place != "snowy field")  # "snowy" would be taken for an adjective
    for i, (one, other) in enumerate(pairs(7, EACH)):
        first, second = HUES[(3 * i) % len(HUES)], HUES[(3 * i + 4) % len(HUES)]
        kind = ("spatial", "action", "both", "action")[i % 4]
        relation = None if kind == "action" else ("left", "right")[i // 4 % 2]
        place = None if kind == "spatial" else places[(5 * i) % len(places)]
        texture = PATTERNS[i % 3] if kind == "action" and one not in THIN else None
        things = (Thing(one, first, texture), Thing(other, second))
        yield _read("complex", Scene(things, relation, place=place), kind=kind)


def _read(category: str, scene: Scene, **more: Any) -> SuiteRow:
    return row(scene, category, {**more, "parse": reading_of(render_text(scene))})
