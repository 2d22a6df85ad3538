"""NOVA checkpoints as a sampler under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nova_eval import environment
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.digests import checkpoint_digest, weight_bytes
from nova_eval.nova.parts import Parts, alike, locate, read_json
from nova_eval.nova.plan import SMALL_BYTES, Loading, Plan, dtype_name, part
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt

if TYPE_CHECKING:
    from nova_eval.nova.pipeline import NovaPipeline

_BEYOND: Mapping[str, Any] = {"temperature": 1, "frame_rate": None}


@dataclass(frozen=True)
class NovaSampler(Plan, Loading):
    """NOVA, which makes clips, or images of one latent frame.

    Defaults are the pipeline's own. Every sample draws from a generator of its own, seeded on the CPU. Weights are
    loaded with the first sample; until then torch is not needed.
    """

    checkpoint: str | Path
    "A folder in the official form, a hub id such as BAAI/nova-d48w1024-osp480, nova-mini, or what a training left."
    fps: float = field(default=12.0, kw_only=True)
    "The rate at which clips are shown."
    batch_size: int | Literal["auto"] = field(default="auto", kw_only=True)
    "auto is what fits on a GPU; on a CPU 4 for a small model and 1 for others, the same bits in every company."
    parts: Parts = field(init=False)
    light: bool = field(init=False)
    info: SamplerInfo = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        parts = locate(self.checkpoint, base=self.base, revision=self.revision, offline=self.offline)
        device = self.device
        if device == "auto":
            device = "cuda" if environment.has_cuda() else "cpu"
        dtype = dtype_name(str(self.dtype).removeprefix("torch."), device)
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
            checkpoint=checkpoint_digest(parts),
            fps=self.fps if video else 0.0,
            settings={**asked, "dtype": dtype, "vae_dtype": self.vae_dtype, "draws": drawn, **commits},
        )
        # A small model on a CPU: a process a core, each on one thread, makes the same bits however many there are.
        light = device == "cpu" and weight_bytes(parts) < SMALL_BYTES
        found = {**vars(plan), "parts": parts, "device": device, "dtype": dtype, "light": light, "info": info}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @staticmethod
    def alike(one: str | Path, other: str | Path) -> bool:
        """Whether two checkpoints on this machine have transformers of one configuration."""
        return alike(one, other)

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

    def sample(self, prompts: Sequence[Prompt], seeds: Sequence[int]) -> list[Frames]:
        """One uint8 (T, H, W, 3) array per prompt."""
        texts = [prompt.sampling_text for prompt in prompts]
        return self.pipeline.generate(texts, seeds, part(Plan, vars(self)), batch_size=self.batch_size)

    def check(self) -> None:
        """Loads the transformer and lets it go: what a training writes, while the other parts stay as they are."""
        import torch

        from nova_eval.nova.checkpoint import load_transformer

        load_transformer(self.parts.transformer, dtype=torch.float32, device="cpu")

    def to(self, device: str) -> NovaSampler:
        """Moves the loaded weights, and those that are loaded later."""
        object.__setattr__(self, "device", device)
        if "pipeline" in self.__dict__:
            self.pipeline.to(device)
        return self
