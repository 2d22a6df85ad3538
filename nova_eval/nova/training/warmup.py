"""Learning rates over a run, as factors of the peak."""

from __future__ import annotations

import math


def warmup_then_cosine(step: int, warmup: int, steps: int, floor: float = 0.02) -> float:
    """Rises linearly to 1 over ``warmup`` steps, then falls along half a cosine to ``floor`` at ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


def warmup_then_constant(step: int, warmup: int, steps: int) -> float:
    """Rises linearly to 1 over ``warmup`` steps and stays."""
    return min(1.0, (step + 1) / max(1, warmup))
