"""What is asked of NOVA, how it is loaded, and how many tokens each of its steps predicts. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nova_eval.errors import UsageError, unknown

if TYPE_CHECKING:
    import torch

D = TypeVar("D", "Plan", "Loading")

VIDEO_FRAMES = 9
"""Latent frames of a clip unless told otherwise: 33 frames, the paper's."""


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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to sample: the one list, for the pipeline's call, the sampler's settings and the count of operations."""

    height: int = 0
    "Pixels; 0 is the checkpoint's own size."
    width: int = 0
    "Pixels; 0 is the checkpoint's own size."
    latent_frames: int = 1
    "T of them are 4·(T − 1) + 1 frames under the video autoencoder; 1 is an image."
    ar_steps: int = 64
    "Autoregressive steps of a frame; the paper takes 128."
    diffusion_steps: int = 25
    "Diffusion steps of a token; the paper takes 100."
    guidance_scale: float = 5.0
    "Classifier-free guidance, on above 1; the paper takes 7."
    guidance_renorm: float = 1.0
    "Below 1: the guided prediction is multiplied by ‖c‖ / ‖guided‖, clamped to this and 1."
    guidance_trunc: float = 0.0
    "No guidance once the diffusion time is below it."
    flow_shift: float | None = None
    "Shift of the noise schedule (none: the checkpoint's own)."
    motion_flow: float | None = 5.0
    "How much is to move, in pixels a frame at 480 lines; none leaves the motion tokens out."
    negative_prompt: str | Sequence[str] = ""
    "What guidance leads away from."
    total_latent_frames: int | None = None
    "Continues a clip beyond latent_frames, window after window (none: one window)."
    overlap: int = 1
    "Latent frames of the window before that each further one is given."
    temperature: float = 1.0
    "Multiplies the noise that a diffusion step draws, as MAR does (arXiv 2406.11838); 1 is the reference of NOVA."
    frame_rate: float | None = None
    "The rate that the model is told (none: 12)."

    def __post_init__(self) -> None:
        for name in ("latent_frames", "ar_steps", "diffusion_steps"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}", remedy="give 1 or more")
        if not 0 <= self.temperature < math.inf:
            raise UsageError(f"temperature is {self.temperature}", remedy="give 0 or more; 1 is the reference's")

    @property
    def guidance(self) -> Guidance:
        return Guidance(float(self.guidance_scale), float(self.guidance_renorm), float(self.guidance_trunc))

    def sized(self, size: tuple[int, int]) -> Plan:
        """With ``size`` (height, width) where none is asked for."""
        return replace(self, height=self.height or size[0], width=self.width or size[1])


@dataclass(frozen=True, kw_only=True)
class Loading:
    """How a checkpoint is loaded, and where its parts are."""

    dtype: str | torch.dtype = "auto"
    "float32, float16, bfloat16, float64; auto is float16 on a GPU and float32 on a CPU."
    vae_dtype: str | torch.dtype = "auto"
    "auto is float32 where the autoencoder's configuration asks for it (force_upcast), and dtype elsewhere."
    device: str = "auto"
    "cpu, cuda, cuda:1 …; auto takes a GPU where it can."
    base: str | Path | None = None
    "The checkpoint whose other parts stand beside a transformer that a training left alone (none: by its config.yaml)."
    revision: str = ""
    "Branch, tag or commit of a checkpoint on the hub."
    offline: bool = False
    "Open no socket."
    offload: bool = False
    "Keep on the device only the part that works: the text encoder is freed after the prompts, the others take turns."
    draw_on_device: bool = False
    "Draw noise on the model's device, not on the CPU: faster on a GPU, but a seed gives another sample there."
    compile: bool = False
    "Capture the denoiser on a GPU; nothing on a CPU."
    prompt_cache: str | Path | None = None
    "A folder in which prompt embeddings are kept."


SMALL_BYTES = 64 * 2**20
"A model of fewer bytes spends its time on a CPU on fetching weights and starting operations, not on arithmetic."

DTYPES = ("float32", "float16", "bfloat16", "float64")


def dtype_name(asked: str, device: str) -> str:
    """One of DTYPES; ``"auto"`` is float16 on a GPU, as the released scripts run, and float32 on a CPU."""
    if asked == "auto":
        return "float16" if device.startswith("cuda") else "float32"
    if asked not in DTYPES:
        raise unknown("dtype", str(asked), ("auto", *DTYPES))
    return asked


def part(kind: type[D], whole: Mapping[str, Any]) -> D:
    """The Plan or Loading that is in ``whole``, whatever else there is."""
    return kind(**{name: whole[name] for name in kind.__dataclass_fields__ if name in whole})


def tokens_per_step(tokens: int, ar_steps: int) -> list[int]:
    """How many of ``tokens`` each autoregressive step predicts: differences of round(tokens · cos(π/2 · k/steps)).

    Rounding is to even at halves. Steps that would predict nothing are left out.
    """
    left = [round(tokens * math.cos(0.5 * math.pi * k / ar_steps)) for k in range(ar_steps + 1)]
    return [before - after for before, after in pairwise(left) if before > after]
