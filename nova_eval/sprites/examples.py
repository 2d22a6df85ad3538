"""Endless training material of the sprites world: the i-th (sentence, clip) is a function of (seed, i) alone."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames
from nova_eval.sprites.grammar import Scene, Thing, render_text
from nova_eval.sprites.renderer import render
from nova_eval.sprites.vocabulary import (
    CAMERAS,
    COLORS,
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
CALM = (0.6, 0.8)
LIVELY = ("swaying", "circling", "zigzagging", "spinning")


class Shares(NamedTuple):
    """What part of the material is of one sort; what is left is drawn from the whole language.

    ``simple``: one thing and nothing else. ``pairs``: two things, three of five times in a relation, and nothing else.
    ``moving``: one thing that moves, or, three of ten times, a camera that does. ``named`` is how often a thing of
    those sorts has its color told; ``persons`` how many of the other single things are persons; ``lively`` how many of
    the things that move sway, circle, zigzag or spin, which is hardest to draw.

    ``slow`` is how many of all clips show the first half of what happens at half the speed, ``slower`` how many of
    those the first quarter at a quarter of it: what a motion score tells and no sentence.

    ``calm``, if any, makes motions of ``CALM`` times the usual reach the ones that a sentence stands for: it is how
    many of the things that move do so, the others reach 0.2 to 1 times as far, as their motion score tells.

    ``styled`` is how many of all scenes are then shown in a style, whichever they had.
    """

    simple: float = 0.0
    pairs: float = 0.0
    moving: float = 0.0
    named: float = 1.0
    persons: float = PERSONS
    slow: float = 0.0
    lively: float = 0.0
    slower: float = 0.0
    calm: float = 0.0
    styled: float = 0.0


class Example(NamedTuple):
    """A sentence of the world's language and a clip (T, H, W, 3) that shows it.

    ``usual``: how much moves is what the sentence stands for, not something that only a motion score tells.
    """

    text: str
    frames: Frames
    usual: bool = True


def example(index: int, *, seed: int, frames: int = 17, size: int = 64, fps: float = 8.0, **shares: float) -> Example:
    """The ``index``-th example, at ``size`` × ``size`` pixels; ``shares`` are those of ``Shares``."""
    scene, sorts = example_scene(index, seed=seed, **shares), Shares(**shares)
    slowness = _slowness(_stream(seed, index, 2), sorts) if frames > 1 else 1
    reach, told = _reach(_stream(seed, index, 3), sorts) if scene.moving and frames > 1 else (1.0, True)
    length = slowness * (frames - 1) + 1
    chance = int(_stream(seed, index, 1).integers(2**62))
    clip = render(scene, chance, frames=length, height=size, width=size, fps=slowness * fps, reach=reach)[:frames]
    return Example(render_text(scene), clip, slowness == 1 and told)


def _slowness(rng: np.random.Generator, sorts: Shares) -> int:
    """How many times slower than usual a clip is: 1, 2 or 4."""
    if rng.random() >= sorts.slow:
        return 1
    return 4 if rng.random() < sorts.slower else 2


def _reach(rng: np.random.Generator, sorts: Shares) -> tuple[float, bool]:
    """How far motions go, and whether a sentence alone stands for that."""
    if not sorts.calm:
        return 1.0, True
    calm = bool(rng.random() < sorts.calm)
    return float(rng.uniform(*CALM) if calm else rng.uniform(0.2, 1.0)), calm


def example_scene(index: int, *, seed: int, **shares: float) -> Scene:
    """The ``index``-th scene: mostly one or two things, half of the single ones moving, a third in a place.

    ``shares`` are those of ``Shares``.
    """
    sorts = Shares(**shares)
    scene, rng = _scene(_stream(seed, index, 0), sorts), _stream(seed, index, 4)
    return replace(scene, style=str(rng.choice(list(STYLES)))) if rng.random() < sorts.styled else scene


def _scene(rng: np.random.Generator, sorts: Shares) -> Scene:
    if sorts.simple and rng.random() < sorts.simple:
        shape = "person" if rng.random() < 0.09 else str(rng.choice(list(SHAPES)))
        return Scene((_told(Thing(shape, str(rng.choice(list(COLORS)))), sorts.named, rng),))
    if sorts.pairs or sorts.moving:
        sort = rng.random() * (1 - sorts.simple)
        if sort < sorts.pairs:
            return _pair(rng, sorts.named)
        if sort < sorts.pairs + sorts.moving:
            return _moving(rng, sorts)
    while True:
        try:
            return _draw(rng, sorts.persons)
        except UsageError:  # a combination the world cannot show: draw again
            continue


def _told(thing: Thing, named: float, rng: np.random.Generator) -> Thing:
    return thing if named == 1 or rng.random() < named else replace(thing, color=None)


def _pair(rng: np.random.Generator, named: float) -> Scene:
    shapes = rng.choice(list(SHAPES), 2, replace=False)
    colors = rng.choice(list(COLORS), 2, replace=False)
    one, other = (_told(Thing(str(s), str(c)), named, rng) for s, c in zip(shapes, colors, strict=True))
    return Scene((one, other), str(rng.choice(list(RELATIONS))) if rng.random() < 0.6 else None)


def _moving(rng: np.random.Generator, sorts: Shares) -> Scene:
    place = str(rng.choice(list(PLACES)))
    while True:
        shape = "person" if rng.random() < sorts.persons else str(rng.choice(list(SHAPES)))
        thing = _told(Thing(shape, str(rng.choice(list(COLORS)))), sorts.named, rng)
        try:
            if rng.random() < 0.3:
                things = (thing,) if rng.random() < 0.7 else ()
                return Scene(things, place=place, camera=str(rng.choice(list(CAMERAS))))
            motions = LIVELY if sorts.lively and rng.random() < sorts.lively else MOTIONS
            return Scene((thing,), motion=str(rng.choice(motions)), place=place if rng.random() < 0.35 else None)
        except UsageError:  # a thing that cannot move so
            continue


def _stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, index, purpose, 0x5EED])


def _draw(rng: np.random.Generator, persons: float) -> Scene:
    def one_of(names: object) -> str:
        return str(rng.choice(list(names)))  # type: ignore[call-overload]

    def maybe(share: float, names: object) -> str | None:
        return one_of(names) if rng.random() < share else None

    def thing(count: int = 1, colored: float = 0.75, *, plain: bool = False) -> Thing:
        texture = maybe(0.0 if plain else 0.12, TEXTURES)
        return Thing(one_of(SHAPES), maybe(colored, COLORS), texture, maybe(0.0 if plain else 0.08, SIZES), count)

    place, style = maybe(0.3, PLACES), maybe(0.06, STYLES)
    kind = rng.choice(5, p=[0.60, 0.14, 0.13, 0.05, 0.08])
    if kind == 0:
        main = Thing("person", maybe(0.4, COLORS)) if rng.random() < persons else thing()
        motion = maybe(0.5, MOTIONS)
        if motion is None:
            motion = STILL if rng.random() < 0.06 else None
        still = motion is None
        position = maybe(0.15 if still else 0.05, POSITIONS)
        return Scene((main,), None, position, motion, place, maybe(0.15 if still else 0, CAMERAS), style)
    if kind == 1:
        return Scene((thing(colored=0.5), thing(colored=0.5)), place=place, style=style)
    if kind == 2:
        return Scene((thing(colored=0.5, plain=True), thing(colored=0.5, plain=True)), one_of(RELATIONS), place=place)
    if kind == 3:
        return Scene((thing(int(rng.integers(2, 5)), plain=True),), place=place, style=style)
    return Scene((), place=one_of(PLACES), camera=maybe(0.3, CAMERAS), style=style)


def labelled_sentence(index: int, *, seed: int) -> tuple[str, frozenset[str]]:
    """The ``index``-th sentence and all it asks for, such as ``"0:color=red"`` and ``"place=beach"``."""
    scene = example_scene(index, seed=seed)
    labels = {f"{name}={value}" for name in _SCENE_WORDS if (value := getattr(scene, name))}
    for number, thing in enumerate(scene.things):
        labels |= {f"{number}:{name}={value}" for name in _THING_WORDS if (value := getattr(thing, name))}
    return render_text(scene), frozenset(labels)


_SCENE_WORDS = ("relation", "position", "motion", "place", "camera", "style")
_THING_WORDS = ("shape", "color", "texture", "size", "count")
