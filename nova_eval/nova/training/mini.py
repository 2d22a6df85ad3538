"""nova-mini: every part of a small NOVA made from nothing but the sprites world, and packed for shipping.

``python -m nova_eval.nova.training.mini OUTPUT`` makes the model that comes with the package. A part that is finished
is kept, an interrupted transformer is continued.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch

from nova_eval.nova.training.autoencoder import AutoencoderRecipe, Clips, MotionRecipe, train_autoencoder, train_motion
from nova_eval.nova.training.config import TrainConfig, load_config
from nova_eval.nova.training.loop import train
from nova_eval.nova.training.mini_text import make_tokenizer, train_text_encoder
from nova_eval.protocols import Frames
from nova_eval.registry import Registry

RECIPES = tuple(
    Path(__file__).with_name(f"mini_{part}.toml")
    for part in (
        "t2i", "t2i_long", "simple", "t2i_context", "t2i_last",
        "t2v", "t2i_pairs", "t2i_more", "t2v_long", "t2v_motion", "t2v_flow", "t2v_mode", "t2v_calm",
    )
)  # fmt: skip
EARLY_RECIPES = tuple(Path(__file__).with_name(f"mini_{part}.toml") for part in ("early", "early_pairs", "early_calm"))
SHARED_BATCHES = tuple(
    recipe.stem.removeprefix("mini_") for recipe in (*RECIPES[4:11], RECIPES[12], *EARLY_RECIPES[1:])
)
"""Parts of the packaged model of which two processes shared each batch."""
EARLY_IMAGE_STEPS = 1500  # where the early checkpoint leaves the first recipe for its own
VAE_CONFIG: dict[str, Any] = {
    "_class_name": "AutoencoderKLOpenSora",
    "act_fn": "silu",
    "block_out_channels": [8, 16, 32, 64],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 12,
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock3D", "DownEncoderBlock3D"],
    "up_block_types": ["UpDecoderBlock3D", "UpDecoderBlock3D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    "sample_size": 64,
    "force_upcast": False,
}
VAE_SEED, TEXT_SEED = 21, 22


class MotionPhase(NamedTuple):
    """A stretch of ``train_motion`` on clips from the index ``first`` on; with these shares of sprites material."""

    recipe: MotionRecipe
    first: int = 0
    shares: Mapping[str, float] = MappingProxyType({})


_BALANCED = ("long", "images", "long", "short")
MOTION_PHASES = (
    MotionPhase(MotionRecipe(seed=21)),
    MotionPhase(
        MotionRecipe(
            seed=23, steps=3000, learning_rate=0.01, other_rate=5e-4, moving_weight=5.0, still=0.4, pool=2400,
            images=(16, 1), order=_BALANCED,
        ),
        first=100_000_000,
    ),
    MotionPhase(
        MotionRecipe(
            seed=24, steps=2800, learning_rate=0.012, other_rate=6e-4, moving_weight=5.0, still=0.3, pool=2400,
            images=(16, 1), order=_BALANCED,
        ),
        first=200_000_000,
        shares=MappingProxyType({"persons": 0.5}),
    ),
    MotionPhase(
        MotionRecipe(
            seed=25, steps=2400, learning_rate=0.012, other_rate=6e-4, moving_weight=5.0, still=0.15, pool=2400,
            images=(16, 1), order=("long", "long", "long", "images"), mixed_precision=False, encoder=False,
            latent_noise=0.1,
        ),
        first=300_000_000,
        shares=MappingProxyType({"moving": 0.9, "persons": 0.8, "named": 0.3, "lively": 0.5}),
    ),
)  # fmt: skip


class Effort(NamedTuple):
    """How much of every part of the recipe is done. ``early_image_steps``: where the early checkpoint leaves it."""

    autoencoder: AutoencoderRecipe
    motion: tuple[MotionPhase, ...]
    text_steps: int
    early_image_steps: int
    stage: Mapping[str, Any] = MappingProxyType({})  # what replaces a stage's own
    data: Mapping[str, Any] = MappingProxyType({})
    run: Mapping[str, Any] = MappingProxyType({})

    def config(self, recipe: Path, **overrides: Any) -> TrainConfig:
        """``recipe`` with as much effort; ``overrides`` as for ``load_config``."""
        whole = load_config(recipe, **self.run, **overrides)
        stages = tuple(stage.model_copy(update=dict(self.stage)) for stage in whole.stages)
        data = {name: material.model_copy(update=dict(self.data)) for name, material in whole.data.items()}
        return whole.model_copy(update={"stages": stages, "data": data})


FULL = Effort(AutoencoderRecipe(seed=VAE_SEED), MOTION_PHASES, text_steps=2000, early_image_steps=EARLY_IMAGE_STEPS)
REHEARSAL = Effort(
    AutoencoderRecipe(seed=VAE_SEED, steps=4, images_until=2, pool=4, mixed_precision=False),
    tuple(
        phase._replace(recipe=replace(phase.recipe, steps=2, pool=4, mixed_precision=False)) for phase in MOTION_PHASES
    ),
    text_steps=4,
    early_image_steps=2,
    stage=MappingProxyType({"steps": 4, "stop": None, "batch": 4, "warmup": 1}),
    data=MappingProxyType({"items": 8, "shard": 8}),
    run=MappingProxyType({"checkpoint_every": 2, "sample_every": None, "mixed_precision": "no"}),
)
"""Every part for a few steps, to see the whole through in a minute or two. What it makes is noise."""

Say = Callable[[str], None]

_WORLD: Registry[Callable[..., Any]] = Registry(
    "world",
    {
        "clips": "nova_eval.sprites.examples:example",
        "sentences": "nova_eval.sprites.examples:labelled_sentence",
    },
)


def make_parts(folder: Path, effort: Effort = FULL, *, say: Say = print) -> Path:
    """``vae/``, ``text_encoder/`` and ``tokenizer/`` of nova-mini under ``folder``."""
    if not (folder / "text_encoder" / "config.json").is_file():
        sentences = _WORLD.get("sentences")
        tokenizer = make_tokenizer([sentences(i, seed=TEXT_SEED)[0] for i in range(3000)], folder / "tokenizer")
        train_text_encoder(
            tokenizer,
            lambda i: sentences(i, seed=TEXT_SEED),
            folder / "text_encoder",
            steps=effort.text_steps,
            seed=TEXT_SEED,
            say=say,
        )
    if not (folder / "vae" / "config.json").is_file():
        train_autoencoder(VAE_CONFIG, _frames(_WORLD.get("clips")), effort.autoencoder, folder, say=say)
    return folder


def make_video_parts(
    parts: Path, folder: Path, phases: Sequence[MotionPhase] = MOTION_PHASES, *, say: Say = print
) -> Path:
    """``parts`` with an autoencoder that knows more of motion and says the same of images, under ``folder``."""
    example = _WORLD.get("clips")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(parts / part, folder / part, dirs_exist_ok=True)
    if (folder / "vae" / "config.json").is_file():
        return folder
    source = parts
    for number, phase in enumerate(phases, 1):
        target = folder / f"motion_{number}"
        if not (target / "vae" / "config.json").is_file():
            clips = partial(_clip, example, phase)
            train_motion(source / "vae", clips, phase.recipe, target, say=say)
        source = target
    shutil.copytree(source / "vae", folder / "vae")
    return folder


def make_model(output: Path, effort: Effort = FULL, *, threads: int = 1, say: Say = print) -> Path:
    """Trains nova-mini under ``output``, images first, and its early checkpoint; the folder of its last checkpoint."""
    torch.set_num_threads(threads)
    parts = make_parts(output / "parts", effort, say=say)
    video_parts = make_video_parts(parts, output / "video_parts", effort.motion, say=say)
    given: dict[str, Any] = {"threads": threads, "cache": output / "cache"}
    last: Path | None = None
    for recipe in RECIPES:
        used = video_parts if recipe.stem.startswith("mini_t2v") else parts
        folder = trained_under(output, recipe)
        last = train(effort.config(recipe, output=folder, parts=used, initial=last, **given), say=say)
    assert last is not None
    begun = trained_under(output, RECIPES[0]) / "checkpoints" / f"t2i-{effort.early_image_steps:06d}"
    for recipe in EARLY_RECIPES:
        folder = trained_under(output, recipe)
        begun = train(effort.config(recipe, output=folder, parts=video_parts, initial=begun, **given), say=say)
    return last


def trained_under(output: Path, recipe: Path) -> Path:
    """Where ``recipe`` is trained under ``output``."""
    return output / recipe.stem.removeprefix("mini_")


def _clip(example: Callable[..., Any], phase: MotionPhase, index: int, frames: int) -> Frames:
    clip: Frames = example(phase.first + index, seed=VAE_SEED, frames=frames, **phase.shares).frames
    return clip


def _frames(example: Callable[..., Any]) -> Clips:
    return lambda i, frames: example(i, seed=VAE_SEED, frames=frames).frames


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description="Train nova-mini from nothing but the sprites world.")
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--pack", type=Path, help="then write the model in half precision here")
    arguments.add_argument("--rehearse", action="store_true", help="a few steps of every part, to see it through")
    given = arguments.parse_args()
    effort = REHEARSAL if given.rehearse else FULL
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    last = make_model(given.output, effort, threads=given.threads, say=logging.getLogger("mini").info)
    logging.getLogger("mini").info("checkpoint: %s", last)
    if given.pack:
        from nova_eval.nova.training.mini_package import pack

        logging.getLogger("mini").info("packed: %.1f MB", pack(given.output, given.pack, effort) / 1e6)


if __name__ == "__main__":
    main()
