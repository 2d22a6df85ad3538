"""NOVA checkpoints as a sampler under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.parts import Parts, locate, read_json
from nova_eval.nova.plan import Loading, Plan, part
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt

if TYPE_CHECKING:
    from nova_eval.nova.pipeline import NovaPipeline

_SMALL_BYTES = 64 * 2**20
_BEYOND: Mapping[str, Any] = {"temperature": 1, "frame_rate": None}
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class NovaSampler(Plan, Loading):
    """``checkpoint`` is a folder in the official form, a hub id such as ``"BAAI/nova-d48w1024-osp480"``, or
    ``"nova-mini"``, which comes with the package; or what a training left, with ``base`` for the other parts.

    Defaults are the pipeline's own; the paper evaluates with 128 autoregressive steps, 100 diffusion steps and guidance
    7. ``fps`` is the rate at which clips are shown. Every sample draws from a generator of its own, seeded on the CPU.
    ``batch_size`` "auto" takes one sample at a time on a CPU (the same bits in every company) and what fits on a GPU
    (the same sample up to rounding); running out of memory halves it. Weights are loaded with the first sample.
    """

    checkpoint: str | Path
    fps: float = field(default=12.0, kw_only=True)
    batch_size: int | str = field(default="auto", kw_only=True)
    parts: Parts = field(init=False)
    light: bool = field(init=False)
    info: SamplerInfo = field(init=False)

    def __post_init__(self) -> None:
        import torch

        from nova_eval.nova import checkpoint as checkpoints
        from nova_eval.nova.config import TransformerConfig

        super().__post_init__()
        parts = locate(self.checkpoint, base=self.base, revision=self.revision, offline=self.offline)
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = str(checkpoints.dtype_named(self.dtype, device)).removeprefix("torch.")
        config = TransformerConfig.from_json(read_json(parts.transformer / "config.json"))
        plan = replace(part(Plan, vars(self)), temperature=float(self.temperature)).sized(config.image_size)
        config.grid(plan.height, plan.width)
        if plan.latent_frames > 1 and not config.has_motion:
            raise UsageError(
                f"{self.checkpoint} makes images, not {plan.latent_frames} latent frames", remedy="latent_frames=1"
            )
        # what the reference has no word for is left out where it is as the reference
        asked = {name: value for name, value in vars(plan).items() if _BEYOND.get(name, ...) != value}
        video = plan.latent_frames > 1
        drawn = device.partition(":")[0] if self.draw_on_device else "cpu"
        commits = {name: commit for name in ("revision", "base_revision") if (commit := getattr(parts, name))}
        info = SamplerInfo(
            name=parts.name or "nova",
            modality="video" if video else "image",
            checkpoint=checkpoints.checkpoint_digest(parts),
            fps=self.fps if video else 0.0,
            settings={**asked, "dtype": dtype, "vae_dtype": self.vae_dtype, "draws": drawn, **commits},
        )
        # A small model on a CPU: a process a core, each on one thread, makes the same bits however many there are.
        light = device == "cpu" and checkpoints.weight_bytes(parts) < _SMALL_BYTES
        found = {**vars(plan), "parts": parts, "device": device, "dtype": dtype, "light": light, "info": info}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @cached_property
    def pipeline(self) -> NovaPipeline:
        import torch

        from nova_eval.nova.pipeline import NovaPipeline

        if self.light:
            torch.set_num_threads(1)
        loaded = NovaPipeline.from_parts(self.parts, part(Loading, vars(self)))
        if loaded.digest != self.info.checkpoint:
            raise PrerequisiteError(
                f"checkpoint {self.checkpoint} was overwritten after this run had begun",
                remedy="run again: the new weights are another run",
            )
        return loaded

    @staticmethod
    def light_with(settings: Mapping[str, Any]) -> bool:
        """What ``light`` would be, told without torch or weights: of the package's own checkpoints where no GPU is."""
        from nova_eval.nova.embedded import EMBEDDED

        device = str(settings.get("device", "auto"))
        on_cpu = device == "cpu" or (device == "auto" and not _NVIDIA_DRIVER.exists())
        return on_cpu and str(settings.get("checkpoint")) in EMBEDDED

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames]:
        """One uint8 (T, H, W, 3) array per prompt."""
        texts = [prompt.sampling_text for prompt in prompts]
        return self.pipeline.generate(texts, seeds, part(Plan, vars(self)), batch_size=self.batch_size)

    def to(self, device: str) -> NovaSampler:
        """Moves the loaded weights, and those that are loaded later."""
        object.__setattr__(self, "device", device)
        if "pipeline" in self.__dict__:
            self.pipeline.to(device)
        return self
