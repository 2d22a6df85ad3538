"""What is asked of NOVA, how it is loaded, and how many tokens each of its steps predicts. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nova_eval.errors import UsageError

if TYPE_CHECKING:
    import torch

D = TypeVar("D", "Plan", "Loading")


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
    """What to sample; the one list of it, for the pipeline's call, the sampler's settings and the count of operations.

    ``height`` and ``width`` are in pixels; 0 is the checkpoint's own size (``sized``). ``latent_frames`` T are
    4·(T − 1) + 1 frames under the video autoencoder; ``total_latent_frames`` continues a clip beyond them, window after
    window, each given the last ``overlap`` frames of the one before. ``guidance_*`` are Guidance's. ``motion_flow``
    None leaves the motion tokens out; ``frame_rate`` is the one that the model is told (None: 12). ``temperature``
    multiplies the noise that a diffusion step draws, as MAR does (arXiv 2406.11838); the reference of NOVA has none,
    which is 1.
    """

    height: int = 0
    width: int = 0
    latent_frames: int = 1
    ar_steps: int = 64
    diffusion_steps: int = 25
    guidance_scale: float = 5.0
    guidance_renorm: float = 1.0
    guidance_trunc: float = 0.0
    flow_shift: float | None = None
    motion_flow: float | None = 5.0
    negative_prompt: str | Sequence[str] = ""
    total_latent_frames: int | None = None
    overlap: int = 1
    temperature: float = 1.0
    frame_rate: float | None = None

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
    """How a checkpoint is loaded, and where its parts are.

    ``dtype`` "auto" is float16 on a GPU and float32 on a CPU. ``vae_dtype`` "auto" is float32 where the autoencoder's
    configuration asks for it (``force_upcast``) and ``dtype`` elsewhere. ``device`` "auto" takes a GPU where it can.
    ``base`` is the checkpoint whose other parts stand beside a transformer that a training left alone (found by its
    ``config.yaml`` without). ``revision`` is a branch, tag or commit of a checkpoint on the hub. ``offline`` opens no
    socket. ``offload`` keeps on the device only the part that works: the text encoder is freed
    after the prompts, transformer and autoencoder take turns. ``draw_on_device`` draws noise on the model's device
    instead of the CPU, which is faster on a GPU, but a seed then gives another sample there. ``compile`` captures the
    denoiser on a GPU and does nothing on a CPU. ``prompt_cache`` is a folder in which prompt embeddings are kept.
    """

    dtype: str | torch.dtype = "auto"
    vae_dtype: str | torch.dtype = "auto"
    device: str = "auto"
    base: str | Path | None = None
    revision: str = ""
    offline: bool = False
    offload: bool = False
    draw_on_device: bool = False
    compile: bool = False
    prompt_cache: str | Path | None = None


def part(kind: type[D], whole: Mapping[str, Any]) -> D:
    """The Plan or Loading that is in ``whole``, whatever else there is."""
    return kind(**{name: whole[name] for name in kind.__dataclass_fields__ if name in whole})


def tokens_per_step(tokens: int, ar_steps: int) -> list[int]:
    """How many of ``tokens`` each autoregressive step predicts: differences of round(tokens · cos(π/2 · k/steps)).

    Rounding is to even at halves. Steps that would predict nothing are left out.
    """
    left = [round(tokens * math.cos(0.5 * math.pi * k / ar_steps)) for k in range(ar_steps + 1)]
    return [before - after for before, after in pairwise(left) if before > after]
