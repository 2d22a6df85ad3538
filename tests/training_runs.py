"""A training run of a few thousand weights on a folder of pictures, quick enough to be killed several times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nova_eval.media import encode_image, encode_video
from nova_eval.nova.vae import build_vae, save_vae
from recipes.nova_mini.text_encoder import make_tokenizer, save_text_encoder

VAE = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 2,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock3D"],
    "up_block_types": ["UpDecoderBlock3D", "UpDecoderBlock3D"],
    "scaling_factor": 1.0,
}
TRANSFORMER: dict[str, Any] = {
    "arch": ["vit_d1w64", "vit_d2w64", "mlp_d1w64"],
    "image_dim": 4,
    "image_size": [64, 64],
    "image_stride": 8,
    "text_token_dim": 32,
    "text_token_len": 8,
    "video_base_size": [3, 2, 2],
    "video_mixer_rank": 4,
}


def vae_config(stride: int = 8) -> dict[str, Any]:
    """An autoencoder with spatial stride 8 and temporal stride 4, as small as it goes."""
    count = {8: 4}[stride]
    return {
        **VAE,
        "block_out_channels": [4] * count,
        "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
        "up_block_types": ["UpDecoderBlock3D"] * 2 + ["UpDecoderBlock2D"] * 2,
    }


def make_parts(folder: Path) -> Path:
    """``vae/``, ``text_encoder/`` and ``tokenizer/`` with random weights."""
    save_vae(build_vae(vae_config(), 0), folder / "vae")
    tokenizer = make_tokenizer(["a red circle", "a blue square"], folder / "tokenizer", vocabulary=280)
    save_text_encoder(folder / "text_encoder", vocabulary=tokenizer.get_vocab_size(), width=32, layers=1, seed=0)
    return folder


def make_material(folder: Path, count: int = 6) -> Path:
    """Images and clips of 64 × 64 pixels with captions."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for i in range(count):
        frame = rng.integers(0, 256, (1, 1, 3), dtype=np.uint8).repeat(64, 0).repeat(64, 1)
        (folder / f"{i}.png").write_bytes(encode_image(frame))
        clip = np.stack([np.roll(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), t, 1) for t in range(9)])
        (folder / f"{i}.mp4").write_bytes(encode_video(clip, 8))
        lines += [json.dumps({"file": f"{i}.{kind}", "caption": f"a circle {i}"}) for kind in ("png", "mp4")]
    (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder


def settings(root: Path, **changes: Any) -> dict[str, Any]:
    """A configuration of two short stages under ``root``."""
    torch.set_num_threads(1)
    return {
        "output": str(root / "run"),
        "parts": str(root / "parts"),
        "cache": str(root / "cache"),
        "transformer": TRANSFORMER,
        "data": {
            "images": {"source": "folder", "settings": {"folder": str(root / "material")}, "shard": 4},
            "clips": {"source": "folder", "settings": {"folder": str(root / "material")}, "frames": 9},
        },
        "stages": [
            {"name": "t2i", "data": "images", "steps": 12, "batch": 4, "base_learning_rate": 0.06, "warmup": 2},
            {"name": "t2v", "data": "clips", "steps": 10, "batch": 2, "latent_frames": 3, "base_learning_rate": 0.06},
        ],
        "ema": 0.9,
        "device": "cpu",
        "threads": 1,
        "save_every": 4,
        **changes,
    }
