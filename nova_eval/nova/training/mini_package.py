"""nova-mini as package data: half precision, what both checkpoints share once, and a record of how it was made."""

from __future__ import annotations

import csv
import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from nova_eval.nova.checkpoint import load_schedule, load_transformer, read_json, save_index, save_schedule, write_json
from nova_eval.nova.training.autoencoder import AutoencoderRecipe, MotionRecipe
from nova_eval.nova.training.config import load_config
from nova_eval.nova.training.curves import draw_curves, thinned
from nova_eval.nova.training.loop import read_losses
from nova_eval.nova.training.mini import EARLY_IMAGE, EARLY_STEPS, IMAGE_RECIPE, VAE_SEED, VIDEO_RECIPE


def pack(output: Path, target: Path) -> int:
    """Copies the checkpoint that was made under ``output`` into ``target``; the number of bytes written.

    Beside it: ``early/transformer``, the curves as CSV and SVG, and ``origin.json``, which says how it was made.
    """
    pictures, clips = load_config(IMAGE_RECIPE), load_config(VIDEO_RECIPE)
    everything = ("transformer", "vae", "text_encoder", "tokenizer")
    _pack_checkpoint(output / "t2v" / "checkpoints" / "t2v", target, everything)
    _pack_checkpoint(output / "early" / "checkpoints" / "t2v", target / "early", ("transformer",))
    rows = [row for stage in ("t2i", "t2v") for row in thinned(list(read_losses(output / stage / "losses.jsonl")))]
    _write_curve(target / "losses.csv", rows)
    autoencoder = _read_curve(output / "parts" / "vae_curve.csv", "images, then clips")
    motion = _read_curve(output / "video_parts" / "vae_motion_curve.csv", "motion")
    _write_curve(target / "vae_curve.csv", autoencoder + motion)
    draw_curves(target)
    seconds = [sum(row["seconds"] for row in read_losses(output / s / "losses.jsonl")) for s in ("t2i", "t2v")]
    vae_seconds = int(autoencoder[-1]["seconds"]) + int(motion[-1]["seconds"])
    write_json(
        target / "origin.json",
        {
            "command": "python -m nova_eval.nova.training.mini runs/mini --pack nova_eval/nova/mini",
            "config": {
                "t2i": json.loads(pictures.model_dump_json(exclude={"output", "parts", "cache"})),
                "t2v": json.loads(clips.model_dump_json(exclude={"output", "parts", "cache", "initial"})),
                "vae": asdict(AutoencoderRecipe(seed=VAE_SEED)),
                "vae_motion": asdict(MotionRecipe(seed=VAE_SEED)),
            },
            "steps": {"t2i": pictures.stages[0].steps, "t2v": clips.stages[0].steps},
            "early_steps": {"t2i": int(EARLY_IMAGE.rpartition("-")[2]), "t2v": EARLY_STEPS},
            "seed": pictures.seed,
            "seconds": {"vae": vae_seconds, "t2i": round(seconds[0]), "t2v": round(seconds[1])},
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
    )
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def _pack_checkpoint(source: Path, target: Path, parts: Sequence[str]) -> None:
    from safetensors.torch import load_file, save_file

    load_transformer(source, dtype=torch.float32, device="cpu")  # refuses what does not open
    for part in parts:
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        for file in (target / part).glob("*.safetensors"):
            halves = {name: tensor.half() for name, tensor in load_file(file).items()}
            save_file(halves, file, metadata={"format": "pt"})
    if "vae" in parts:
        schedule = load_schedule(source)
        save_schedule(schedule, target / "scheduler")
        save_index(target, str(read_json(source / "vae" / "config.json")["_class_name"]), schedule)


def _read_curve(path: Path, phase: str) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{"phase": phase, **row} for row in csv.DictReader(file)]


def _write_curve(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
