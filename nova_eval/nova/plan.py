"""What is asked of a sampler, and how many tokens each of its steps predicts. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from nova_eval.errors import UsageError


@dataclass(frozen=True, slots=True)
class Guidance:
    """Classifier-free guidance: ``u + scale · (c − u)``, on when ``scale`` > 1.

    ``trunc``: no guidance once the diffusion time is below it. ``renorm`` r < 1: the guided prediction is multiplied by
    ‖c‖ / ‖guided‖ clamped to [r, 1].
    """

    scale: float = 5.0
    renorm: float = 1.0
    trunc: float = 0.0

    @property
    def on(self) -> bool:
        return self.scale > 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to sample: sizes in pixels, ``latent_frames`` T, numbers of steps, guidance, and motion.

    ``temperature`` multiplies the noise that a diffusion step draws, as MAR does (arXiv 2406.11838); the
    reference of NOVA has none, which is 1.
    """

    height: int
    width: int
    latent_frames: int = 1
    ar_steps: int = 64
    diffusion_steps: int = 25
    guidance: Guidance = Guidance()
    motion_flow: float | None = 5.0
    fps: float | None = None
    flow_shift: float | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        for name in ("latent_frames", "ar_steps", "diffusion_steps"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}", remedy="give 1 or more")
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"temperature is {self.temperature}", remedy="give 0 or more; 1 is the reference's")


def tokens_per_step(tokens: int, ar_steps: int) -> list[int]:
    """How many of ``tokens`` each autoregressive step predicts: differences of round(tokens · cos(π/2 · k/steps)).

    Rounding is to even at halves. Steps that would predict nothing are left out.
    """
    left = [round(tokens * math.cos(0.5 * math.pi * k / ar_steps)) for k in range(ar_steps + 1)]
    return [before - after for before, after in pairwise(left) if before > after]
