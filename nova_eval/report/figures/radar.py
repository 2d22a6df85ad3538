"""Values of several runs around a circle, an axis a dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nova_eval.report.figures import svg

FEWEST = 3
"""Axes below which there is no area to see."""
_RADIUS, _WIDTH, _HEIGHT = 150.0, 620.0, 396.0
_RINGS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Ring:
    """A run: its place on each axis from 0 at the center to 1 at the rim, ``None`` where it has no value."""

    label: str
    shares: tuple[float | None, ...]


def radar(title: str, axes: Sequence[str], rings: Sequence[Ring]) -> str:
    """The drawing; "" with fewer axes than ``FEWEST``. A run's outline has a gap where it has no value."""
    if len(axes) < FEWEST:
        return ""
    x, y = _WIDTH / 2, _HEIGHT / 2

    def at(place: int, share: float) -> tuple[float, float]:
        angle = 2 * math.pi * place / len(axes) - math.pi / 2
        return x + _RADIUS * share * math.cos(angle), y + _RADIUS * share * math.sin(angle)

    parts = [svg.element("circle", cx=x, cy=y, r=_RADIUS * share, class_="grid", fill="none") for share in _RINGS]
    for place, axis in enumerate(axes):
        parts.append(svg.line(x, y, *at(place, 1.0), "grid"))
        to_x, to_y = at(place, 1.1)
        to_x, to_y = at(place, 1.17) if abs(to_x - x) < 8 else (to_x, to_y)
        side = "middle" if abs(to_x - x) < 8 else "start" if to_x > x else "end"
        parts.append(svg.text(to_x, to_y, axis, class_="label", text_anchor=side))
    for number, ring in enumerate(rings):
        kind = f"run{number % 6}"
        points = [None if share is None else at(place, share) for place, share in enumerate(ring.shares)]
        parts.append(
            svg.element("path", d=_outline(points), class_=f"outline {kind}{' open' if None in points else ''}")
        )
        parts += [svg.element("circle", cx=p[0], cy=p[1], r=3, class_=f"dot {kind}") for p in points if p]
    told = "; ".join(
        f"{ring.label}: "
        + ", ".join(
            f"{axis} {'no value' if share is None else f'{share:.2f}'}"
            for axis, share in zip(axes, ring.shares, strict=True)
        )
        for ring in rings
    )
    return svg.drawing("radar", (_WIDTH, _HEIGHT), title, parts, told)


def _outline(points: Sequence[tuple[float, float] | None]) -> str:
    """Closed where no point is missing."""
    path, broken = "", True
    for point in points:
        path += "" if point is None else f"{'M' if broken else 'L'}{point[0]:.1f},{point[1]:.1f}"
        broken = point is None
    first, last = points[0], points[-1]
    if None not in points:
        return f"{path}Z"
    return f"{path}L{first[0]:.1f},{first[1]:.1f}" if first and last else path
