"""Checkpoints: the layout, the round trip, and one clear line for each way in which a folder can be wrong."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError
from nova_eval.nova import checkpoint
from nova_eval.nova.config import RELEASED, TransformerConfig
from nova_eval.nova.digests import checkpoint_digest
from nova_eval.nova.parts import PARTS, Parts, locate, read_json
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.schedule import FlowMatching

QUICK = {"ar_steps": 2, "diffusion_steps": 2}


@pytest.fixture
def folder(image_checkpoint, tmp_path):
    """A copy to damage."""
    return shutil.copytree(image_checkpoint, tmp_path / "checkpoint")


@pytest.fixture
def weights(folder):
    return folder / "transformer" / "diffusion_pytorch_model.safetensors"


def load(folder, **options):
    return NovaPipeline.from_pretrained(folder, device="cpu", **options)


def problem(folder, kind=NovaEvalError):
    with pytest.raises(kind) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestRoundTrip:
    def test_a_saved_checkpoint_makes_the_same_sample(self, image_checkpoint, tmp_path):
        pipe = load(image_checkpoint)
        pipe.save_checkpoint(tmp_path / "again")
        again = load(tmp_path / "again")
        assert again.transformer.config == pipe.transformer.config
        assert again.schedule == pipe.schedule
        one, two = (p.generate(["a fox"], [1], **QUICK)[0] for p in (pipe, again))
        assert (one == two).all()
        index = json.loads((tmp_path / "again" / "model_index.json").read_text())
        assert set(PARTS) < set(index)

    def test_key_names_and_shapes_are_the_released_ones(self):
        names = set(checkpoint.empty(RELEASED["nova-d48w1024-osp480"]).state_dict())
        assert len(names) == 643
        for key in (
            "video_encoder.blocks.15.attn.qkv.weight",
            "image_encoder.blocks.31.mlp.fc2.bias",
            "image_decoder.blocks.2.norm1.proj.weight",
            "image_decoder.time_cond_embed.condition_proj.fc1.weight",
            "motion_embed.fps_proj.2.bias",
            "video_pos_embed.time_proj.0.weight",
            "mask_embed.bos_token",
            "text_embed.weight",
        ):
            assert key in names

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_half_precision_samples(self, image_checkpoint, dtype):
        pipe = load(image_checkpoint, dtype=dtype)
        assert pipe.transformer.dtype == getattr(torch, dtype)
        [clip] = pipe.generate(["a fox"], [1], **QUICK)
        assert clip.shape == (1, 32, 32, 3)

    def test_sharded_weights_are_one(self, folder, weights):
        tensors = load_file(weights)
        names = sorted(tensors)
        shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for shard, own in shards.items():
            save_file({name: tensors[name] for name in own}, weights.parent / shard)
        table = {name: shard for shard, own in shards.items() for name in own}
        (weights.parent / f"{weights.name}.index.json").write_text(json.dumps({"weight_map": table}))
        weights.unlink()
        assert torch.equal(load(folder).transformer.state_dict()[names[0]], tensors[names[0]])

    def test_torch_archives_are_read_without_running_what_is_in_them(self, folder, weights):
        torch.save(load_file(weights), weights.with_suffix(".bin"))
        weights.unlink()
        assert load(folder).generate(["a fox"], [1], **QUICK)

    def test_the_digest_follows_weights_and_configuration(self, folder, weights):
        before = checkpoint_digest(Parts.within(folder))
        assert checkpoint_digest(Parts.within(folder)) == before
        tensors = load_file(weights)
        tensors["mask_embed.mask_token"] += 1
        save_file(tensors, weights)
        after = checkpoint_digest(Parts.within(folder))
        assert after != before
        checkpoint.save_schedule(FlowMatching(), folder / "scheduler")
        assert checkpoint_digest(Parts.within(folder)) not in {before, after}


class TestFaults:
    def test_no_folder(self, tmp_path):
        assert "no checkpoint folder" in problem(tmp_path / "nothing", PrerequisiteError)

    def test_a_part_is_missing(self, folder):
        shutil.rmtree(folder / "vae")
        assert "vae missing" in problem(folder, PrerequisiteError)

    def test_weights_are_missing(self, folder, weights):
        weights.unlink()
        assert "no weights" in problem(folder, PrerequisiteError)

    def test_weights_are_cut_short(self, folder, weights):
        weights.write_bytes(weights.read_bytes()[:5000])
        assert "unreadable weights" in problem(folder, PrerequisiteError)

    def test_a_weight_is_missing_and_another_unknown(self, folder, weights):
        tensors = load_file(weights)
        tensors["surprise"] = tensors.pop("mask_embed.bos_token")
        save_file(tensors, weights)
        message = problem(folder, UsageError)
        assert "1 missing" in message
        assert "mask_embed.bos_token" in message
        assert "surprise" in message

    def test_a_weight_has_another_shape(self, folder, weights):
        tensors = load_file(weights)
        tensors["mask_embed.bos_token"] = torch.zeros(1, 3)
        save_file(tensors, weights)
        message = problem(folder, UsageError)
        assert "mask_embed.bos_token" in message
        assert "(1, 3)" in message

    def test_the_configuration_is_of_another_class(self, folder):
        change(folder / "transformer" / "config.json", _class_name="FluxTransformer2DModel")
        assert "FluxTransformer2DModel" in problem(folder, UsageError)

    def test_the_configuration_has_an_unknown_key(self, folder):
        change(folder / "transformer" / "config.json", video_mixer_rang=3)
        assert "video_mixer_rank" in problem(folder, UsageError)

    @pytest.mark.parametrize(
        "arch", [["vit_d2", "vit_d4w64", "mlp_d2w64"], ["vit_d2w64", "vit_d3w64", "mlp_d2w64"], []]
    )
    def test_the_architecture_cannot_be(self, folder, arch):
        change(folder / "transformer" / "config.json", arch=arch)
        assert problem(folder, UsageError)

    def test_the_configuration_is_no_json(self, folder):
        (folder / "transformer" / "config.json").write_text("{")
        assert "config.json" in problem(folder, PrerequisiteError)

    def test_another_scheduler(self, folder):
        change(folder / "scheduler" / "scheduler_config.json", _class_name="PNDMScheduler")
        assert "PNDMScheduler" in problem(folder, UsageError)

    def test_a_text_encoder_of_another_width(self, folder):
        config = TransformerConfig.from_json(read_json(folder / "transformer" / "config.json"))
        other = TransformerConfig.from_json(config.to_json() | {"text_token_dim": 48})
        checkpoint.save_transformer(checkpoint.build(other, 0), folder / "transformer")
        assert "text encoder width 32, transformer expects 48" in problem(folder, UsageError)

    def test_offline_a_hub_id_must_be_in_the_cache(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(PrerequisiteError, match="not in the local hub cache"):
            locate("nobody/nothing-at-all", offline=True)

    def test_an_unknown_dtype(self, folder):
        with pytest.raises(UsageError, match="did you mean 'float16'"):
            load(folder, dtype="floot16")


class TestSizes:
    @pytest.mark.parametrize(
        ("name", "published"),
        [("nova-d48w768-sdxl1024", 0.3), ("nova-d48w1024-sdxl1024", 0.6), ("nova-d48w1536-sdxl1024", 1.4)],
    )
    def test_the_paper_s_sizes_are_these_cut_to_one_digit(self, name, published):
        total = checkpoint.parameter_counts(RELEASED[name])["total"]
        assert math.floor(total / 1e8) / 10 == published

    def test_the_video_model_has_the_645_million_of_its_card(self):
        model = checkpoint.empty(RELEASED["nova-d48w1024-osp480"])
        stored = sum(tensor.numel() for tensor in model.state_dict().values())
        assert round(stored / 1e6) == 645

    def test_a_seed_fixes_random_weights(self):
        config = TransformerConfig(arch=("vit_d2w64", "vit_d2w64", "mlp_d1w64"), image_size=(64, 64), text_token_dim=16)
        one, same, other = (checkpoint.build(config, seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["mask_embed.mask_token"], other["mask_embed.mask_token"])


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
