"""The DPG-Bench suite of the sprites world: dense prompts, each with its graph of yes-or-no questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.vocabulary import COLORS, COUNTS, PLACES, PLURALS, POSITIONS, RELATIONS, SHAPES, STYLES, THIN
from recipes.sprites_suites.rows import SuiteRow

TAGS = ("global", "entity", "attribute", "relation", "other", "overall")
_COLORS = tuple(COLORS)
_PLACES = tuple(PLACES)
_PATTERNS = ("striped", "dotted", "checked")


def entries() -> list[SuiteRow]:
    """Prompts: pairs with attributes, relations, counts, positions, and styles."""
    scenes = [*_pairs(), *_relations(), *_counts(), *_positions(), *_styles()]
    return [_entry(f"sprites{number:04d}", scene) for number, scene in enumerate(scenes)]


def questions_of(scene: Scene) -> list[dict[str, Any]]:
    """The questions that ``scene`` answers with yes, parents first; columns of the official table by name.

    A style repaints everything: of a scene in one, only the style is asked.
    """
    asked: list[dict[str, Any]] = []

    def ask(subject: str, text: str, *parents: int) -> int:
        dependency = ",".join(map(str, parents or (0,)))
        row = {"proposition_id": len(asked) + 1, "dependency": dependency, "tuple": subject}
        asked.append(row | {"question_natural_language": text})
        return len(asked)

    if scene.style:
        ask(f"global ({scene.style})", f"Is it in {STYLES[scene.style]}?")
        return asked
    entities = [ask(f"entity - whole ({t.shape})", f"Is there {_a(t.shape)}?") for t in scene.things]
    for thing, entity in zip(scene.things, entities, strict=True):
        verb, noun = ("Are", PLURALS[thing.shape]) if thing.count > 1 else ("Is", thing.shape)
        if thing.count > 1:
            ask(f"other - count ({noun}, =={thing.count})", f"Are there {COUNTS[thing.count]} {noun}?", entity)
        for kind, value in (("color", thing.color), ("texture", thing.texture), ("size", thing.size)):
            if value:
                ask(f"attribute - {kind} ({thing.shape}, {value})", f"{verb} the {noun} {value}?", entity)
    if scene.relation:
        one, other = (thing.shape for thing in scene.things)
        phrase = RELATIONS[scene.relation]
        ask(f"relation - spatial ({one}, {other}, {scene.relation})", f"Is the {one} {phrase} the {other}?", *entities)
    if scene.position:
        (thing,) = scene.things
        text = f"Is the {thing.shape} {POSITIONS[scene.position]}?"
        ask(f"relation - spatial ({thing.shape}, {scene.position})", text, *entities)
    if scene.place:
        ask(f"global ({scene.place})", f"Is the scene {PLACES[scene.place].phrase}?")
    return asked


def _pairs() -> Iterator[Scene]:
    for i in range(18):
        one, other = SHAPES[i % 11], SHAPES[(i + 3 + i // 11) % 11]
        pattern = _PATTERNS[i % 3] if one not in THIN else None
        size = ("large", None)[i % 2]
        first = Thing(one, _COLORS[i % 10], pattern, size)
        second = Thing(other, _COLORS[(i + 3) % 10], None, "small" if size and i % 4 == 0 else None)
        yield Scene((first, second), place=_PLACES[(4 * i) % 13])


def _relations() -> Iterator[Scene]:
    for i in range(14):
        one, other = SHAPES[(2 * i) % 11], SHAPES[(2 * i + 5) % 11]
        things = Thing(one, _COLORS[(3 * i) % 10]), Thing(other, _COLORS[(3 * i + 4) % 10])
        yield Scene(things, tuple(RELATIONS)[i % 4], place=_PLACES[(3 * i + 1) % 13])


def _counts() -> Iterator[Scene]:
    for i in range(20):
        thing = Thing(SHAPES[(5 * i) % 11], _COLORS[(7 * i + i // 10) % 10], count=2 + i % 3)
        yield Scene((thing,), place=_PLACES[(2 * i) % 13] if i % 2 else None)


def _positions() -> Iterator[Scene]:
    for i in range(8):
        shape = SHAPES[(3 * i + 1) % 11]
        pattern = _PATTERNS[i % 3] if shape not in THIN else None
        thing = Thing(shape, _COLORS[(3 * i + 1) % 10], pattern)
        yield Scene((thing,), position=tuple(POSITIONS)[i % 5], place=_PLACES[(6 * i + 2) % 13])


def _styles() -> Iterator[Scene]:
    for i, style in enumerate(STYLES):
        yield Scene((Thing(SHAPES[(2 * i) % 9], _COLORS[1 + i % 7]),), place=_PLACES[(5 * i) % 13], style=style)


def _entry(item: str, scene: Scene) -> SuiteRow:
    reference = {"item": item, "questions": questions_of(scene)}
    return {"prompt_en": render_text(scene), "dimension": list(TAGS), "auxiliary_info": reference}


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
