"""The recipe of nova-mini: its files, its phases, a rehearsal of the whole, and the record of how it was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from nova_eval.nova.embedded import PACKAGED
from nova_eval.nova.training.config import load_config
from nova_eval.nova.vae import load_vae
from nova_eval.records import Prompt
from nova_eval.samplers.nova import NovaSampler
from recipes import nova_mini
from recipes.nova_mini.__main__ import main
from recipes.nova_mini.autoencoder import MotionRecipe
from recipes.nova_mini.making import make_video_parts
from recipes.nova_mini.recipe import EARLY_PARTS, PARTS, REHEARSAL, SHARED_BATCHES, MotionPhase, training_file

RECORD = Path(nova_mini.__file__).with_name("record")


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
    run, packed, recorded = (tmp_path / name for name in ("run", "packed", "recorded"))
    words = ["nova_mini", str(run), "--pack", str(packed), "--record", str(recorded), "--rehearse"]
    monkeypatch.setattr("sys.argv", words)
    main()
    origin = json.loads((recorded / "origin.json").read_text())
    assert list(origin["steps"]) == list(PARTS)
    assert set(origin["steps"].values()) == {REHEARSAL.stage["steps"]}
    assert origin["early_steps"] == REHEARSAL.early_image_steps + len(EARLY_PARTS) * REHEARSAL.stage["steps"]
    assert {path.name for path in packed.iterdir()} == {path.name for path in PACKAGED.iterdir()}
    assert {path.name for path in recorded.iterdir()} == {path.name for path in RECORD.iterdir()}
    sampler = NovaSampler(str(packed), latent_frames=2, ar_steps=2, diffusion_steps=2)
    (clip,) = sampler.sample([Prompt(id="x/0", text="a red circle")], [1])
    assert clip.shape == (5, 64, 64, 3)


class TestFiles:
    def test_every_part_is_one_valid_stage(self) -> None:
        names = [[stage.name for stage in load_config(training_file(part)).stages] for part in (*PARTS, *EARLY_PARTS)]
        main = ["t2i", "t2i", "simple", "t2i", "t2i", "t2v", "t2i", "t2i", "t2v", "t2v", "t2v", "t2v", "t2v"]
        early = ["t2v", "t2i", "t2v"]
        assert names == [[name] for name in (*main, *early)]

    def test_every_file_is_a_part_or_shared(self) -> None:
        files = {path.stem for path in training_file("t2i").parent.iterdir()}
        assert files == {*PARTS, *EARLY_PARTS, "shared"}

    def test_a_part_may_extend_another(self) -> None:
        early, later = (load_config(training_file(part)) for part in ("early", "t2v"))
        assert (early.transformer, early.data, early.seed) == (later.transformer, later.data, later.seed)
        assert early.stages[0].steps < later.stages[0].steps
        assert early.output != later.output


class TestRecord:
    def test_it_says_how_the_packaged_model_was_made(self) -> None:
        origin = json.loads((RECORD / "origin.json").read_text())
        for part in PARTS:
            config = load_config(training_file(part))
            assert origin["steps"][part] == (config.stages[0].stop or config.stages[0].steps)
            assert origin["config"][part]["transformer"]["arch"] == list(config.transformer["arch"])
        assert origin["early_steps"] <= sum(origin["steps"].values()) / 10
        assert (RECORD / "curves.svg").read_text().startswith("<?xml")

    def test_two_processes_shared_the_batches_of_ten_parts(self) -> None:
        processes = json.loads((RECORD / "origin.json").read_text())["processes"]
        assert {part for part, count in processes.items() if count == 2} == SHARED_BATCHES
