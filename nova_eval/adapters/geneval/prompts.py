"""GenEval's prompts: six templates over 80 objects, ten colors and four relations, and the draw that was released.

The official files are one fixed draw of a public generator (djghosh13/geneval, prompts/create_prompts.py), so they are
made here again, byte for byte, and nothing has to be fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from nova_eval.adapters.sources import Source
from nova_eval.adapters.suite import Find, Suite
from nova_eval.records import Prompt

Metadata: TypeAlias = dict[str, Any]  # tag, include, maybe exclude, prompt: in this order

IMAGES, PROMPTS = "correct_images", "correct_prompts"  # metrics over all tasks
TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
RELATIONS = ("left of", "right of", "above", "below")
OBJECTS = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "computer mouse", "tv remote"),
    *("computer keyboard", "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock"),
    *("vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)
"""In the order of COCO's 80 classes, three of them renamed; the place is the detector's label."""

OFFICIAL_SEED, OFFICIAL_DRAWS = 43, 100  # draws per task; single_object takes every object once
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_FEWEST, _MOST = 2, 4

OFFICIAL_PLURAL_ONLY_KNOWS_S = True
"""Plurals take "es" after "s" and "s" otherwise, hence the official "toothbrushs", "knifes" and "sheeps"; articles
look at one letter, hence "a skis". The prompts keep both."""


def single_object(name: str) -> Metadata:
    return _metadata("single_object", f"a photo of {_a(name)}", [_clause(name)])


def two_object(first: str, second: str) -> Metadata:
    text = f"a photo of {_a(first)} and {_a(second)}"
    return _metadata("two_object", text, [_clause(first), _clause(second)])


def counting(name: str, number: int) -> Metadata:
    text = f"a photo of {_NUMBERS[number]} {_plural(name)}"
    return _metadata("counting", text, [_clause(name, number)], [_clause(name, number + 1)])


def colors(name: str, color: str) -> Metadata:
    return _metadata("colors", f"a photo of {_a(color)} {name}", [_clause(name, color=color)])


def position(subject: str, relation: str, target: str) -> Metadata:
    """The target's clause stands first, and the subject's refers to it as clause 0."""
    text = f"a photo of {_a(subject)} {relation} {_a(target)}"
    return _metadata("position", text, [_clause(target), _clause(subject, position=[relation, 0])])


def color_attr(first_color: str, first: str, second_color: str, second: str) -> Metadata:
    text = f"a photo of {_a(first_color)} {first} and {_a(second_color)} {second}"
    clauses = [_clause(first, color=first_color), _clause(second, color=second_color)]
    return _metadata("color_attr", text, clauses)


TEMPLATES: Mapping[str, Callable[..., Metadata]] = {
    "single_object": single_object,
    "two_object": two_object,
    "counting": counting,
    "colors": colors,
    "position": position,
    "color_attr": color_attr,
}


def draw(task: str, rng: np.random.Generator) -> Metadata:
    """One prompt of a task. Colors are never asked of a person."""
    if task == "single_object":
        return single_object(_object(rng.choice(len(OBJECTS))))
    if task == "two_object":
        return two_object(*map(_object, rng.choice(len(OBJECTS), size=2, replace=False)))
    if task == "counting":
        return counting(_object(rng.choice(len(OBJECTS))), int(rng.integers(_FEWEST, _MOST, endpoint=True)))
    if task == "colors":
        return colors(_object(rng.choice(len(OBJECTS) - 1) + 1), _color(rng.choice(len(COLORS))))
    if task == "position":
        subject, target = map(_object, rng.choice(len(OBJECTS), size=2, replace=False))
        return position(subject, RELATIONS[int(rng.choice(len(RELATIONS)))], target)
    first, second = (_object(place + 1) for place in rng.choice(len(OBJECTS) - 1, size=2, replace=False))
    first_color, second_color = map(_color, rng.choice(len(COLORS), size=2, replace=False))
    return color_attr(first_color, first, second_color, second)


def draw_suite(seed: int = OFFICIAL_SEED, draws: int = OFFICIAL_DRAWS) -> list[Metadata]:
    """All objects once, then ``draws`` prompts of each other task, from one generator; what repeats is left out."""
    rng = np.random.default_rng(seed)
    drawn = [single_object(_object(place)) for place in rng.choice(len(OBJECTS), size=len(OBJECTS), replace=False)]
    drawn += [draw(task, rng) for task in TASKS[1:] for _ in range(draws)]
    first: dict[str, Metadata] = {}
    for metadata in drawn:
        first.setdefault(json.dumps(metadata, sort_keys=True), metadata)
    return list(first.values())


def metadata_file(suite: Sequence[Metadata]) -> bytes:
    """``evaluation_metadata.jsonl`` of a suite."""
    return "".join(f"{json.dumps(metadata)}\n" for metadata in suite).encode()


def prompt_file(suite: Sequence[Metadata]) -> bytes:
    """``generation_prompts.txt`` of a suite."""
    return "".join(f"{metadata['prompt']}\n" for metadata in suite).encode()


def prompts() -> Iterator[Prompt]:
    """The 553 official prompts as ``geneval/0000`` …, the clauses as reference."""
    for place, metadata in enumerate(draw_suite()):
        reference = {key: value for key, value in metadata.items() if key in {"include", "exclude"}}
        yield Prompt(f"geneval/{place:04d}", metadata["prompt"], (metadata["tag"],), reference)


def official(sources: Mapping[str, Source], find: Find) -> Suite:
    """The draw that was released, made anew."""
    return Suite("geneval", "official", tuple(prompts()), "generated as djghosh13/geneval@af4902f does")


def _metadata(tag: str, text: str, include: list[Any], exclude: list[Any] | None = None) -> Metadata:
    return {"tag": tag, "include": include, **({"exclude": exclude} if exclude else {}), "prompt": text}


def _clause(name: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": number, **more}


def _object(place: int) -> str:
    return OBJECTS[int(place)]


def _color(place: int) -> str:
    return COLORS[int(place)]


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
