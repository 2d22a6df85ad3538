"""What nova-mini stands on, small enough for a test: its text encoder and its autoencoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from training_runs import vae_config

from nova_eval.nova.parts import Parts
from nova_eval.nova.text import TextEncoder
from nova_eval.nova.vae import build_vae, load_vae, save_vae
from recipes.nova_mini.autoencoder import (
    AutoencoderRecipe,
    MotionRecipe,
    to_pixels,
    train_autoencoder,
    train_motion,
)
from recipes.nova_mini.text_encoder import make_tokenizer, train_text_encoder


def test_text_encoder_learns_labels_and_opens(tmp_path: Path) -> None:
    def labelled(i: int) -> tuple[str, frozenset[str]]:
        color, shape = ("red", "blue")[i % 2], ("circle", "square")[i // 2 % 2]
        return f"a {color} {shape}", frozenset({color, shape})

    tokenizer = make_tokenizer([labelled(i)[0] for i in range(4)], tmp_path / "tokenizer", vocabulary=300)
    assert len(tokenizer.encode("a red circle").ids) == 3
    assert tokenizer.decode(tokenizer.encode("Größe: 5 £").ids) == "Größe: 5 £"
    right = train_text_encoder(
        tokenizer, labelled, tmp_path / "text_encoder", width=32, layers=1, steps=60, batch=8, say=lambda _: None
    )
    assert right == 1.0
    encoder = TextEncoder.load(Parts.within(tmp_path), dtype=torch.float32, device="cpu", max_length=8)
    assert encoder.encode(["a red circle"])[0].shape == (3, 32)


def test_autoencoder_learns_and_repeats(tmp_path: Path) -> None:
    recipe = AutoencoderRecipe(
        steps=80, learning_rate=3e-3, images_until=40, images=(2, 1), short=(1, 5), long=(1, 9), ema=0.9
    )

    def clip(index: int, frames: int) -> np.ndarray:
        return np.full((frames, 16, 16, 3), (40, 90, 200)[index % 3], np.uint8)

    clips = to_pixels([clip(i, 9) for i in range(3)])
    train_autoencoder(vae_config(), clip, recipe, tmp_path / "whole", say=lambda _: None)
    vae = load_vae(tmp_path / "whole" / "vae", dtype=torch.float32, device="cpu")
    assert float((vae.decode(vae.encode_mode(clips)) - clips).abs().mean()) < 0.35
    assert (tmp_path / "whole" / "vae_curve.csv").read_text().startswith("step,l1,kl,psnr,seconds")
    stored = []
    for name in ("one", "two"):
        short = replace(recipe, steps=12, images_until=6)
        train_autoencoder(vae_config(), clip, short, tmp_path / name, say=lambda _: None)
        stored.append((tmp_path / name / "vae" / "diffusion_pytorch_model.safetensors").read_bytes())
    assert stored[0] == stored[1]


def test_learning_motion_leaves_the_latents_of_images_alone(tmp_path: Path) -> None:
    def clip(index: int, frames: int) -> np.ndarray:
        rng = np.random.default_rng(index)
        first = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        return np.stack([np.roll(first, step * (index % 3), axis=1) for step in range(frames)])

    save_vae(build_vae(vae_config(), 3), tmp_path / "before")
    recipe = MotionRecipe(
        steps=6, warmup=1, learning_rate=0.05, pool=6, still=0.34, long=(1, 9), short=(1, 5), images=(1, 1), ema=0.1
    )
    taught = train_motion(tmp_path / "before", clip, recipe, tmp_path / "after", say=lambda _: None)
    before = load_vae(tmp_path / "before", dtype=torch.float32, device="cpu")
    clips = to_pixels([clip(i, 9) for i in (1, 2)])
    torch.testing.assert_close(taught.encode_mode(clips[:, :, :1]), before.encode_mode(clips[:, :, :1]))
    change = (taught.encode_mode(clips) - before.encode_mode(clips)).abs().mean()
    assert change > 0.01 * before.encode_mode(clips).abs().mean()
