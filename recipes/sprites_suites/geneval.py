"""The GenEval suite of the sprites world."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from nova_eval.sprites.grammar import Scene, Thing
from nova_eval.sprites.vocabulary import PLACES, RELATIONS, SHAPES
from recipes.sprites_suites.rows import EACH, HUES, SuiteRow, pairs, row

WORDS = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}


def entries() -> list[SuiteRow]:
    """Six tasks; ``auxiliary_info`` holds the clauses ``include`` and ``exclude`` of the official metadata."""
    return [*_single(), *_two(), *_counting(), *_colors(), *_position(), *_color_attribution()]


def _single() -> Iterator[SuiteRow]:
    places: Iterator[str | None] = iter([*[None] * len(SHAPES), *PLACES])
    for shape, place in islice(zip(cycle(SHAPES), places, strict=False), EACH):
        yield _asked("single_object", Scene((Thing(shape),), place=place), [_clause(shape)])


def _two() -> Iterator[SuiteRow]:
    for one, other in pairs(2, EACH):
        yield _asked("two_object", Scene((Thing(one), Thing(other))), [_clause(one), _clause(other)])


def _counting() -> Iterator[SuiteRow]:
    for i in range(EACH):
        shape, count = SHAPES[i % len(SHAPES)], 2 + i % 3
        excluded = [_clause(shape, count + 1)]
        yield _asked("counting", Scene((Thing(shape, count=count),)), [_clause(shape, count)], excluded)


def _colors() -> Iterator[SuiteRow]:
    for i in range(EACH):
        shape, hue = SHAPES[i % len(SHAPES)], HUES[(2 * i + i // len(HUES)) % len(HUES)]
        yield _asked("colors", Scene((Thing(shape, hue),)), [_clause(shape, color=hue)])


def _position() -> Iterator[SuiteRow]:
    for i, (one, other) in enumerate(pairs(3, EACH)):
        relation = tuple(RELATIONS)[i % 4]
        clauses = [_clause(other), _clause(one, position=[WORDS[relation], 0])]
        yield _asked("position", Scene((Thing(one), Thing(other)), relation), clauses)


def _color_attribution() -> Iterator[SuiteRow]:
    for i, (one, other) in enumerate(pairs(5, EACH)):
        first, second = HUES[i % len(HUES)], HUES[(i + 4) % len(HUES)]
        clauses = [_clause(one, color=first), _clause(other, color=second)]
        yield _asked("color_attr", Scene((Thing(one, first), Thing(other, second))), clauses)


def _clause(shape: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": shape, "count": count, **more}


def _asked(task: str, scene: Scene, include: list[Any], exclude: list[Any] | None = None) -> SuiteRow:
    return row(scene, task, {"include": include, **({"exclude": exclude} if exclude else {})})
