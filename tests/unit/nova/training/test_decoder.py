"""The decoder that learns from the model's own answers."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import torch

from nova_eval.nova.embedded import PACKAGED
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.training.autoencoder import to_pixels
from nova_eval.nova.training.decoder import DecoderRecipe, answer_clips, teach_decoder
from nova_eval.nova.vae import load_vae
from nova_eval.protocols import Frames

RECIPE = DecoderRecipe(clips=3, ar_steps=2, diffusion_steps=2, steps=2, pictures=2)


def make_material(index: int) -> tuple[str, Frames]:
    frames = np.full((5, 64, 64, 3), 200, np.uint8)
    frames[:, 10 * (index % 4) : 10 * (index % 4) + 20, 20:40] = (255, 0, 0)
    return "a red square", frames


def test_only_the_decoder_learns(tmp_path: Path) -> None:
    said: list[str] = []
    teach_decoder(PACKAGED, make_material, RECIPE, tmp_path, say=said.append)
    before, after = (load_vae(folder / "vae", dtype=torch.float32, device="cpu") for folder in (PACKAGED, tmp_path))
    pixels = to_pixels([make_material(0)[1]])
    latents = before.encode_mode(pixels)
    assert torch.equal(latents, after.encode_mode(pixels))
    assert not torch.equal(before.decode(latents), after.decode(latents))
    with (tmp_path / "vae_decoder_curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["0", "1"]
    assert all(float(row["psnr"]) > float(row["psnr_answers"]) > 5 for row in rows)
    assert len(said) == 3


def test_an_answer_is_given_the_truth_before_it() -> None:
    pipeline = NovaPipeline.from_pretrained(PACKAGED, dtype="float32", vae_dtype="float32", device="cpu")
    together = answer_clips(pipeline, make_material, range(2), RECIPE)
    assert together.frames.shape == (2, 5, 64, 64, 3)
    assert together.answers.shape == together.latents.shape == (2, 12, 2, 8, 8)
    alone = answer_clips(pipeline, make_material, [1], RECIPE)
    torch.testing.assert_close(alone.answers, together.answers[1:], rtol=1e-3, atol=1e-3)
    apart = (together.answers - together.latents).square().mean()
    shuffled = (together.answers - together.latents.flip(0)).square().mean()
    assert apart < shuffled
