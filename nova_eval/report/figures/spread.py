"""How the scores of samples spread: a small histogram, an outline a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nova_eval.report.figures import svg

_BINS = 20
_WIDTH, _HEIGHT, _FOOT = 220.0, 64.0, 14.0


def spread(title: str, values: Sequence[Sequence[float]], low: float, high: float) -> str:
    """Shares of the samples in equal steps from ``low`` to ``high``, with each run's mean as a line; "" without any.

    What lies beyond the ends is counted at them.
    """
    if not any(values) or not high > low:
        return ""
    counts = [_counted(run, low, high) for run in values]
    most = max(max(run) for run in counts)
    parts = [svg.line(0, _HEIGHT, _WIDTH, _HEIGHT, "grid")]
    for place, (run, shares) in enumerate(zip(values, counts, strict=True)):
        if not run:
            continue
        kind, step = f"run{place % 6}", _WIDTH / _BINS
        heights = [_HEIGHT - (_HEIGHT - 4) * share / most for share in shares]
        path = f"M0,{_HEIGHT:.1f}" + "".join(f"V{top:.1f}H{step * (n + 1):.1f}" for n, top in enumerate(heights))
        parts.append(svg.element("path", d=f"{path}V{_HEIGHT:.1f}Z", class_=f"bars {kind}"))
        mean = _WIDTH * (math.fsum(run) / len(run) - low) / (high - low)
        mean = min(max(mean, 0.0), _WIDTH)
        parts.append(svg.line(mean, 0, mean, _HEIGHT, f"mean {kind}"))
    foot = _HEIGHT + 11
    parts.append(svg.text(0, foot, svg.number(low), class_="tick"))
    parts.append(svg.text(_WIDTH, foot, svg.number(high), class_="tick", text_anchor="end"))
    told = "; ".join(f"{len(run)} samples, mean {math.fsum(run) / len(run):.4g}" for run in values if run)
    return svg.drawing("spread", (_WIDTH, _HEIGHT + _FOOT), title, parts, told)


def _counted(values: Sequence[float], low: float, high: float) -> list[float]:
    counts = [0] * _BINS
    for value in values:
        counts[min(max(int((value - low) / (high - low) * _BINS), 0), _BINS - 1)] += 1
    return [count / max(len(values), 1) for count in counts]
