"""The GenEval and T2I-CompBench suites of the sprites world: references in each benchmark's own schema.

``python -m nova_eval.sprites.image_suites`` rewrites ``prompts/{geneval,t2i_compbench,dpg_bench}/sprites.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from nova_eval import files
from nova_eval.sprites.dpg_suite import dpg_entries
from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.phrases import reading_of
from nova_eval.sprites.suite import SUITE_PATH, SuiteRow
from nova_eval.sprites.vocabulary import BEFORE, COLORS, PLACES, PLURALS, POSITIONS, RELATIONS, SHAPES, TEXTURES, THIN

EACH = 20  # prompts a task or category
HUES = tuple(color for color in COLORS if color != "gray")  # GenEval's colors do not include gray
PATTERNS = tuple(texture for texture in TEXTURES if texture != "plain")
BROAD = tuple(shape for shape in SHAPES if shape not in THIN)
GENEVAL_RELATIONS = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}


def suite_texts() -> dict[str, str]:
    """Benchmark → the content of its suite's file."""
    listed = {"geneval": geneval_entries(), "t2i_compbench": compbench_entries(), "dpg_bench": dpg_entries()}
    return {name: json.dumps(entries, indent=1, ensure_ascii=False) + "\n" for name, entries in listed.items()}


def suite_path(benchmark: str) -> Path:
    """Where the suite of ``benchmark`` lies in a checkout."""
    return SUITE_PATH.parents[1] / benchmark / SUITE_PATH.name


# --- GenEval ----------------------------------------------------------------------------------------------------------


def geneval_entries() -> list[SuiteRow]:
    """Six tasks; ``auxiliary_info`` holds the clauses ``include`` and ``exclude`` of the official metadata."""
    return [*_single(), *_two(), *_counting(), *_colors(), *_position(), *_color_attribution()]


def _single() -> Iterator[SuiteRow]:
    places: Iterator[str | None] = iter([*[None] * len(SHAPES), *PLACES])
    for shape, place in islice(zip(cycle(SHAPES), places, strict=False), EACH):
        yield _asked("single_object", Scene((Thing(shape),), place=place), [_clause(shape)])


def _two() -> Iterator[SuiteRow]:
    for one, other in _pairs(2, EACH):
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
    for i, (one, other) in enumerate(_pairs(3, EACH)):
        relation = tuple(RELATIONS)[i % 4]
        clauses = [_clause(other), _clause(one, position=[GENEVAL_RELATIONS[relation], 0])]
        yield _asked("position", Scene((Thing(one), Thing(other)), relation), clauses)


def _color_attribution() -> Iterator[SuiteRow]:
    for i, (one, other) in enumerate(_pairs(5, EACH)):
        first, second = HUES[i % len(HUES)], HUES[(i + 4) % len(HUES)]
        clauses = [_clause(one, color=first), _clause(other, color=second)]
        yield _asked("color_attr", Scene((Thing(one, first), Thing(other, second))), clauses)


def _clause(shape: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": shape, "count": count, **more}


def _asked(task: str, scene: Scene, include: list[Any], exclude: list[Any] | None = None) -> SuiteRow:
    return _entry(scene, task, {"include": include, **({"exclude": exclude} if exclude else {})})


# --- T2I-CompBench ----------------------------------------------------------------------------------------------------


def compbench_entries() -> list[SuiteRow]:
    """Eight categories; every prompt brings its ``parse``, complex ones their ``kind``, counts their ``plurals``."""
    return [
        *(_read("color", scene) for scene in _colored_pairs()),
        *(_read("shape", Scene((Thing(one), Thing(other)))) for one, other in _pairs(4, EACH)),
        *(_read("texture", scene) for scene in _textured_pairs()),
        *_places_2d(),
        *_places_3d(),
        *_numbers(),
        *(_read("non_spatial", scene) for scene in _whole_sentences()),
        *_complex(),
    ]


def _colored_pairs() -> Iterator[Scene]:
    for i, (one, other) in enumerate(_pairs(2, EACH)):
        yield Scene((Thing(one, HUES[(2 * i) % len(HUES)]), Thing(other, HUES[(2 * i + 3) % len(HUES)])))


def _textured_pairs() -> Iterator[Scene]:
    for i, (one, other) in enumerate(_pairs(2, EACH, BROAD)):
        first, second = PATTERNS[i % 3], PATTERNS[(i + 1 + i // 3 % 2) % 3]
        yield Scene((Thing(one, texture=first), Thing(other, texture=second)))


def _places_2d() -> Iterator[SuiteRow]:
    for i, (one, other) in enumerate(_pairs(6, EACH)):
        yield _read("spatial_2d", Scene((Thing(one), Thing(other)), tuple(RELATIONS)[i % 4]))


def _places_3d() -> Iterator[SuiteRow]:
    """The only prompts outside of the training sentences: nothing there stands before anything else."""
    pairs = [(near, far) for far, before in BEFORE.items() for near in before]
    for near, far in pairs:
        yield _read("spatial_3d", Scene((Thing(near), Thing(far)), "front"))
    for near, far in pairs[: EACH - len(pairs)]:
        yield _read("spatial_3d", Scene((Thing(far), Thing(near)), "behind"))


def _numbers() -> Iterator[SuiteRow]:
    """Mostly one kind of object; the last ones count two, which training sentences do not."""
    single = [Scene((Thing(SHAPES[(3 * i) % 11], count=2 + i % 3),)) for i in range(14)]
    mixed = [((2, 1), (1, 2), (2, 2), (1, 3), (3, 1), (1, 2))[i] for i in range(EACH - len(single))]
    pairs = zip(_pairs(4, len(mixed)), mixed, strict=True)
    double = [Scene((Thing(one, count=a), Thing(other, count=b))) for (one, other), (a, b) in pairs]
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
    for i, (one, other) in enumerate(_pairs(7, EACH)):
        first, second = HUES[(3 * i) % len(HUES)], HUES[(3 * i + 4) % len(HUES)]
        kind = ("spatial", "action", "both", "action")[i % 4]
        relation = None if kind == "action" else ("left", "right")[i // 4 % 2]
        place = None if kind == "spatial" else places[(5 * i) % len(places)]
        texture = PATTERNS[i % 3] if kind == "action" and one not in THIN else None
        things = (Thing(one, first, texture), Thing(other, second))
        yield _read("complex", Scene(things, relation, place=place), kind=kind)


def _read(category: str, scene: Scene, **more: Any) -> SuiteRow:
    return _entry(scene, category, {**more, "parse": reading_of(render_text(scene))})


# --- both -------------------------------------------------------------------------------------------------------------


def _pairs(step: int, number: int, shapes: tuple[str, ...] = SHAPES) -> list[tuple[str, str]]:
    """``number`` different ordered pairs of shapes; every shape is first about equally often."""
    size = len(shapes)
    return [(shapes[i % size], shapes[(i + step + i // size) % size]) for i in range(number)]


def _entry(scene: Scene, tag: str, reference: dict[str, Any]) -> SuiteRow:
    return {"prompt_en": render_text(scene), "dimension": [tag], "auxiliary_info": reference}


def main() -> None:
    """Writes the three suites."""
    for benchmark, text in suite_texts().items():
        path = suite_path(benchmark)
        files.write(path, text)
        print(f"{path}: {len(json.loads(text))} prompts", file=sys.stderr)


if __name__ == "__main__":
    main()
