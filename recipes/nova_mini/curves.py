"""Training curves: thinned to a few hundred points, and drawn."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

_EVERY = 20
_ACROSS = 4  # panels in a line of the figure


def thinned(rows: Sequence[dict[str, Any]], every: int = _EVERY) -> list[dict[str, Any]]:
    """One row for ``every`` steps of a stage: the last step's number, means of what was measured."""
    kept = []
    for _, piece in groupby(rows, key=lambda row: (row["stage"], row["step"] // every)):
        group = list(piece)
        last = group[-1]
        means = {
            name: float(f"{statistics.fmean(row[name] for row in group):.5g}")
            for name in last
            if name not in ("stage", "step")
        }
        kept.append({"stage": last["stage"], "step": last["step"], **means})
    return kept


def draw_curves(folder: Path) -> Path:
    """``curves.svg`` in ``folder`` from its ``vae_curve.csv`` and ``losses.csv``; its path."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    losses, vae = _columns(folder / "losses.csv"), _columns(folder / "vae_curve.csv")
    stages = list(dict.fromkeys(losses["part"]))
    with mpl.rc_context({"svg.hashsalt": "curves", "font.size": 8}):
        lines = math.ceil((1 + len(stages)) / _ACROSS)
        figure = Figure(figsize=(3.4 * _ACROSS, 2.8 * lines), layout="constrained")
        panels: list[Any] = [figure.add_subplot(lines, _ACROSS, 1 + i) for i in range(1 + len(stages))]
        for part in dict.fromkeys(vae["part"]):
            panels[0].plot(*_numbers(vae, "psnr", [name == part for name in vae["part"]]), label=part, linewidth=0.8)
        panels[0].set_title("autoencoder")
        panels[0].set_ylabel("PSNR of unseen clips (dB)")
        panels[0].legend(fontsize=6, frameon=False)
        for axes, stage in zip(panels[1:], stages, strict=True):
            own = [name == stage for name in losses["part"]]
            for name in (name for name in losses if name.startswith("loss")):
                steps, values = _numbers(losses, name, own)
                if values:
                    axes.plot(steps, values, label=name, linewidth=0.8)
            axes.set_title(stage)
            axes.set_yscale("log")
            axes.legend(fontsize=6, frameon=False)
        for axes in panels:
            axes.set_xlabel("step")
            axes.grid(alpha=0.3)
        path = folder / "curves.svg"
        figure.savefig(path, format="svg", metadata={"Date": None})
    return path


def _columns(path: Path) -> dict[str, list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


def _numbers(columns: dict[str, list[str]], name: str, wanted: Sequence[bool]) -> tuple[list[int], list[float]]:
    """(steps, values) of the wanted rows that have a value."""
    found = [(int(s), float(v)) for s, v, w in zip(columns["step"], columns[name], wanted, strict=True) if w and v]
    return [step for step, _ in found], [value for _, value in found]
