"""Painting the places: flat, muted illustrations that go on beyond the view, so that a camera can move over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from nova_eval.protocols import Frames
from nova_eval.sprites.vocabulary import BACKDROPS, PLACES, RGB

MARGIN = 0.5  # how far the canvas reaches beyond each side of the view, in view widths and heights


@dataclass(frozen=True, slots=True)
class Canvas:
    """A picture of the view and its surroundings. Coordinates are fractions of the view, from its top left corner."""

    pixels: Frames
    view: tuple[float, float]  # (width, height) of the view in canvas pixels

    def polygon(self, points: Iterable[tuple[float, float]], tone: RGB) -> None:
        """Fills a polygon."""
        import cv2

        width, height = self.view
        scaled = [((x + MARGIN) * width * 16, (y + MARGIN) * height * 16) for x, y in points]
        cv2.fillPoly(self.pixels, [np.round(scaled).astype(np.int32)], tone, lineType=cv2.LINE_8, shift=4)

    def box(self, left: float, top: float, right: float, bottom: float, tone: RGB) -> None:
        """Fills an upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], tone)

    def disc(self, x: float, y: float, radius: float, tone: RGB, flat: float = 1.0) -> None:
        """Fills a disc; ``radius`` is in units of the shorter side of the view, ``flat`` squeezes it vertically."""
        width, height = self.view
        side = min(width, height)
        angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        xs, ys = np.cos(angles) * side / width, np.sin(angles) * side / height * flat
        self.polygon([(x + radius * a, y + radius * b) for a, b in zip(xs, ys, strict=True)], tone)

    def ground(self, top: Callable[[np.ndarray], np.ndarray], tone: RGB) -> None:
        """Fills everything below the curve ``top`` of x."""
        xs = np.linspace(-MARGIN, 1 + MARGIN, 97)
        self.polygon(
            [*zip(xs, top(xs), strict=True), (1 + MARGIN, 1 + MARGIN + 0.1), (-MARGIN, 1 + MARGIN + 0.1)], tone
        )


def paint(place: str | None, seed: int, height: int, width: int) -> Canvas:
    """A canvas whose view measures ``height`` × ``width`` canvas pixels. ``None`` is a plain backdrop."""
    rng = np.random.default_rng([seed, 0x9A11])
    shape = (round(height * (1 + 2 * MARGIN)), round(width * (1 + 2 * MARGIN)), 3)
    canvas = Canvas(np.zeros(shape, np.uint8), (width, height))
    if place is None:
        _backdrop(canvas, rng)
    else:
        _PAINTERS[place](canvas, rng, PLACES[place].tones)
    return canvas


Tones = dict[str, RGB]
Rng = np.random.Generator


def _fill(canvas: Canvas, tone: RGB) -> None:
    canvas.pixels[:] = tone


def _across(rng: Rng, step: float, jitter: float = 0.3) -> list[float]:
    """Positions spread over the whole width of the canvas, about ``step`` apart."""
    count = int((1 + 2 * MARGIN) / step) + 2
    start = -MARGIN - step * rng.random()
    return [start + step * (i + jitter * float(rng.uniform(-1, 1))) for i in range(count)]


def _cloud(canvas: Canvas, rng: Rng, x: float, y: float, tone: RGB) -> None:
    for offset in (-0.07, 0.0, 0.07):
        canvas.disc(x + offset, y, float(rng.uniform(0.045, 0.06)) + (0.015 if offset == 0 else 0), tone, flat=0.75)


def _backdrop(canvas: Canvas, rng: Rng) -> None:
    tone = np.array(BACKDROPS[int(rng.integers(len(BACKDROPS)))], np.float64)
    rows, columns = canvas.pixels.shape[:2]
    slope = float(rng.uniform(-1, 1))
    light = np.linspace(9, -9, rows)[:, None] + slope * np.linspace(6, -6, columns)[None, :]
    canvas.pixels[:] = np.clip(tone + light[..., None], 0, 255).astype(np.uint8)


