"""Averages, learning rates, replays of recordings, and the small parts of nova-mini."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from training_runs import TRANSFORMER, vae_config

from nova_eval.checks.parity.training import cases
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.checkpoint import build, save_schedule, save_transformer
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.text import TextEncoder
from nova_eval.nova.training.autoencoder import (
    AutoencoderRecipe,
    MotionRecipe,
    to_pixels,
    train_autoencoder,
    train_motion,
)
from nova_eval.nova.training.data import SpritesSource
from nova_eval.nova.training.ema import Average
from nova_eval.nova.training.masking import draw
from nova_eval.nova.training.mini_text import make_tokenizer, train_text_encoder
from nova_eval.nova.training.objective import losses
from nova_eval.nova.training.warmup import warmup_then_constant, warmup_then_cosine
from nova_eval.nova.vae import build_vae, load_vae, save_vae
from nova_eval.sprites.examples import CALM, LIVELY, example, example_scene, labelled_sentence
from nova_eval.sprites.grammar import Scene, Thing, parse, render_text
from nova_eval.sprites.motion_reading import main_track
from nova_eval.sprites.reading import read_frames
from nova_eval.sprites.vocabulary import STYLES


def test_average_follows_the_rule() -> None:
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average, expected = Average(module, 0.5), 0.0
    for n, value in enumerate([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]):
        module.weight.data.fill_(value)
        average.update(module)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert average.weights["weight"].item() == pytest.approx(expected)


def test_learning_rates() -> None:
    assert [warmup_then_constant(step, 4, 10) for step in (0, 1, 3, 9)] == [0.25, 0.5, 1.0, 1.0]
    cosine = [warmup_then_cosine(step, 4, 10) for step in range(11)]
    assert cosine[:4] == [0.25, 0.5, 0.75, 1.0]
    assert cosine[10] == pytest.approx(0.02)
    assert all(a >= b for a, b in itertools.pairwise(cosine[3:]))


class TestReplay:
    @pytest.fixture
    def kit(self, tmp_path: Path) -> Path:
        """A recording of this objective itself."""
        config, schedule = TransformerConfig.from_json(TRANSFORMER), DDPM(beta_schedule="squaredcos_cap_v2")
        model = build(config, 0)
        for tensor in model.state_dict().values():
            tensor.mul_(4)
        model.requires_grad_(True)
        save_transformer(model, tmp_path / "model" / "transformer")
        save_schedule(schedule, tmp_path / "model" / "scheduler")
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(2, 4, 3, 8, 8, generator=generator)
        embeds = torch.randn(2, 8, 32, generator=generator)
        draws = draw(config, schedule, tuple(x.shape), generator)
        result = losses(model, schedule, x, embeds, draws, flow=[3.0, 3.0])
        torch.autograd.backward(result.total)
        name = "image_encoder.norm.weight"
        norm = dict(model.named_parameters())[name].grad
        assert norm is not None
        case = {
            "motion_flow": 3,
            "losses": {key: value.item() for key, value in result.values.items()},
            "grad_norms": {name: norm.norm().item()},
        }
        (tmp_path / "index.json").write_text(json.dumps({"model": {"train_own": case, "t2v": {}}}))
        tensors = {"x": x, "prompt_embeds": embeds, "noise": draws.noise, "timesteps": draws.timesteps}
        tensors |= {"prev_ids": draws.visible_ids.unsqueeze(-1).contiguous()}
        save_file(tensors, tmp_path / "model" / "train_own.safetensors")
        return tmp_path

    def change(self, kit: Path, **case: Any) -> None:
        index = json.loads((kit / "index.json").read_text())
        index["model"]["train_own"].update(case)
        (kit / "index.json").write_text(json.dumps(index))

    def test_passes(self, kit: Path) -> None:
        results = list(cases(kit))
        assert [result.case for result in results] == [
            "model/train_own losses",
            "model/train_own gradient norms",
        ]
        assert all(result.passed for result in results)

    def test_wrong_figures_fail_and_are_named(self, kit: Path) -> None:
        self.change(kit, losses={"loss_t2i": 3.0}, grad_norms={"no.such.weight": 1.0})
        found = list(cases(kit))
        assert not any(result.passed for result in found)
        assert "loss_t2i" in found[0].note
        assert found[1].difference == float("inf")

    def test_other_motion_gives_other_losses(self, kit: Path) -> None:
        same = next(cases(kit)).difference
        self.change(kit, motion_flow=500)
        assert next(cases(kit)).difference > 10 * same + 1e-7

    def test_lost_tensors(self, kit: Path) -> None:
        (kit / "model" / "train_own.safetensors").unlink()
        with pytest.raises(PrerequisiteError, match=r"train_own\.safetensors is missing"):
            list(cases(kit))


class TestExamples:
    def test_sentences_can_be_read_back(self) -> None:
        for i in range(300):
            scene = example_scene(i, seed=5)
            assert parse(render_text(scene)) == scene

    def test_labels_name_what_is_asked_for(self) -> None:
        text, labels = next(pair for i in range(50) if " and " in (pair := labelled_sentence(i, seed=5))[0])
        for word in labels:
            name, _, value = word.partition("=")
            assert name.endswith("count") or value.split("_")[0] in text

    def test_a_clip_is_determined_by_seed_and_index(self) -> None:
        assert np.array_equal(example(3, seed=1).frames, example(3, seed=1).frames)
        assert example(3, seed=1).frames.shape == (17, 64, 64, 3)

    def test_a_share_of_scenes_can_be_one_coloured_thing(self) -> None:
        scenes = [example_scene(i, seed=5, simple=0.5) for i in range(400)]
        bare = [s for s in scenes if s.things and s == Scene((Thing(s.things[0].shape, s.things[0].colour),))]
        assert 0.45 < len(bare) / 400 < 0.7
        only = [example_scene(i, seed=5, simple=1.0) for i in range(100)]
        assert all(len(s.things) == 1 and s.things[0].colour and s.place is None and s.motion is None for s in only)
        assert "person" in {s.things[0].shape for s in only}

    def test_shares_of_pairs_and_moving_things(self) -> None:
        drawn = [
            example_scene(i, seed=5, simple=0.2, pairs=0.3, moving=0.5, named=0.5, persons=0.4) for i in range(800)
        ]
        pairs = [s for s in drawn if len(s.things) == 2]
        assert 0.25 < len(pairs) / 800 < 0.35
        assert 0.5 < sum(s.relation is not None for s in pairs) / len(pairs) < 0.7
        assert all(s.place is None and s.motion is None for s in pairs)
        motions = [s for s in drawn if s.motion]
        cameras = [s for s in drawn if s.camera]
        assert 0.45 < (len(motions) + len(cameras)) / 800 < 0.55
        assert 0.22 < len(cameras) / (len(motions) + len(cameras)) < 0.38
        assert 0.3 < sum(s.things[0].shape == "person" for s in motions) / len(motions) < 0.55
        things = [thing for s in drawn for thing in s.things]
        assert 0.42 < sum(thing.colour is not None for thing in things) / len(things) < 0.58
        for scene in drawn:
            assert parse(render_text(scene)) == scene

    def test_a_slow_clip_shows_half_of_what_happens(self) -> None:
        shares = {"moving": 1.0, "named": 1.0}
        quick, slow = (example(11, seed=6, frames=9, **shares, slow=share) for share in (0.0, 1.0))
        assert quick.text == slow.text
        assert "falling" in quick.text
        assert np.array_equal(quick.frames[0], slow.frames[0])
        assert np.array_equal(quick.frames[2], slow.frames[4])
        slower = example(11, seed=6, frames=9, **shares, slow=1.0, slower=1.0)
        assert np.array_equal(quick.frames[1], slower.frames[4])
        assert (quick.usual, slow.usual, slower.usual) == (True, False, False)

    def test_a_calm_motion_is_the_one_that_a_sentence_stands_for(self) -> None:
        shares = {"moving": 1.0, "named": 1.0}
        far, calm, other = (example(11, seed=6, frames=9, **shares, calm=share) for share in (0.0, 1.0, 1e-9))
        assert far.text == calm.text == other.text
        assert "falling" in far.text
        assert (far.usual, calm.usual, other.usual) == (True, True, False)
        fallen = [np.ptp(main_track(read_frames(clip.frames)).y) for clip in (far, calm)]
        assert CALM[0] - 0.02 < fallen[1] / fallen[0] < CALM[1] + 0.02
        assert not np.array_equal(other.frames, calm.frames)

    def test_what_does_not_move_is_as_usual_whatever_is_calm(self) -> None:
        plain, calm = (example(3, seed=6, frames=9, simple=1.0, calm=share) for share in (0.0, 1e-9))
        assert np.array_equal(plain.frames, calm.frames)
        assert calm.usual

    def test_a_share_of_all_scenes_is_shown_in_a_style_and_nothing_else_changes(self) -> None:
        shares = {"simple": 0.2, "pairs": 0.5, "persons": 0.4}
        plain = [example_scene(i, seed=5, **shares) for i in range(400)]
        styled = [example_scene(i, seed=5, **shares, styled=0.5) for i in range(400)]
        assert [replace(scene, style=None) for scene in plain] == [replace(scene, style=None) for scene in styled]
        assert 0.45 < np.mean([one.style != other.style for one, other in zip(plain, styled, strict=True)]) < 0.55
        assert {scene.style for scene in styled} == {None, *STYLES}

    def test_lively_things_sway_circle_zigzag_or_spin(self) -> None:
        def motions(lively: float) -> list[str]:
            drawn = [example_scene(i, seed=5, moving=1.0, lively=lively) for i in range(200)]
            return [scene.motion for scene in drawn if scene.motion]

        assert set(motions(1.0)) == set(LIVELY)
        assert sum(motion in LIVELY for motion in motions(0.0)) < len(motions(0.0)) / 2

    def test_a_share_without_a_meaning_is_refused(self) -> None:
        with pytest.raises(UsageError, match="no share 'triples'"):
            SpritesSource(seed=1, triples=0.5)

    def test_persons_can_be_more_common(self) -> None:
        def persons(share: float) -> int:
            single = [
                s.things[0] for i in range(300) if len((s := example_scene(i, seed=5, persons=share)).things) == 1
            ]
            return sum(thing.shape == "person" for thing in single)

        assert persons(0.08) < 0.3 * persons(0.5)


class TestMiniParts:
    def test_text_encoder_learns_labels_and_opens(self, tmp_path: Path) -> None:
        def labelled(i: int) -> tuple[str, frozenset[str]]:
            colour, shape = ("red", "blue")[i % 2], ("circle", "square")[i // 2 % 2]
            return f"a {colour} {shape}", frozenset({colour, shape})

        tokenizer = make_tokenizer([labelled(i)[0] for i in range(4)], tmp_path / "tokenizer", vocabulary=300)
        assert len(tokenizer.encode("a red circle").ids) == 3
        assert tokenizer.decode(tokenizer.encode("Größe: 5 £").ids) == "Größe: 5 £"
        right = train_text_encoder(
            tokenizer, labelled, tmp_path / "text_encoder", width=32, layers=1, steps=60, batch=8, say=lambda _: None
        )
        assert right == 1.0
        encoder = TextEncoder.load(tmp_path, dtype=torch.float32, device="cpu", max_length=8)
        assert encoder.encode(["a red circle"])[0].shape == (3, 32)

    def test_autoencoder_learns_and_repeats(self, tmp_path: Path) -> None:
        recipe = AutoencoderRecipe(
            steps=80, learning_rate=3e-3, images_until=40, images=(2, 1), short=(1, 5), long=(1, 9), ema=0.9
        )

        def clip(index: int, frames: int) -> np.ndarray:
            return np.full((frames, 16, 16, 3), (40, 90, 200)[index % 3], np.uint8)

        clips = to_pixels([clip(i, 9) for i in range(3)])
        errors, stored = [], []
        for name in ("one", "two"):
            train_autoencoder(vae_config(), clip, recipe, tmp_path / name, say=lambda _: None)
            vae = load_vae(tmp_path / name / "vae", dtype=torch.float32, device="cpu")
            errors.append(float((vae.decode(vae.encode_mode(clips)) - clips).abs().mean()))
            stored.append((tmp_path / name / "vae" / "diffusion_pytorch_model.safetensors").read_bytes())
        assert errors[0] < 0.35
        assert stored[0] == stored[1]
        assert (tmp_path / "one" / "vae_curve.csv").read_text().startswith("step,l1,kl,psnr,seconds")

    def test_learning_motion_leaves_the_latents_of_images_alone(self, tmp_path: Path) -> None:
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
