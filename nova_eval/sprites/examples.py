"""Endless training material of the sprites world: the i-th (sentence, clip) is a function of (seed, i) alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.renderer import render
from nova_eval.sprites.vocabulary import (
    CAMERAS,
    COLOURS,
    MOTIONS,
    PLACES,
    POSITIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    STILL,
    STYLES,
    TEXTURES,
)

PERSONS = 0.08


class Example(NamedTuple):
    """A sentence of the world's language and a clip (T, H, W, 3) that shows it."""

    text: str
    frames: Frames


def example(
    index: int,
    *,
    seed: int,
    frames: int = 17,
    size: int = 64,
    fps: float = 8.0,
    simple: float = 0.0,
    persons: float = PERSONS,
) -> Example:
    """The ``index``-th example, at ``size`` × ``size`` pixels; ``simple`` and ``persons`` as for ``example_scene``."""
    scene = example_scene(index, seed=seed, simple=simple, persons=persons)
    clip = render(scene, int(_stream(seed, index, 1).integers(2**62)), frames=frames, height=size, width=size, fps=fps)
    return Example(render_text(scene), clip)


def example_scene(index: int, *, seed: int, simple: float = 0.0, persons: float = PERSONS) -> Scene:
    """The ``index``-th scene: mostly one or two things, half of the single ones moving, a third in a place.

    The share ``simple`` of scenes holds one coloured thing and nothing else; of other single things the share
    ``persons`` are persons.
    """
    rng = _stream(seed, index, 0)
    if simple and rng.random() < simple:
        shape = "person" if rng.random() < 0.09 else str(rng.choice(list(SHAPES)))
        return Scene((Thing(shape, str(rng.choice(list(COLOURS)))),))
    while True:
        try:
            return _draw(rng, persons)
        except UsageError:  # a combination the world cannot show: draw again
            continue


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, purpose, 0x5EED])


def _draw(rng: np.random.Generator, persons: float) -> Scene:
    def one_of(names: object) -> str:
        return str(rng.choice(list(names)))  # type: ignore[call-overload]

    def maybe(share: float, names: object) -> str | None:
        return one_of(names) if rng.random() < share else None

    def thing(count: int = 1, coloured: float = 0.75, *, plain: bool = False) -> Thing:
        texture = maybe(0.0 if plain else 0.12, TEXTURES)
        return Thing(one_of(SHAPES), maybe(coloured, COLOURS), texture, maybe(0.0 if plain else 0.08, SIZES), count)

    place, style = maybe(0.3, PLACES), maybe(0.06, STYLES)
    kind = rng.choice(5, p=[0.60, 0.14, 0.13, 0.05, 0.08])
    if kind == 0:
        main = Thing("person", maybe(0.4, COLOURS)) if rng.random() < persons else thing()
        motion = maybe(0.5, MOTIONS)
        if motion is None:
            motion = STILL if rng.random() < 0.06 else None
        still = motion is None
        position = maybe(0.15 if still else 0.05, POSITIONS)
        return Scene((main,), None, position, motion, place, maybe(0.15 if still else 0, CAMERAS), style)
    if kind == 1:
        return Scene((thing(coloured=0.5), thing(coloured=0.5)), place=place, style=style)
    if kind == 2:
        return Scene((thing(coloured=0.5, plain=True), thing(coloured=0.5, plain=True)), one_of(RELATIONS), place=place)
    if kind == 3:
        return Scene((thing(int(rng.integers(2, 5)), plain=True),), place=place, style=style)
    return Scene((), place=one_of(PLACES), camera=maybe(0.3, CAMERAS), style=style)


def labelled_sentence(index: int, *, seed: int) -> tuple[str, frozenset[str]]:
    """The ``index``-th sentence and all it asks for, such as ``"0:colour=red"`` and ``"place=beach"``."""
    scene = example_scene(index, seed=seed)
    labels = {f"{name}={value}" for name in _SCENE_WORDS if (value := getattr(scene, name))}
    for number, thing in enumerate(scene.things):
        labels |= {f"{number}:{name}={value}" for name in _THING_WORDS if (value := getattr(thing, name))}
    return render_text(scene), frozenset(labels)


_SCENE_WORDS = ("relation", "position", "motion", "place", "camera", "style")
_THING_WORDS = ("shape", "colour", "texture", "size", "count")
