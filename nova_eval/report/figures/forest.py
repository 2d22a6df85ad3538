"""Estimates with their intervals, a row each, on one axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nova_eval.records import Interval
from nova_eval.report.figures import svg

_LABEL, _PLOT, _LETTER, _ROW, _TOP = 190.0, 280.0, 7.4, 26.0, 10.0
_BESIDE = 15.0  # between the marks of a row
_MARGIN = 0.06  # of the axis


@dataclass(frozen=True, slots=True)
class Mark:
    """One estimate: its place on the axis, how it is printed, the class that paints it, and how far is no matter."""

    value: float | None
    interval: Interval | None
    said: str
    kind: str = "plain"
    gate: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row: one mark a run. ``ruled`` draws a line above it."""

    label: str
    marks: tuple[Mark, ...]
    ruled: bool = False


def forest(title: str, lines: Sequence[Line], *, zero: bool, unit: str) -> str:
    """The drawing; ``zero`` is in it as a line where differences are shown."""
    low, high = _range(lines, zero=zero)

    def at(value: float) -> float:
        return _LABEL + _PLOT * (value - low) / (high - low)

    longest = max((len(mark.said) for one in lines for mark in one.marks), default=0)
    width = _LABEL + _PLOT + 14 + _LETTER * longest
    parts, y = [], _TOP
    for one in lines:
        height = max(_ROW, _BESIDE * len(one.marks) + 8)
        if one.ruled:
            parts.append(svg.line(0, y, width, y, "rule"))
        parts.append(svg.text(_LABEL - 12, y + height / 2, one.label, class_="label", text_anchor="end"))
        step = height / (len(one.marks) + 1)
        for place, mark in enumerate(one.marks, 1):
            parts += _mark(mark, at, y + step * place, (low, high), _ROW / 3 if len(one.marks) == 1 else 6.0)
        y += height
    axis = [svg.line(at(tick), _TOP, at(tick), y, "grid") for tick in svg.ticks(low, high)]
    axis += [
        svg.text(at(tick), y + 16, svg.number(tick), class_="tick", text_anchor="middle")
        for tick in svg.ticks(low, high)
    ]
    axis += [svg.line(at(0), _TOP, at(0), y, "zero")] if zero else []
    axis.append(svg.text(_LABEL + _PLOT / 2, y + 34, unit, class_="tick", text_anchor="middle"))
    told = "; ".join(f"{one.label}: {', '.join(mark.said for mark in one.marks)}" for one in lines)
    return svg.drawing(f"forest{' differences' if zero else ''}", (width, y + 42), title, [*axis, *parts], told)


def _range(lines: Sequence[Line], *, zero: bool) -> tuple[float, float]:
    ends = [0.0] if zero else []
    for mark in (mark for one in lines for mark in one.marks):
        ends += [] if mark.value is None else [mark.value]
        ends += list(mark.interval or ())
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = (high - low or 1.0) * _MARGIN
    return low - room, high + room


def _mark(mark: Mark, at: Callable[[float], float], y: float, ends: tuple[float, float], thickness: float) -> list[str]:
    said = svg.text(_LABEL + _PLOT + 14, y, mark.said, class_=f"value {mark.kind}")
    if mark.value is None:
        return [said]
    parts = []
    if mark.gate is not None and mark.gate < ends[1] - ends[0]:
        left = max(at(-mark.gate), at(ends[0]))
        parts.append(
            svg.element("rect", x=left, y=y - thickness, width=at(0) - left, height=2 * thickness, class_="gate")
        )
    if mark.interval is not None:
        parts.append(svg.line(at(mark.interval.low), y, at(mark.interval.high), y, f"span {mark.kind}"))
    parts.append(svg.element("circle", cx=at(mark.value), cy=y, r=4.5, class_=f"dot {mark.kind}"))
    return [*parts, said]