def _beach(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    phase, level = rng.uniform(0, 6.28), rng.uniform(-0.02, 0.02)
    canvas.disc(float(rng.uniform(0.12, 0.88)), 0.15, 0.09, t["sun"])
    canvas.ground(lambda x: np.full_like(x, 0.40 + level), t["sea"])
    for y in (0.45, 0.51):
        for x in _across(rng, 0.4):
            canvas.box(x, y + level, x + 0.13, y + 0.012 + level, t["sky"])
    canvas.ground(lambda x: 0.60 + level + 0.02 * np.sin(9 * x + phase), t["sand"])


def _forest(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["haze"])
    canvas.ground(lambda x: np.full_like(x, 0.70), t["floor"])
    for x in _across(rng, 0.24):
        foot, top = 0.72 + float(rng.uniform(0, 0.05)), float(rng.uniform(0.0, 0.14))
        canvas.box(x - 0.022, foot - 0.1, x + 0.022, foot + 0.06, t["trunk"])
        for lift, half in ((0.0, 0.15), (0.18, 0.12), (0.36, 0.09)):
            base = foot - lift
            canvas.polygon([(x - half, base), (x + half, base), (x, max(top, base - 0.34))], t["tree"])


def _desert(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    phase = rng.uniform(0, 6.28)
    canvas.disc(float(rng.uniform(0.15, 0.85)), 0.16, 0.08, t["sun"])
    canvas.ground(lambda x: 0.50 + 0.06 * np.sin(5 * x + phase), t["slope"])
    canvas.ground(lambda x: 0.66 + 0.07 * np.sin(4 * x - phase), t["dune"])
    for x in _across(rng, 0.3):
        y = float(rng.uniform(0.8, 1.1))
        canvas.polygon([(x, y), (x + 0.14, y - 0.012), (x + 0.14, y + 0.004), (x, y + 0.014)], t["slope"])


def _ocean(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    canvas.ground(lambda x: np.full_like(x, 0.30), t["wave"])
    for i, y in enumerate(np.linspace(0.36, 1.4, 9)):
        phase = rng.uniform(0, 6.28)
        tone = t["swell"] if i % 2 == 0 else t["wave"]
        canvas.ground(lambda x, y=y, p=phase: y + 0.028 * np.abs(np.sin(8 * x + p)) - 0.014, tone)  # type: ignore[misc]


def _meadow(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    phase = rng.uniform(0, 6.28)
    for x in _across(rng, 0.5):
        _cloud(canvas, rng, x, float(rng.uniform(0.12, 0.26)), t["cloud"])
    canvas.ground(lambda x: 0.52 + 0.06 * np.sin(4 * x + phase), t["hill"])
    canvas.ground(lambda x: 0.70 + 0.03 * np.sin(5 * x - phase), t["grass"])
    for x in _across(rng, 0.11, 0.9):
        y = float(rng.uniform(0.76, 1.3))
        canvas.polygon([(x - 0.012, y), (x, y - 0.04), (x + 0.012, y)], t["hill"])


def _city(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    for i, x in enumerate(_across(rng, 0.21, 0.05)):
        top = float(rng.uniform(0.16, 0.44))
        canvas.box(x, top, x + 0.19, 0.82, t["brick"] if i % 2 == 0 else t["plaster"])
        for row in np.arange(top + 0.06, 0.68, 0.12):
            for column in (0.04, 0.115):
                if rng.random() < 0.75:
                    canvas.box(x + column, row, x + column + 0.038, row + 0.055, t["window"])
    canvas.ground(lambda x: np.full_like(x, 0.80), t["road"])
    for x in _across(rng, 0.28, 0.0):
        canvas.box(x, 0.895, x + 0.14, 0.915, t["plaster"])


def _mountain(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["sky"])
    for x in _across(rng, 0.46, 0.12):
        top = float(rng.uniform(0.10, 0.24))
        slope = 0.62 / (0.86 - top)
        canvas.polygon([(x, top), (x + 0.56, top + 0.56 / slope), (x - 0.56, top + 0.56 / slope)], t["rock"])
        down = 0.13
        cap = [(x, top), (x + down * slope, top + down), (x + 0.02, top + 0.09), (x - 0.03, top + 0.14)]
        canvas.polygon([*cap, (x - down * slope, top + down)], t["cap"])
    phase = rng.uniform(0, 6.28)
    canvas.ground(lambda x: 0.74 + 0.03 * np.sin(5 * x + phase), t["foot"])


def _night_sky(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["dark"])
    for _ in range(90):
        x, y = rng.uniform(-MARGIN, 1 + MARGIN, 2)
        canvas.disc(float(x), float(y), float(rng.uniform(0.007, 0.014)), t["star"])
    moon = float(rng.uniform(0.15, 0.85))
    canvas.disc(moon, 0.17, 0.08, t["moon"])
    phase = rng.uniform(0, 6.28)
    canvas.ground(lambda x: 0.78 + 0.06 * np.sin(4 * x + phase), t["hill"])


def _snowy_field(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["air"])
    phase = rng.uniform(0, 6.28)
    canvas.ground(lambda x: 0.48 + 0.03 * np.sin(6 * x + phase), t["drift"])
    for x in _across(rng, 0.22, 0.4):
        base = 0.56 + float(rng.uniform(-0.02, 0.03))
        canvas.polygon([(x - 0.06, base), (x + 0.06, base), (x, base - 0.22)], t["pine"])
    canvas.ground(lambda x: 0.64 + 0.04 * np.sin(4 * x - phase), t["snow"])
    for _ in range(70):
        x, y = rng.uniform(-MARGIN, 1 + MARGIN), rng.uniform(-MARGIN, 0.45)
        canvas.disc(float(x), float(y), 0.011, t["snow"])


def _sunset(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["rose"])
    canvas.ground(lambda x: np.full_like(x, 0.26), t["coral"])
    canvas.disc(float(rng.uniform(0.2, 0.8)), 0.62, 0.17, t["sun"])
    for y in (0.14, 0.40, 0.50):
        for x in _across(rng, 0.6):
            canvas.box(x, y, x + 0.28, y + 0.022, t["coral"] if y < 0.26 else t["rose"])
    phase = rng.uniform(0, 6.28)
    canvas.ground(lambda x: 0.66 + 0.04 * np.sin(4 * x + phase), t["plum"])


def _room(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["wall"])
    for x in _across(rng, 0.2, 0.0):
        canvas.box(x, -MARGIN, x + 0.08, 0.7, t["stripe"])
    level = float(rng.uniform(0.66, 0.70))
    canvas.ground(lambda x: np.full_like(x, level), t["floor"])
    canvas.box(-MARGIN, level, 1 + MARGIN, level + 0.03, t["board"])
    for x in _across(rng, 0.3, 0.0):
        canvas.polygon(
            [(x, level), (x + 0.014, level), (0.5 + (x - 0.5) * 2 + 0.02, 1.5), (0.5 + (x - 0.5) * 2, 1.5)], t["board"]
        )


def _underwater(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["water"])
    phase = rng.uniform(0, 6.28)
    canvas.ground(lambda x: 0.50 + 0.05 * np.sin(5 * x + phase), t["deep"])
    for x in _across(rng, 0.26, 0.4):
        y, height = 1.0, float(rng.uniform(0.16, 0.34))
        lean = float(rng.uniform(-0.06, 0.06))
        canvas.polygon(
            [(x - 0.03, 1.5), (x - 0.03, y), (x + lean, y - height), (x + 0.03, y), (x + 0.03, 1.5)], t["weed"]
        )
    for _ in range(36):
        x, y = rng.uniform(-MARGIN, 1 + MARGIN, 2)
        canvas.disc(float(x), float(y), float(rng.uniform(0.012, 0.026)), t["bubble"])


def _stage(canvas: Canvas, rng: Rng, t: Tones) -> None:
    _fill(canvas, t["curtain"])
    for x in _across(rng, 0.13, 0.1):
        canvas.polygon([(x, -MARGIN), (x + 0.05, -MARGIN), (x + 0.065, 0.76), (x - 0.01, 0.76)], t["fold"])
    canvas.ground(lambda x: np.full_like(x, 0.74), t["floor"])


_PAINTERS: dict[str, Callable[[Canvas, Rng, Tones], None]] = {
    "beach": _beach,
    "forest": _forest,
    "desert": _desert,
    "ocean": _ocean,
    "meadow": _meadow,
    "city": _city,
    "mountain": _mountain,
    "night sky": _night_sky,
    "snowy field": _snowy_field,
    "sunset": _sunset,
    "room": _room,
    "underwater": _underwater,
    "stage": _stage,
}
