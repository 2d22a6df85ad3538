"""From a scene and a seed to where everything is in every frame. Free attributes are drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nova_eval.sprites.grammar import Scene, Thing
from nova_eval.sprites.motions import Camera, Clock, Curve, camera_motion, sprite_motion
from nova_eval.sprites.vocabulary import BEFORE, COLORS, PLACES, STILL

Spot = tuple[float, float]  # fractions of the view

RADIUS = {0: 0.18, 1: 0.18, 2: 0.152, 3: 0.128, 4: 0.118}  # by the number of objects in view
SMALL, LARGE = 0.66, 1.3
FAR = 0.31  # radius of what stands behind another
STRIDE = 1.25  # seconds of a person's double step
_EDGES: dict[str, Spot] = {"left": (0.24, 0.5), "right": (0.76, 0.5), "top": (0.5, 0.24), "bottom": (0.5, 0.76)}


@dataclass(frozen=True, slots=True)
class Sprite:
    """One object over time: ``spot`` in fractions of the view, ``dx``, ``dy``, ``radius`` in its shorter sides."""

    shape: str
    color: str
    texture: str
    spot: Spot
    dx: Curve
    dy: Curve
    radius: Curve
    angle: Curve
    pose: Curve


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Everything the renderer needs, nothing it has to decide."""

    sprites: tuple[Sprite, ...]
    place: str | None
    place_seed: int
    camera: Camera
    style: str | None


def arrange(scene: Scene, seed: int, frames: int, fps: float, reach: float = 1.0) -> Arrangement:
    """Places ``scene`` over ``frames`` frames. Equal arguments give equal layouts; seeds differ in all that is free.

    Named motions go ``reach`` times as far as usual.
    """
    rng = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, 0x59417E])
    seconds = np.arange(frames) / (fps or 8.0)
    place = scene.place
    if place is None and scene.camera:
        place = str(rng.choice(list(PLACES)))
    spots = _spots(scene, rng)
    sprites = []
    for thing, color in zip(scene.things, _choose_colors(scene, rng), strict=True):
        sprites += [_sprite(scene, thing, color, spots.pop(0), seconds, rng, reach) for _ in range(thing.count)]
    if scene.layers and scene.things[0] is scene.layers[0]:  # what is drawn later covers what was drawn before
        sprites.reverse()
    wander = not scene.things and scene.motion != STILL
    camera = camera_motion(scene.camera, seconds, rng, wander)
    return Arrangement(tuple(sprites), place, int(rng.integers(2**31)), camera, scene.style)


def _choose_colors(scene: Scene, rng: np.random.Generator) -> list[str]:
    free = [name for name in COLORS if name not in {thing.color for thing in scene.things}]
    drawn = [str(name) for name in rng.permutation(free)]
    return [thing.color or drawn.pop(0) for thing in scene.things]


def _spots(scene: Scene, rng: np.random.Generator) -> list[Spot]:
    def around(spot: Spot, slack: float) -> Spot:
        return spot[0] + slack * float(rng.uniform(-1, 1)), spot[1] + slack * float(rng.uniform(-1, 1))

    if scene.layers:
        spot = around((0.5, 0.5), 0.08)
        return [spot, spot]
    if scene.relation:
        pair = [around((0.26, 0.5), 0.04), around((0.74, 0.5), 0.04)]
        if scene.relation in ("right", "bottom"):
            pair.reverse()
        return pair if scene.relation in ("left", "right") else [(y, x) for x, y in pair]
    if scene.position:
        return [around(_EDGES.get(scene.position, (0.5, 0.5)), 0.02)]
    if scene.objects <= 1:
        return [around((0.5, 0.5), 0.0 if scene.moving else 0.1)]
    flip = float(rng.choice([-1, 1]))
    if scene.objects == 2:
        turn = rng.uniform(-0.5, 0.5)
        across, down = 0.25 * flip * np.cos(turn), 0.25 * flip * np.sin(turn)
        return [around((0.5 + across, 0.5 + down), 0.02), around((0.5 - across, 0.5 - down), 0.02)]
    if scene.objects == 3:
        corners = [(0.5, 0.5 - 0.24 * flip), (0.24, 0.5 + 0.22 * flip), (0.76, 0.5 + 0.22 * flip)]
    else:
        corners = [(0.26, 0.27), (0.74, 0.27), (0.26, 0.73), (0.74, 0.73)]
    return [around(corners[i], 0.03) for i in rng.permutation(len(corners))]


def _sprite(  # noqa: PLR0917
    scene: Scene, thing: Thing, color: str, spot: Spot, seconds: Curve, rng: np.random.Generator, reach: float
) -> Sprite:
    radius = RADIUS[scene.objects] * float(rng.uniform(0.95, 1.05))
    if scene.layers:
        near, far = scene.layers
        radius = FAR * (BEFORE[far.shape][near.shape] if thing is near else 1.0)
    radius *= {"small": SMALL, "large": LARGE, None: 1.0}[thing.size]
    if thing.shape == "person" and thing.size != "small":
        radius *= 1.3 if scene.objects == 1 and thing.size is None else 1.1
    clock = Clock(seconds, float(rng.choice([-1, 1])), float(rng.uniform(0, 2 * np.pi)), reach)
    motion = sprite_motion(scene.motion, clock, rest=bool(scene.camera or scene.relation))
    pose = np.zeros_like(seconds)
    if thing.shape == "person":
        pose = rng.uniform(0, 2 * np.pi) + (0.0 if scene.motion == STILL else 2 * np.pi / STRIDE) * seconds

    def curve(value: Curve | float) -> Curve:
        return np.broadcast_to(value, seconds.shape)

    return Sprite(
        thing.shape,
        color,
        thing.texture or "plain",
        spot,
        dx=curve(motion.dx),
        dy=curve(motion.dy),
        radius=radius * curve(motion.scale),
        angle=curve(motion.angle),
        pose=pose,
    )
