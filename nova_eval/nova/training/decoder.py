"""The autoencoder's decoder taught on what a trained NOVA answers, so that it draws well what is a little wrong."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from nova_eval.nova.draws import SeededDraws
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.plan import Guidance, Plan
from nova_eval.nova.sampling import sample_latents
from nova_eval.nova.training.autoencoder import errors, matrix_optimizer, psnr, to_pixels, write_averaged
from nova_eval.nova.training.ema import Average
from nova_eval.nova.training.warmup import warmup_then_cosine
from nova_eval.nova.vae import VideoVAE, load_vae
from nova_eval.nova.vae_networks import Network
from nova_eval.protocols import Frames

_UNSEEN = 12  # clips for measuring, after those for learning
_AT_ONCE = 32  # clips that are answered together

Sentences = Callable[[int], tuple[str, Frames]]  # index → what is asked for, and uint8 (T, H, W, 3) that shows it


@dataclass(frozen=True, slots=True)
class DecoderRecipe:
    """``clips`` of the material are answered with ``ar_steps``, ``diffusion_steps`` and ``guidance_scale``.

    A batch is ``batch`` clips or, one time in four, ``pictures`` first frames. Of the latents ``true`` are the
    encoder's own, so that the decoder stays its partner. Loss and rates as in ``MotionRecipe``.
    """

    clips: int = 1500
    ar_steps: int = 16
    diffusion_steps: int = 5
    guidance_scale: float = 2.0
    steps: int = 2000
    batch: int = 2
    pictures: int = 16
    true: float = 0.2
    seed: int = 0
    learning_rate: float = 0.012
    other_rate: float = 6e-4
    warmup: int = 50
    squared_weight: float = 1.0
    moving_weight: float = 5.0
    ema: float = 0.998
    max_norm: float = 1.0


class Answers(NamedTuple):
    """Clips (N, T, H, W, 3) as uint8, their latents and what the model made of them, both (N, C, t, h, w), scaled."""

    frames: Frames
    latents: Tensor
    answers: Tensor


def answer_clips(pipeline: NovaPipeline, material: Sentences, indices: Sequence[int], recipe: DecoderRecipe) -> Answers:
    """The model's answer to each clip's sentence, every set of tokens given the true ones before it."""
    frames, latents, answers = [], [], []
    for start in range(0, len(indices), _AT_ONCE):
        some = list(indices[start : start + _AT_ONCE])
        texts, clips = zip(*(material(index) for index in some), strict=True)
        true = torch.cat([pipeline.vae.encode_mode(to_pixels([clip])) for clip in clips])
        frames.append(np.stack(clips))
        latents.append(true)
        answers.append(_answer(pipeline, texts, true, some, recipe))
    return Answers(np.concatenate(frames), torch.cat(latents), torch.cat(answers))


def _answer(
    pipeline: NovaPipeline, texts: Sequence[str], true: Tensor, seeds: Sequence[int], recipe: DecoderRecipe
) -> Tensor:
    height, width = pipeline.transformer.config.image_size
    plan = Plan(
        height=height,
        width=width,
        latent_frames=true.shape[2],
        ar_steps=recipe.ar_steps,
        diffusion_steps=recipe.diffusion_steps,
        guidance=Guidance(recipe.guidance_scale),
    )
    rows = pipeline.embed(list(texts))
    if plan.guidance.on:
        rows = torch.cat([rows, pipeline.embed([""] * len(texts))])
    return sample_latents(
        pipeline.transformer, pipeline.schedule, rows, SeededDraws(seeds), plan, history=true
    ).clone()  # out of inference mode


def teach_decoder(
    checkpoint: Path,
    material: Sentences,
    recipe: DecoderRecipe,
    folder: Path,
    *,
    say: Callable[[str], None] = print,
) -> VideoVAE:
    """Fits the decoder in ``checkpoint`` to what its transformer answers; the encoder and all latents stay.

    Writes ``vae/`` and ``vae_decoder_curve.csv`` under ``folder``: the loss, and the PSNR of clips that are not learnt
    from, through the decoder alone and after the model's answer.
    """
    pipeline = NovaPipeline.from_pretrained(checkpoint, dtype="float32", vae_dtype="float32", device="cpu")
    started = time.monotonic()
    learnt = answer_clips(pipeline, material, range(recipe.clips), recipe)
    unseen = answer_clips(pipeline, material, range(recipe.clips, recipe.clips + _UNSEEN), recipe)
    say(f"{recipe.clips} clips answered, {time.monotonic() - started:.0f} s")
    start: Any = load_vae(checkpoint / "vae", dtype=torch.float32, device="cpu")
    network: Network = start.network
    module = network.module.train()
    for name, weight in module.named_parameters():
        weight.requires_grad_(not name.startswith(("encoder.", "quant_conv.")))
    average = Average(module, recipe.ema)
    optimizer = matrix_optimizer(module, recipe.learning_rate, recipe.other_rate)
    peaks = [group["lr"] for group in optimizer.param_groups]
    generator = torch.Generator().manual_seed(recipe.seed)
    config = dict(start.config)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "vae_decoder_curve.csv").open("w", newline="") as file:
        curve = csv.writer(file)
        curve.writerow(["step", "l1", "psnr", "psnr_answers", "seconds"])
        for step in range(recipe.steps):
            latents, pixels = _batch(learnt, recipe, step, generator)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * warmup_then_cosine(step, recipe.warmup, recipe.steps)
            l1, squared = errors(network, latents / start.scaling_factor, pixels, recipe.moving_weight)
            optimizer.zero_grad()
            torch.autograd.backward(l1 + recipe.squared_weight * squared)
            nn.utils.clip_grad_norm_([w for w in module.parameters() if w.requires_grad], recipe.max_norm)
            optimizer.step()
            average.update(module)
            if step % 200 == 0 or step + 1 == recipe.steps:
                pixels = to_pixels(list(unseen.frames))
                quality = [psnr(config, average, pixels, z) for z in (unseen.latents, unseen.answers)]
                figures = [round(l1.item(), 5), *quality, round(time.monotonic() - started)]
                curve.writerow([step, *figures])
                file.flush()
                say("decoder step {}: l1 {}, unseen psnr {}, of answers {}, {} s".format(step, *figures))
    return write_averaged(config, average, folder / "vae")


def _batch(learnt: Answers, recipe: DecoderRecipe, step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Latents and the pixels that should come of them."""
    single = step % 4 == 3
    count = recipe.pictures if single else recipe.batch
    which = torch.randint(len(learnt.frames), (count,), generator=generator)
    own = torch.rand(count, 1, 1, 1, 1, generator=generator) < recipe.true
    latents = torch.where(own, learnt.latents[which], learnt.answers[which])
    pixels = to_pixels([learnt.frames[i] for i in which.tolist()])
    return (latents[:, :, :1], pixels[:, :, :1]) if single else (latents, pixels)
