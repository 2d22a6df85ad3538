"""Curves beside each other as one SVG; the same curves give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nova_eval import files
from nova_eval.packages import needed_by

Values = Sequence[float | None]


class Curve(NamedTuple):
    """A value a place, ``None`` where there is none; ``low`` and ``high`` are the ends of its interval."""

    name: str
    values: Values
    low: Values = ()
    high: Values = ()


class Panel(NamedTuple):
    """Curves over the same places under one title. ``level`` is a line across all of them, called ``level_is``."""

    title: str
    curves: Sequence[Curve]
    level: float | None = None
    level_is: str = ""
    from_zero: bool = False


def draw(path: Path, panels: Sequence[Panel], ticks: Sequence[str], places: str, *, salt: str) -> None:
    """Writes the figure, whole or not at all; ``ticks`` name the places, ``places`` says what they are.

    ``salt`` is what its inner names are made of. PrerequisiteError where matplotlib is not installed.
    """
    with needed_by("a figure"):
        import matplotlib as mpl
        from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": salt, "font.size": 8}):
        figure = Figure(figsize=(3.4 * len(panels), 2.8), layout="constrained")
        all_axes: Any = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(all_axes, panels, strict=True):
            for curve in panel.curves:
                _curve(axes, curve)
            if panel.level is not None:
                axes.axhline(panel.level, color="0.3", lw=1, ls="--", label=panel.level_is)
            axes.set_xticks(range(len(ticks)), ticks, rotation=90 if sum(map(len, ticks)) > 40 else 0)
            axes.set_xlabel(places)
            axes.set_ylabel(panel.title)
            if panel.from_zero:
                axes.set_ylim(bottom=0)
            axes.grid(alpha=0.3)
        if all_axes[0].get_legend_handles_labels()[1]:
            all_axes[0].legend(fontsize=6, frameon=False)
        with files.writing(path), files.whole(path) as stream:
            figure.savefig(stream, format="svg", metadata={"Date": None})


def _curve(axes: Any, curve: Curve) -> None:
    there = [place for place, value in enumerate(curve.values) if value is not None]
    [line] = axes.plot(there, [curve.values[place] for place in there], "o-", ms=3, label=curve.name)
    known = [place for place in there if curve.low and None not in (curve.low[place], curve.high[place])]
    if known:
        ends = ([side[place] for place in known] for side in (curve.low, curve.high))
        axes.fill_between(known, *ends, color=line.get_color(), alpha=0.15, lw=0)
