"""nova-mini as package data (half precision, what both checkpoints share once), and a record of how it was made."""

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

from nova_eval.nova.checkpoint import load_schedule, load_transformer, save_index, save_schedule, write_json
from nova_eval.nova.parts import read_json
from nova_eval.nova.training.loop import read_losses
from recipes.nova_mini.curves import draw_curves, thinned
from recipes.nova_mini.recipe import EARLY_PARTS, FULL, PARTS, SHARED_BATCHES, Effort

COMMAND = "python -m recipes.nova_mini runs/mini --pack nova_eval/nova/mini --record recipes/nova_mini/record"


def pack(output: Path, target: Path) -> int:
    """Copies the model that was made under ``output`` into ``target``; the number of bytes written.

    ``early/transformer`` beside it is the early checkpoint's.
    """
    last, early = (output / parts[-1] / "checkpoints" / "t2v" for parts in (PARTS, EARLY_PARTS))
    _pack_checkpoint(last, target, ("transformer", "vae", "text_encoder", "tokenizer"))
    _pack_checkpoint(early, target / "early", ("transformer",))
    return sum(path.stat().st_size for path in target.rglob("*") if path.is_file())


def record(output: Path, target: Path, effort: Effort = FULL) -> None:
    """Writes how the model under ``output`` was made: curves as CSV and SVG, and ``origin.json``."""
    configs = {part: effort.config(part) for part in (*PARTS, *EARLY_PARTS)}
    losses = {part: list(read_losses(output / part / "losses.jsonl")) for part in configs}
    _write_curve(target / "losses.csv", [{"part": n, **row} for n, rows in losses.items() for row in thinned(rows)])
    curves = {"vae": _read_curve(output / "parts" / "vae_curve.csv")}
    for number in range(1, len(effort.motion) + 1):
        curves[f"motion_{number}"] = _read_curve(output / "video_parts" / f"motion_{number}" / "vae_motion_curve.csv")
    _write_curve(target / "vae_curve.csv", [{"part": name, **row} for name, rows in curves.items() for row in rows])
    draw_curves(target)
    write_json(
        target / "origin.json",
        {
            "command": COMMAND,
            "config": {
                **{
                    name: json.loads(config.model_dump_json(exclude={"output", "parts", "cache", "initial"}))
                    for name, config in configs.items()
                },
                "vae": asdict(effort.autoencoder),
                "motion": [
                    {"recipe": asdict(phase.recipe), "first": phase.first, "shares": dict(phase.shares)}
                    for phase in effort.motion
                ],
            },
            "steps": {part: len(losses[part]) for part in PARTS},
            "early_steps": effort.early_image_steps + sum(len(losses[part]) for part in EARLY_PARTS),
            "seeds": {name: config.seed for name, config in configs.items()},
            "seconds": {
                **{name: int(rows[-1]["seconds"]) for name, rows in curves.items()},
                **{name: round(sum(row["seconds"] for row in rows)) for name, rows in losses.items()},
            },
            "processes": {name: 2 if name in SHARED_BATCHES else 1 for name in losses},
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
    )


def _pack_checkpoint(source: Path, target: Path, parts: Sequence[str]) -> None:
    from safetensors.torch import load_file, save_file

    load_transformer(source / "transformer", dtype=torch.float32, device="cpu")  # refuses what does not open
    for part in parts:
        shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        for file in (target / part).glob("*.safetensors"):
            halves = {name: tensor.half() for name, tensor in load_file(file).items()}
            save_file(halves, file, metadata={"format": "pt"})
    if "vae" in parts:
        schedule = load_schedule(source / "scheduler")
        save_schedule(schedule, target / "scheduler")
        save_index(target, str(read_json(source / "vae" / "config.json")["_class_name"]), schedule)


def _read_curve(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write_curve(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
