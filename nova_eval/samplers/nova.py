"""NOVA checkpoints as a sampler under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from nova_eval.errors import UsageError
from nova_eval.protocols import Frames, SamplerInfo
from nova_eval.records import Prompt

_SMALL_BYTES = 64 * 2**20
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


class NovaSampler:
    """``checkpoint`` is a folder in the official layout, a hub id such as ``"BAAI/nova-d48w1024-osp480"``, or
    ``"nova-mini"``, which comes with the package.

    Defaults are the pipeline's own; the paper evaluates with 128 autoregressive steps, 100 diffusion steps and guidance
    7. ``latent_frames`` T are 4·(T − 1) + 1 frames under the video autoencoder. ``fps`` is the rate at which clips are
    shown. ``temperature`` scales the noise of diffusion steps (MAR's; the reference has 1). Every sample draws from a
    generator of its own, seeded on the CPU. ``batch_size`` "auto" takes one sample at a time on a CPU (the same bits in
    every company) and what fits on a GPU (the same sample up to rounding); running out of memory halves it. Weights are
    loaded with the first sample.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        height: int | None = None,
        width: int | None = None,
        latent_frames: int = 1,
        ar_steps: int = 64,
        diffusion_steps: int = 25,
        guidance_scale: float = 5.0,
        guidance_renorm: float = 1.0,
        guidance_trunc: float = 0.0,
        flow_shift: float | None = None,
        temperature: float = 1.0,
        motion_flow: float | None = 5.0,
        negative_prompt: str = "",
        total_latent_frames: int | None = None,
        overlap: int = 1,
        fps: float = 12.0,
        dtype: str = "auto",
        vae_dtype: str = "auto",
        device: str = "auto",
        batch_size: int | str = "auto",
        offline: bool = False,
        offload: bool = False,
        draw_on_device: bool = False,
        compile: bool = False,
        prompt_cache: str | Path | None = None,
    ) -> None:
        import torch

        from nova_eval.nova import checkpoint as checkpoints
        from nova_eval.nova.config import TransformerConfig

        self.folder = checkpoints.locate(checkpoint, offline=offline)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = str(checkpoints.dtype_named(dtype, device)).removeprefix("torch.")
        config = TransformerConfig.from_json(checkpoints.read_json(self.folder / "transformer" / "config.json"))
        size = (height or config.image_size[0], width or config.image_size[1])
        config.grid(*size)
        # what the reference has no word for is left out where it is as the reference
        extra = {} if temperature == 1 else {"temperature": float(temperature)}
        if latent_frames > 1 and not config.has_motion:
            raise UsageError(f"{checkpoint} makes images, not {latent_frames} latent frames", remedy="latent_frames=1")
        self._call: dict[str, Any] = {
            "height": size[0],
            "width": size[1],
            "latent_frames": latent_frames,
            "ar_steps": ar_steps,
            "diffusion_steps": diffusion_steps,
            "guidance_scale": guidance_scale,
            "guidance_renorm": guidance_renorm,
            "guidance_trunc": guidance_trunc,
            "flow_shift": flow_shift,
            "motion_flow": motion_flow,
            "negative_prompt": negative_prompt,
            "total_latent_frames": total_latent_frames,
            "overlap": overlap,
            **extra,
        }
        self._load: dict[str, Any] = {
            "dtype": kind,
            "vae_dtype": vae_dtype,
            "device": device,
            "offline": offline,
            "offload": offload,
            "draw_on_device": draw_on_device,
            "compile": compile,
            "prompt_cache": None if prompt_cache is None else Path(prompt_cache),
        }
        self._batch_size = batch_size
        # A small model on a CPU: a process a core, each on one thread, makes the same bits however many there are.
        self.light = device == "cpu" and checkpoints.weight_bytes(self.folder) < _SMALL_BYTES
        video = latent_frames > 1
        drawn = device.partition(":")[0] if draw_on_device else "cpu"
        self.info = SamplerInfo(
            name=Path(checkpoint).name or "nova",
            modality="video" if video else "image",
            checkpoint=checkpoints.checkpoint_digest(self.folder),
            fps=fps if video else 0.0,
            settings={**self._call, "dtype": kind, "vae_dtype": vae_dtype, "draws": drawn},
        )

    @cached_property
    def pipeline(self) -> Any:
        """The loaded NovaPipeline."""
        import torch

        from nova_eval.nova.pipeline import NovaPipeline

        if self.light:
            torch.set_num_threads(1)
        return NovaPipeline.from_pretrained(self.folder, **self._load)

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
        made: list[Frames] = self.pipeline.generate(texts, seeds, batch_size=self._batch_size, **self._call)
        return made

    def to(self, device: str) -> NovaSampler:
        """Moves the loaded weights, and those that are loaded later."""
        self._load["device"] = device
        if "pipeline" in self.__dict__:
            self.pipeline.to(device)
        return self
