"""The motions of sprites and of the camera as curves over the frames of a clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nova_eval.sprites.vocabulary import STILL

Curve = NDArray[np.float64]  # (T,)
PERIOD = 2.0  # seconds of one cycle of a periodic motion; shorter clips show one cycle


@dataclass(frozen=True, slots=True)
class Clock:
    """Time of the frames in ``seconds`` and as a fraction ``u`` of the clip, with the free choices of one motion.

    ``sign`` is −1 or 1 (which way round), ``start`` a phase in radians, ``reach`` how far the motion goes: 1 is as far
    as usual.
    """

    seconds: Curve
    sign: float
    start: float
    reach: float = 1.0
    u: Curve = field(init=False)
    period: float = field(init=False)

    def __post_init__(self) -> None:
        duration = max(float(self.seconds[-1]), 1e-9)
        object.__setattr__(self, "u", self.seconds / duration)
        object.__setattr__(self, "period", min(PERIOD, duration))

    def wave(self, cycles: float = 1.0) -> Curve:
        """A running phase in radians, ``cycles`` turns a period."""
        phase: Curve = 2 * np.pi * cycles * self.seconds / self.period + self.start
        return phase


@dataclass(frozen=True, slots=True)
class Motion:
    """Displacement in shorter sides of the view, relative size, and angle in radians. Scalars hold for all frames."""

    dx: Curve | float = 0.0
    dy: Curve | float = 0.0
    scale: Curve | float = 1.0
    angle: Curve | float = 0.0


def sprite_motion(name: str | None, clock: Clock, rest: bool) -> Motion:
    """The motion called ``name``. Unnamed sprites drift a little unless they ``rest``."""
    if name == STILL or (name is None and rest):
        return Motion()
    if name is None:
        drift = 2 * np.pi * clock.seconds / 3.0
        return Motion(dx=0.012 * np.sin(drift + clock.start), dy=0.016 * np.cos(drift + 2 * clock.start))
    return _MOTIONS[name](clock)


def _bouncing(clock: Clock) -> Motion:
    beat = (clock.wave(4 / 3) / (2 * np.pi)) % 1.0
    return Motion(dy=clock.reach * (0.13 - 0.26 * 4 * beat * (1 - beat)))


def _zigzagging(clock: Clock) -> Motion:
    saw = 2 * np.abs((2 * clock.u + clock.start / (2 * np.pi)) % 1.0 * 2 - 1) - 1
    return Motion(dx=clock.sign * clock.reach * (0.5 * clock.u - 0.25), dy=0.12 * clock.reach * saw)


def _circling(clock: Clock) -> Motion:
    phase, radius = clock.sign * clock.wave(), 0.19 * clock.reach
    return Motion(dx=radius * np.cos(phase), dy=radius * np.sin(phase))


_MOTIONS: dict[str, Callable[[Clock], Motion]] = {
    "bouncing": _bouncing,
    "swaying": lambda c: Motion(dx=0.22 * c.reach * np.sin(c.wave())),
    "circling": _circling,
    "zigzagging": _zigzagging,
    "rising": lambda c: Motion(dy=c.reach * (0.25 - 0.5 * c.u)),
    "falling": lambda c: Motion(dy=c.reach * (0.5 * c.u - 0.25)),
    "spinning": lambda c: Motion(angle=c.start + c.sign * c.reach * 2 * np.pi * 0.75 * c.seconds / c.period),
    "rocking": lambda c: Motion(angle=0.62 * c.reach * np.sin(c.wave(4 / 3))),
    "pulsing": lambda c: Motion(scale=1 + 0.3 * c.reach * np.sin(c.wave(4 / 3))),
    "growing": lambda c: Motion(scale=1 + c.reach * (0.75 * c.u - 0.4)),
    "shrinking": lambda c: Motion(scale=1 + c.reach * (0.35 - 0.75 * c.u)),
}


@dataclass(frozen=True, slots=True)
class Camera:
    """What of the world is in view, a (T,) curve each.

    ``zoom`` is the magnification, ``x`` and ``y`` the offset of the centre in view widths and heights, ``blur`` a
    standard deviation in 1/64 of the shorter side.
    """

    zoom: Curve
    x: Curve
    y: Curve
    blur: Curve


def camera_motion(name: str | None, seconds: Curve, rng: np.random.Generator, wander: bool) -> Camera:
    """The camera move called ``name``. An unnamed one stands still, or looks around slowly if it may ``wander``."""
    u = seconds / max(float(seconds[-1]), 1e-9)
    zeros = np.zeros_like(seconds)
    curves = {"zoom": np.ones_like(seconds), "x": zeros, "y": zeros, "blur": zeros}
    glide = 0.32 * u - 0.16
    if name == "shaking":
        curves["x"], curves["y"] = 0.035 * rng.uniform(0.6, 1.0, (2, len(u))) * rng.choice([-1, 1], (2, len(u)))
    elif name == "focus":
        curves["blur"] = 2.6 * np.abs(2 * u - 1) if rng.random() < 0.5 else 2.6 * (1 - u)
    elif name is None and wander:
        heading, start = rng.uniform(0, 2 * np.pi, 2)
        sway = np.sin(2 * np.pi * seconds / 6.0 + start) - np.sin(start)
        curves["x"], curves["y"] = 0.035 * np.cos(heading) * sway, 0.02 * np.sin(heading) * sway
    moves = {
        "zoom_in": ("zoom", 1.55**u),
        "zoom_out": ("zoom", 1.55 ** (1 - u)),
        "pan_left": ("x", -glide),
        "pan_right": ("x", glide),
        "tilt_up": ("y", -glide),
        "tilt_down": ("y", glide),
    }
    if name in moves:
        axis, curve = moves[name]
        curves[axis] = curve
    return Camera(**curves)
