"""Text to image, text to video and image to video, from a checkpoint.

Five lines make a clip::

    from nova_eval.media import encode_video
    from nova_eval.nova import NovaPipeline
    pipe = NovaPipeline.from_pretrained("BAAI/nova-d48w1024-osp480")
    [clip] = pipe.generate(["a red fox runs through snow"], [1], latent_frames=9, ar_steps=128, guidance_scale=7.0)
    Path("fox.mp4").write_bytes(encode_video(clip, fps=12))
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nova_eval import environment
from nova_eval.errors import UsageError
from nova_eval.nova import checkpoint
from nova_eval.nova.batching import batch_size as size_of_batches
from nova_eval.nova.batching import in_batches, padded
from nova_eval.nova.denoiser import Fused, fuse
from nova_eval.nova.digests import checkpoint_digest
from nova_eval.nova.draws import Draws, SeededDraws, SharedDraws
from nova_eval.nova.parts import Parts, locate, read_json
from nova_eval.nova.pictures import first_frames
from nova_eval.nova.plan import VIDEO_FRAMES, Loading, Plan
from nova_eval.nova.sampling import extrapolate, sample_latents
from nova_eval.nova.schedule import Schedule
from nova_eval.nova.stages import Stages, StageTimes
from nova_eval.nova.text import TextEncoder, pad_with_table
from nova_eval.nova.transformer import NovaTransformer
from nova_eval.nova.vae import VideoVAE, load_vae, save_vae, to_uint8
from nova_eval.protocols import Frames

_log = logging.getLogger(__name__)


@dataclass
class NovaPipeline:
    """The parts of one checkpoint, ready to sample.

    ``device`` to ``compile`` are as in Loading. ``times`` is the cost of the last ``generate``.
    """

    transformer: NovaTransformer
    schedule: Schedule
    vae: VideoVAE
    text: TextEncoder
    parts: Parts
    device: str = "cpu"
    offload: bool = False
    draw_on_device: bool = False
    compile: bool = False
    times: StageTimes | None = None
    _fused: Fused | None = field(default=None, repr=False)

    @classmethod
    def from_pretrained(cls, path_or_id: str | Path, loading: Loading | None = None, **settings: Any) -> NovaPipeline:
        """From a local folder or a hub id. ``settings`` are fields of ``Loading``, instead of those in ``loading``."""
        asked = replace(loading or Loading(), **settings)
        parts = locate(path_or_id, base=asked.base, revision=asked.revision, offline=asked.offline)
        return cls.from_parts(parts, asked)

    @classmethod
    def from_parts(cls, parts: Parts, asked: Loading) -> NovaPipeline:
        """From parts that are located. UsageError where they do not belong together."""
        device = asked.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = checkpoint.dtype_named(asked.dtype, device)
        upcast = read_json(parts.vae / "config.json").get("force_upcast", True)
        vae_kind = kind if asked.vae_dtype == "auto" else checkpoint.dtype_named(asked.vae_dtype, device)
        if asked.vae_dtype == "auto" and upcast:
            vae_kind = torch.promote_types(kind, torch.float32)
        resting = "cpu" if asked.offload else device
        transformer = checkpoint.load_transformer(parts.transformer, dtype=kind, device=resting)
        length = transformer.config.text_token_len
        cache = None if asked.prompt_cache is None else Path(asked.prompt_cache)
        text = TextEncoder.load(parts, dtype=kind, device=device, max_length=length, cache=cache)
        if text.dim != transformer.config.text_token_dim:
            raise UsageError(
                f"{parts.name}: text encoder width {text.dim}, transformer expects {transformer.config.text_token_dim}",
                remedy="the parts belong to different checkpoints",
            )
        vae = load_vae(parts.vae, dtype=vae_kind, device=resting)
        if vae.latent_channels != transformer.config.image_dim:
            raise UsageError(
                f"{parts.name}: the autoencoder has {vae.latent_channels} latent channels, the transformer "
                f"{transformer.config.image_dim}",
                remedy="the parts belong to different checkpoints",
            )
        return cls(
            transformer,
            checkpoint.load_schedule(parts.scheduler),
            vae,
            text,
            parts,
            device=device,
            offload=asked.offload,
            draw_on_device=asked.draw_on_device,
            compile=asked.compile,
        )

    def save_checkpoint(self, folder: str | Path) -> None:
        """Writes all parts in the official form; ``from_pretrained`` reads them back."""
        target = Path(folder)
        checkpoint.save_transformer(self.transformer, target / "transformer")
        checkpoint.save_schedule(self.schedule, target / "scheduler")
        save_vae(self.vae, target / "vae")
        checkpoint.copy_part(self.parts.text_encoder, target / "text_encoder")
        checkpoint.copy_part(self.parts.tokenizer, target / "tokenizer")
        checkpoint.save_index(target, str(self.vae.config["_class_name"]), self.schedule)

    @property
    def digest(self) -> str:
        """Changes when anything in the checkpoint that shapes a sample changes."""
        return checkpoint_digest(self.parts)

    def to(self, device: str) -> NovaPipeline:
        """Moves every part; ``"cpu"`` frees the accelerator."""
        self.device = device
        self._fused = None
        self.transformer.to(device)
        self.vae.to(device=device)
        self.text.to(device)
        return self

    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int] | None = None,
        plan: Plan | None = None,
        *,
        image: Any = None,
        batch_size: int | str = "auto",
        generator: torch.Generator | None = None,
        **settings: Any,
    ) -> list[Frames]:
        """One uint8 (T, H, W, 3) array per prompt; T = 1 for an image. ``settings`` are fields of ``Plan``.

        What is made follows from what is given: an ``image`` is the first frame of a video (image-to-video, 9 latent
        frames unless said), ``latent_frames`` > 1 is text-to-video, otherwise text-to-image.

        ``seeds`` has one integer a prompt, and a sample depends on its own only: what it is next to does not matter (to
        the bit on a CPU at "auto", and at any ``batch_size`` where its matrix products treat equal rows alike, since
        every batch is filled up; up to rounding on a GPU). ``generator``
        instead of seeds draws for all prompts in one tensor, as one call of the reference pipeline does.

        Prompts longer than the model's text length are cut, with a warning that says how much was kept.
        """
        if image is not None and plan is None:
            settings.setdefault("latent_frames", VIDEO_FRAMES)
        plan = replace(plan or Plan(), **settings).sized(self.transformer.config.image_size)
        self._check(prompts, seeds, plan, image, generator)
        stages = Stages(torch.device(self.device))
        embeds, negative = self._embed(prompts, plan, stages)
        pictures = None if image is None else first_frames(image, len(prompts), plan.height, plan.width)

        asked = len(prompts) if generator is not None else batch_size
        fitting = size_of_batches(asked, torch.device(self.device), self.transformer, plan)

        def work(part: slice, size: int) -> list[Frames]:
            places = padded(part, size, torch.device(self.device))
            rows = embeds[places] if negative is None else torch.cat([embeds[places], negative[places]])
            draws = self._draws(seeds, places, generator)
            given = None if pictures is None else self._encode(pictures[places], draws, stages)
            latents = self._sample(rows, draws, plan, given=given, stages=stages)
            return self.decode(latents[: part.stop - part.start], stages)

        with environment.arithmetic(tf32=True):  # torch's default, in which the reference pipeline computes
            clips = [clip for batch in in_batches(len(prompts), fitting, work) for clip in batch]
        self.times = stages.times()
        return clips

    def embed(self, prompts: Sequence[str]) -> Tensor:
        """(B, text_token_len, token_dim): text features, the stored table behind each prompt's own tokens."""
        table = self.transformer.text_embed.weight
        return pad_with_table(self.text.encode(prompts), table, self.transformer.config.text_token_len)

    def decode(self, latents: Tensor, stages: Stages | None = None) -> list[Frames]:
        """Scaled latents (B, C, T, h, w) → one uint8 (T', H, W, 3) array a sample, decoded one by one."""
        stages = stages or Stages(torch.device(self.device))
        with self._on_device("vae"), stages.time("vae"):
            return [self._pixels(clip) for clip in latents.chunk(len(latents))]

    def _pixels(self, latents: Tensor) -> Frames:
        pieces = [to_uint8(piece)[0].cpu() for piece in self.vae.decode_tiles(latents)]
        frames: Frames = torch.cat(pieces).numpy()
        return frames

    def _encode(self, pictures: Tensor, draws: Draws, stages: Stages) -> Tensor:
        """The latents (B, C, 1, h, w) of given first frames; a shared generator draws once for one picture."""
        with self._on_device("vae"), stages.time("vae"):
            if isinstance(draws, SharedDraws):
                latents = self.vae.encode(pictures[:1].to(self.device), draws.generator)
                return latents.expand(len(pictures), -1, -1, -1, -1)
            assert isinstance(draws, SeededDraws)
            return self.vae.encode(pictures.to(self.device), draws.generators)

    def _sample(self, rows: Tensor, draws: Draws, plan: Plan, **options: Any) -> Tensor:
        with self._on_device("transformer"):
            captured = self.compile and self.device.startswith("cuda")
            if self._fused is None:
                self._fused = fuse(self.transformer.image_decoder)
                if captured:
                    self._fused = replace(
                        self._fused, predict=torch.compile(self._fused.predict, mode="reduce-overhead")
                    )
            options |= {"fused": self._fused, "fixed_shapes": captured}
            sample = extrapolate if plan.total_latent_frames else sample_latents
            return sample(self.transformer, self.schedule, rows, draws, plan, **options)

    def _embed(self, prompts: Sequence[str], plan: Plan, stages: Stages) -> tuple[Tensor, Tensor | None]:
        """Embeddings of the prompts, and of what guidance turns away from when it is on."""
        negative = plan.negative_prompt
        negatives = [negative] * len(prompts) if isinstance(negative, str) else list(negative)
        if len(negatives) != len(prompts):
            raise UsageError(f"{len(negatives)} negative prompts for {len(prompts)} prompts")
        with stages.time("text"):
            embeds = self.embed(prompts)
            away = self.embed(negatives) if plan.guidance.on else None
        if self.offload:
            self.text.release()
        return embeds, away

    def _draws(self, seeds: Sequence[int] | None, places: list[int], generator: torch.Generator | None) -> Draws:
        if generator is not None:
            return SharedDraws(generator, len(places))
        assert seeds is not None
        threads = 1 if self.device == "cpu" else min(8, os.cpu_count() or 1)
        device = self.device if self.draw_on_device else "cpu"
        return SeededDraws([seeds[place] for place in places], device, threads)

    def _check(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int] | None,
        plan: Plan,
        image: Any,
        generator: torch.Generator | None,
    ) -> None:
        """UsageError for what cannot be sampled."""
        if isinstance(prompts, str):
            raise UsageError("prompts is one string", remedy="give a list of prompts")
        if (seeds is None) == (generator is None):
            raise UsageError("give seeds or a generator", remedy="seeds: one integer a prompt")
        if seeds is not None and len(seeds) != len(prompts):
            raise UsageError(f"{len(seeds)} seeds for {len(prompts)} prompts", remedy="give one seed a prompt")
        config = self.transformer.config
        config.grid(plan.height, plan.width)
        if plan.latent_frames > 1 and not config.has_motion:
            raise UsageError(
                f"{self.parts.name} makes images; {plan.latent_frames} latent frames are a video",
                remedy="set latent_frames to 1, or take a video checkpoint",
            )
        if image is not None and plan.latent_frames == 1:
            raise UsageError("an image and one latent frame leave nothing to generate", remedy="give latent_frames > 1")

    @contextmanager
    def _on_device(self, part: str) -> Iterator[None]:
        """The part on the device while the body runs; with ``offload`` it goes back to the CPU after it."""
        if not self.offload or self.device == "cpu":
            yield
            return
        moving: Any = getattr(self, part)
        moving.to(device=self.device)
        try:
            yield
        finally:
            moving.to(device="cpu")
            if part == "transformer":
                self._fused = None  # its fused weights live on the device
            torch.cuda.empty_cache()
