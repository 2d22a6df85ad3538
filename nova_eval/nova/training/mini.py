"""nova-mini: every part of a small NOVA made from nothing but the sprites world, and packed for shipping.

``python -m nova_eval.nova.training.mini OUTPUT`` makes the text-to-image model that comes with the package; ``--video``
goes on to text to video. A part that is finished is kept, an interrupted transformer is continued.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nova_eval.nova.training.autoencoder import AutoencoderRecipe, Clips, MotionRecipe, train_autoencoder, train_motion
from nova_eval.nova.training.config import load_config
from nova_eval.nova.training.loop import train
from nova_eval.nova.training.mini_text import make_tokenizer, train_text_encoder
from nova_eval.registry import Registry

IMAGE_RECIPES = (Path(__file__).with_name("mini_t2i.toml"), Path(__file__).with_name("mini_t2i_long.toml"))
VIDEO_RECIPE = Path(__file__).with_name("mini_t2v.toml")
EARLY_STEPS = 300  # the early checkpoint of the package: the first recipe after so many steps
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

Say = Callable[[str], None]

_WORLD: Registry[Callable[..., Any]] = Registry(
    "world",
    {
        "clips": "nova_eval.sprites.examples:example",
        "sentences": "nova_eval.sprites.examples:labelled_sentence",
    },
)


def make_parts(folder: Path, recipe: AutoencoderRecipe | None = None, *, say: Say = print) -> Path:
    """``vae/``, ``text_encoder/`` and ``tokenizer/`` of nova-mini under ``folder``."""
    if not (folder / "text_encoder" / "config.json").is_file():
        sentences = _WORLD.get("sentences")
        tokenizer = make_tokenizer([sentences(i, seed=TEXT_SEED)[0] for i in range(3000)], folder / "tokenizer")
        train_text_encoder(
            tokenizer,
            lambda i: sentences(i, seed=TEXT_SEED),
            folder / "text_encoder",
            steps=2000,
            seed=TEXT_SEED,
            say=say,
        )
    if not (folder / "vae" / "config.json").is_file():
        train_autoencoder(
            VAE_CONFIG,
            _frames(_WORLD.get("clips")),
            recipe or AutoencoderRecipe(seed=VAE_SEED),
            folder,
            say=say,
        )
    return folder


def make_video_parts(parts: Path, folder: Path, recipe: MotionRecipe | None = None, *, say: Say = print) -> Path:
    """``parts`` with an autoencoder that knows more of motion and says the same of images, under ``folder``."""
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(parts / part, folder / part, dirs_exist_ok=True)
    if not (folder / "vae" / "config.json").is_file():
        train_motion(
            parts / "vae", _frames(_WORLD.get("clips")), recipe or MotionRecipe(seed=VAE_SEED), folder, say=say
        )
    return folder


def make_images(output: Path, *, threads: int = 1, say: Say = print) -> Path:
    """Trains nova-mini for images under ``output``; the folder of its last checkpoint."""
    torch.set_num_threads(threads)
    parts = make_parts(output / "parts", say=say)
    last: Path | None = None
    for recipe in IMAGE_RECIPES:
        given: dict[str, Any] = {"threads": threads, "cache": output / "cache", "parts": parts, "initial": last}
        last = train(load_config(recipe, output=images_output(output, recipe), **given), say=say)
    assert last is not None
    return last


def make_video(output: Path, *, threads: int = 1, say: Say = print) -> Path:
    """Goes on from ``make_images`` to clips; the folder of the last checkpoint."""
    pictures = make_images(output, threads=threads, say=say)
    parts = make_video_parts(output / "parts", output / "video_parts", say=say)
    given: dict[str, Any] = {"threads": threads, "cache": output / "cache", "parts": parts, "initial": pictures}
    return train(load_config(VIDEO_RECIPE, output=output / "t2v", **given), say=say)


def images_output(output: Path, recipe: Path) -> Path:
    """Where ``recipe`` is trained under ``output``."""
    return output / recipe.stem.removeprefix("mini_")


def _frames(example: Callable[..., Any]) -> Clips:
    return lambda i, frames: example(i, seed=VAE_SEED, frames=frames).frames


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description="Train nova-mini from nothing but the sprites world.")
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--video", action="store_true", help="go on to text to video")
    arguments.add_argument("--pack", type=Path, help="then write the image model in half precision here")
    given = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    make = make_video if given.video else make_images
    last = make(given.output, threads=given.threads, say=logging.getLogger("mini").info)
    logging.getLogger("mini").info("checkpoint: %s", last)
    if given.pack:
        from nova_eval.nova.training.mini_package import pack

        logging.getLogger("mini").info("packed: %.1f MB", pack(given.output, given.pack) / 1e6)


if __name__ == "__main__":
    main()
