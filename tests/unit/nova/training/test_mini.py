"""The recipe of nova-mini, in parts small enough for a test."""

from __future__ import annotations

from pathlib import Path

import torch

from nova_eval.nova.embedded import PACKAGED
from nova_eval.nova.training.autoencoder import MotionRecipe
from nova_eval.nova.training.mini import MotionPhase, make_video_parts
from nova_eval.nova.vae import load_vae


def test_video_parts_come_of_phases_that_follow_each_other_and_are_kept(tmp_path: Path) -> None:
    recipe = MotionRecipe(steps=1, pool=4, long=(1, 5), short=(1, 5), images=(1, 1))
    phases = (MotionPhase(recipe), MotionPhase(recipe, first=100, persons=0.5))
    made = make_video_parts(PACKAGED, tmp_path / "parts", phases, say=lambda _: None)
    assert {path.name for path in made.iterdir()} == {"vae", "text_encoder", "tokenizer", "motion_1", "motion_2"}
    weights = [load_vae(made / part, dtype=torch.float32, device="cpu") for part in ("motion_1/vae", "motion_2/vae")]
    picture = torch.rand(1, 3, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(*(vae.encode_mode(picture) for vae in weights))
    last = (made / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert last == (made / "motion_2" / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    assert last != (made / "motion_1" / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    said: list[str] = []
    make_video_parts(PACKAGED, made, phases, say=said.append)
    assert said == []
