"""Drawings put numbers where they belong, and say them to who cannot see."""

from __future__ import annotations

import re
from xml.etree import ElementTree as xml

import pytest

from nova_eval.records import Interval
from nova_eval.report.figures.forest import Line, Mark, forest
from nova_eval.report.figures.radar import Ring, radar
from nova_eval.report.figures.spread import spread
from nova_eval.report.figures.svg import ticks

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> xml.Element:
    found = xml.fromstring(text)
    assert found.tag == f"{SVG}svg"
    assert found.find(f"{SVG}title") is not None
    return found


def test_marks_of_a_forest_lie_on_its_axis() -> None:
    marks = [Mark(0.0, None, "0"), Mark(50.0, Interval(25.0, 100.0), "50"), Mark(None, None, "–")]
    figure = drawn(forest("<t>", [Line("a & b", (mark,)) for mark in marks], zero=False, unit="percent"))
    first, second = (float(dot.get("cx", "nan")) for dot in figure.iter(f"{SVG}circle"))
    (span,) = (line for line in figure.iter(f"{SVG}line") if "span" in line.get("class", ""))
    unit = (second - first) / 50
    assert float(span.get("x1", "nan")) == pytest.approx(first + 25 * unit, abs=0.02)
    assert float(span.get("x2", "nan")) == pytest.approx(first + 100 * unit, abs=0.02)
    ends = {line.get("x1"): line for line in figure.iter(f"{SVG}line") if line.get("class") == "grid"}
    assert f"{first:.2f}".rstrip("0").rstrip(".") in ends
    assert figure.findtext(f"{SVG}title") == "<t>"
    assert "a & b: 50" in (figure.findtext(f"{SVG}desc") or "")


def test_a_gate_is_drawn_from_zero_downwards() -> None:
    mark = Mark(-1.0, Interval(-3.0, 1.0), "−1", "open", gate=2.0)
    figure = drawn(forest("t", [Line("a", (mark,))], zero=True, unit="percent"))
    (gate,) = figure.iter(f"{SVG}rect")
    (zero,) = (line for line in figure.iter(f"{SVG}line") if line.get("class") == "zero")
    (dot,) = figure.iter(f"{SVG}circle")
    width, at = float(gate.get("width", "nan")), float(zero.get("x1", "nan"))
    assert float(gate.get("x", "nan")) + width == pytest.approx(at, abs=0.02)
    assert float(dot.get("cx", "nan")) == pytest.approx(at - width / 2, abs=0.02)


def test_a_ring_has_a_gap_where_there_is_no_value() -> None:
    axes = ["a", "b", "c", "d"]
    figure = drawn(radar("t", axes, [Ring("whole", (1.0, 0.5, 0.0, 1.0)), Ring("part", (1.0, 0.5, None, 1.0))]))
    whole, part = (path.get("d", "") for path in figure.iter(f"{SVG}path"))
    assert re.sub("[^MLZ]", "", whole) == "MLLLZ"
    assert re.sub("[^MLZ]", "", part) == "MLML"
    assert "part: a 1.00, b 0.50, c no value" in (figure.findtext(f"{SVG}desc") or "")
    assert radar("t", axes[:2], [Ring("whole", (1.0, 0.5))]) == ""


def test_a_spread_counts_every_score_once() -> None:
    figure = drawn(spread("t", [[0.0, 0.01, 0.5, 1.0], []], 0.0, 1.0))
    (path,) = figure.iter(f"{SVG}path")
    tops = [float(top) for top in re.findall(r"V([0-9.]+)H", path.get("d", ""))]
    assert len(tops) == 20
    heights = [64 - top for top in tops]
    assert [round(height / max(heights) * 2) for height in heights] == [2, *[0] * 9, 1, *[0] * 8, 1]
    assert spread("t", [[]], 0.0, 1.0) == ""


def test_ticks_are_round() -> None:
    assert ticks(-3.1, 104.0) == [0, 20, 40, 60, 80, 100]
    assert ticks(-0.42, 0.13) == [-0.4, -0.3, -0.2, -0.1, 0, 0.1]
