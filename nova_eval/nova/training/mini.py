"""nova-mini: every part of a small NOVA made from nothing but the sprites world, and packed for shipping.

``python -m nova_eval.nova.training.mini OUTPUT`` does it all; a part that is finished is kept, an interrupted
transformer is continued.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nova_eval.nova.checkpoint import load_schedule, load_transformer, read_json, save_index, save_schedule, write_json
from nova_eval.nova.training.autoencoder import AutoencoderRecipe, train_autoencoder
from nova_eval.nova.training.config import load_config
from nova_eval.nova.training.loop import read_losses, train
from nova_eval.nova.training.mini_text import make_tokenizer, train_text_encoder
from nova_eval.registry import Registry

RECIPE = Path(__file__).with_name("mini.toml")
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

_WORLD: Registry[Callable[..., Any]] = Registry(
    "world",
    {
        "clips": "nova_eval.sprites.examples:example",
        "sentences": "nova_eval.sprites.examples:labelled_sentence",
    },
)


def make_parts(folder: Path, recipe: AutoencoderRecipe | None = None, *, say: Callable[[str], None] = print) -> Path:
    """``vae/``, ``text_encoder/`` and ``tokenizer/`` of nova-mini under ``folder``."""
    if not (folder / "text_encoder" / "config.json").is_file():
        sentences = _WORLD.get("sentences")
        tokenizer = make_tokenizer([sentences(i, seed=TEXT_SEED)[0] for i in range(3000)], folder / "tokenizer")
        train_text_encoder(
            tokenizer, lambda i: sentences(i, seed=TEXT_SEED), folder / "text_encoder", seed=TEXT_SEED, say=say
        )
    if not (folder / "vae" / "config.json").is_file():
        clips = _WORLD.get("clips")
        train_autoencoder(
            VAE_CONFIG,
            lambda i, frames: clips(i, seed=VAE_SEED, frames=frames).frames,
            recipe or AutoencoderRecipe(seed=VAE_SEED),
            folder,
            say=say,
        )
    return folder


def make_mini(output: Path, *, threads: int = 1, say: Callable[[str], None] = print) -> Path:
    """Trains nova-mini under ``output``; the folder of its last checkpoint."""
    torch.set_num_threads(threads)
    parts = make_parts(output / "parts", say=say)
    return train(load_config(RECIPE, output=output, parts=parts, threads=threads), say=say)


def pack(output: Path, target: Path, *, early: str = "t2i-000400") -> int:
    """Copies the last checkpoint of ``output`` into ``target`` in half precision; the number of bytes written.

    Beside it: ``early/``, a whole checkpoint whose transformer is the ``early`` one; the curves as CSV; and
    ``origin.json``, which says how it was made.
    """
    config = load_config(RECIPE)
    last = output / "checkpoints" / config.stages[-1].name
    for source, folder in ((last, target), (output / "checkpoints" / early, target / "early")):
        _pack_checkpoint(source, folder)
    rows = list(read_losses(output / "losses.jsonl"))
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (target / "losses.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    shutil.copy(output / "parts" / "vae_curve.csv", target / "vae_curve.csv")
    write_json(
        target / "origin.json",
        {
            "command": "python -m nova_eval.nova.training.mini runs/mini",
            "config": json.loads(config.model_dump_json(exclude={"output", "parts"})),
            "steps": {stage.name: stage.steps for stage in config.stages},
            "early": early,
            "seed": config.seed,
            "seconds": round(sum(row["seconds"] for row in rows)),
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
    )
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _pack_checkpoint(source: Path, target: Path) -> None:
    from safetensors.torch import load_file, save_file

    load_transformer(source, dtype=torch.float32, device="cpu")  # refuses what does not open
    for part in ("transformer", "vae", "text_encoder", "tokenizer"):
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        for file in (target / part).glob("*.safetensors"):
            halves = {name: tensor.half() for name, tensor in load_file(file).items()}
            save_file(halves, file, metadata={"format": "pt"})
    schedule = load_schedule(source)
    save_schedule(schedule, target / "scheduler")
    save_index(target, str(read_json(source / "vae" / "config.json")["_class_name"]), schedule)


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description="Train nova-mini from nothing but the sprites world.")
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--pack", type=Path, help="then write the half-precision package here")
    given = arguments.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    last = make_mini(given.output, threads=given.threads, say=logging.getLogger("mini").info)
    logging.getLogger("mini").info("checkpoint: %s", last)
    if given.pack:
        logging.getLogger("mini").info("packed: %.1f MB", pack(given.output, given.pack) / 1e6)


if __name__ == "__main__":
    main()
