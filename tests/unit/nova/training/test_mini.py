"""The recipe of nova-mini, in parts small enough for a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nova_eval.nova.embedded import PACKAGED
from nova_eval.nova.training.autoencoder import MotionRecipe
from nova_eval.nova.training.mini import EARLY_RECIPES, RECIPES, REHEARSAL, MotionPhase, main, make_video_parts
from nova_eval.nova.vae import load_vae
from nova_eval.records import Prompt
from nova_eval.samplers.nova import NovaSampler


def test_video_parts_come_of_phases_that_follow_each_other_and_are_kept(tmp_path: Path) -> None:
    recipe = MotionRecipe(steps=1, pool=4, long=(1, 5), short=(1, 5), images=(1, 1))
    phases = (MotionPhase(recipe), MotionPhase(recipe, first=100, shares={"persons": 0.5}))
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


def test_a_phase_may_leave_the_encoder_as_it_is(tmp_path: Path) -> None:
    lengths = {"long": (1, 5), "short": (1, 5), "images": (1, 1)}
    recipe = MotionRecipe(steps=1, pool=4, **lengths, encoder=False, latent_noise=0.1, mixed_precision=False)
    made = make_video_parts(PACKAGED, tmp_path / "parts", (MotionPhase(recipe),), say=lambda _: None)
    before, after = (load_vae(folder / "vae", dtype=torch.float32, device="cpu") for folder in (PACKAGED, made))
    clip = torch.rand(1, 3, 5, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = before.encode_mode(clip)
    assert torch.equal(latents, after.encode_mode(clip))
    assert not torch.equal(before.decode(latents), after.decode(latents))


@pytest.mark.slow
def test_the_whole_recipe_goes_through_and_what_it_packs_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, packed = tmp_path / "run", tmp_path / "packed"
    monkeypatch.setattr("sys.argv", ["mini", str(run), "--pack", str(packed), "--rehearse"])
    main()
    origin = json.loads((packed / "origin.json").read_text())
    assert list(origin["steps"]) == [recipe.stem.removeprefix("mini_") for recipe in RECIPES]
    assert set(origin["steps"].values()) == {REHEARSAL.stage["steps"]}
    assert origin["early_steps"] == REHEARSAL.early_image_steps + len(EARLY_RECIPES) * REHEARSAL.stage["steps"]
    assert {path.name for path in packed.iterdir()} >= {path.name for path in PACKAGED.iterdir()}
    sampler = NovaSampler(str(packed), latent_frames=2, ar_steps=2, diffusion_steps=2)
    (clip,) = sampler.sample([Prompt(id="x/0", text="a red circle")], [1])
    assert clip.shape == (5, 64, 64, 3)
