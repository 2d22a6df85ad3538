"""Makes every part of nova-mini from nothing but the sprites world.

What is finished is kept, an interrupted transformer is continued.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nova_eval.nova.training.loop import train
from nova_eval.protocols import Frames
from nova_eval.sprites.examples import example, labelled_sentence
from recipes.nova_mini.autoencoder import train_autoencoder, train_motion
from recipes.nova_mini.recipe import (
    AUTOENCODER,
    EARLY_PARTS,
    FULL,
    MOTION_PHASES,
    PARTS,
    TEXT_SEED,
    VAE_SEED,
    Effort,
    MotionPhase,
)
from recipes.nova_mini.text_encoder import make_tokenizer, train_text_encoder

Say = Callable[[str], None]


def make_parts(folder: Path, effort: Effort = FULL, *, say: Say = print) -> Path:
    """``vae/``, ``text_encoder/`` and ``tokenizer/`` of nova-mini under ``folder``."""
    if not (folder / "text_encoder" / "config.json").is_file():
        tokenizer = make_tokenizer([labelled_sentence(i, seed=TEXT_SEED)[0] for i in range(3000)], folder / "tokenizer")
        train_text_encoder(
            tokenizer,
            lambda i: labelled_sentence(i, seed=TEXT_SEED),
            folder / "text_encoder",
            steps=effort.text_steps,
            seed=TEXT_SEED,
            say=say,
        )
    if not (folder / "vae" / "config.json").is_file():
        train_autoencoder(AUTOENCODER, _frames, effort.autoencoder, folder, say=say)
    return folder


def make_video_parts(
    parts: Path, folder: Path, phases: Sequence[MotionPhase] = MOTION_PHASES, *, say: Say = print
) -> Path:
    """``parts`` with an autoencoder that knows more of motion and says the same of images, under ``folder``."""
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(parts / part, folder / part, dirs_exist_ok=True)
    if (folder / "vae" / "config.json").is_file():
        return folder
    source = parts
    for number, phase in enumerate(phases, 1):
        target = folder / f"motion_{number}"
        if not (target / "vae" / "config.json").is_file():
            train_motion(source / "vae", partial(_clip, phase), phase.recipe, target, say=say)
        source = target
    shutil.copytree(source / "vae", folder / "vae")
    return folder


def make_model(output: Path, effort: Effort = FULL, *, threads: int = 1, say: Say = print) -> Path:
    """Trains nova-mini under ``output``, images first, and its early checkpoint; the folder of its last checkpoint."""
    torch.set_num_threads(threads)
    parts = make_parts(output / "parts", effort, say=say)
    video_parts = make_video_parts(parts, output / "video_parts", effort.motion, say=say)

    def trained(part: str, used: Path, initial: Path | None) -> Path:
        places: dict[str, Any] = {"output": output / part, "cache": output / "cache", "parts": used, "initial": initial}
        return train(effort.config(part, threads=threads, **places), say=say)

    last: Path | None = None
    for part in PARTS:
        last = trained(part, video_parts if part.startswith("t2v") else parts, last)
    assert last is not None
    early = output / PARTS[0] / "checkpoints" / f"t2i-{effort.early_image_steps:06d}"
    for part in EARLY_PARTS:
        early = trained(part, video_parts, early)
    return last


def _clip(phase: MotionPhase, index: int, frames: int) -> Frames:
    shares: dict[str, Any] = dict(phase.shares)
    return example(phase.first + index, seed=VAE_SEED, frames=frames, **shares).frames


def _frames(index: int, frames: int) -> Frames:
    return example(index, seed=VAE_SEED, frames=frames).frames
