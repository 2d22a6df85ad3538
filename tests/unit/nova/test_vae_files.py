"""Autoencoders on disk: the official form, and one clear line for whatever does not fit it."""

import json
import pickle
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.digests import weights_digest
from nova_eval.nova.vae import build_vae, load_vae, save_vae
from nova_eval.nova.vae_networks import decoder_windows, encoder_windows

VIDEO = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "scaling_factor": 0.5,
    "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock3D"],
    "up_block_types": ["UpDecoderBlock3D"] * 2,
}
IMAGE = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [8, 8],
    "norm_num_groups": 4,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}
LATENTS = torch.linspace(-1, 1, 4 * 2 * 2).reshape(1, 4, 1, 2, 2)


def load(folder):
    return load_vae(folder, dtype=torch.float32, device="cpu")


@pytest.fixture
def folder(tmp_path):
    save_vae(build_vae(VIDEO, seed=1), tmp_path / "vae")
    return tmp_path / "vae"


def edit(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


class TestRoundTrip:
    @pytest.mark.parametrize("config", [VIDEO, IMAGE], ids=["video", "image"])
    def test_same_pixels_after_saving(self, tmp_path, config):
        vae = build_vae(config, seed=3)
        save_vae(vae, tmp_path)
        assert torch.equal(load(tmp_path).decode(LATENTS), vae.decode(LATENTS))
        assert load(tmp_path).config == config

    def test_weights_depend_on_the_seed_only(self):
        assert torch.equal(build_vae(VIDEO, 1).decode(LATENTS), build_vae(VIDEO, 1).decode(LATENTS))
        assert not torch.equal(build_vae(VIDEO, 1).decode(LATENTS), build_vae(VIDEO, 2).decode(LATENTS))

    def test_torch_archives_and_shards_are_read_too(self, folder):
        expected = load(folder).decode(LATENTS)
        weights = load_file(folder / "diffusion_pytorch_model.safetensors")
        (folder / "diffusion_pytorch_model.safetensors").unlink()
        torch.save(weights, folder / "diffusion_pytorch_model.bin")
        assert torch.equal(load(folder).decode(LATENTS), expected)
        names = sorted(weights)
        shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for shard, members in shards.items():
            save_file({name: weights[name] for name in members}, folder / shard)
        index = {"weight_map": {name: shard for shard, members in shards.items() for name in members}}
        (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
        (folder / "diffusion_pytorch_model.bin").unlink()
        assert torch.equal(load(folder).decode(LATENTS), expected)
        (folder / "b.safetensors").unlink()
        with pytest.raises(PrerequisiteError, match=r"1 of 2 shards are missing: b\.safetensors"):
            load(folder)

    def test_old_attention_names(self, tmp_path):
        vae = build_vae(IMAGE, seed=3)
        save_vae(vae, tmp_path)
        file = tmp_path / "diffusion_pytorch_model.safetensors"
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        renamed = {}
        for name, tensor in load_file(file).items():
            layer = next((now for now in old if "attentions" in name and f".{now}." in name), None)
            before = name.replace(f".{layer}.", f".{old[layer]}.") if layer else name
            renamed[before] = tensor[:, :, None, None].clone() if ".query.weight" in before else tensor
        assert any(".proj_attn." in name for name in renamed)
        save_file(renamed, file)
        assert torch.equal(load(tmp_path).decode(LATENTS), vae.decode(LATENTS))

    def test_digest_follows_the_weights(self, folder, tmp_path):
        before = weights_digest(folder)
        save_vae(build_vae(VIDEO, seed=1), tmp_path / "again")
        save_vae(build_vae(VIDEO, seed=2), tmp_path / "other")
        assert weights_digest(tmp_path / "again") == before != weights_digest(tmp_path / "other")


class TestErrors:
    def test_unknown_block_suggests_the_nearest(self, folder):
        edit(folder, down_block_types=["DownEncoderBlok3D", "DownEncoderBlock3D"])
        with pytest.raises(
            UsageError, match=r"down_block_types.*'DownEncoderBlok3D'; did you mean 'DownEncoderBlock3D'"
        ):
            load(folder)

    def test_decoder_blocks_do_not_encode(self, folder):
        edit(folder, down_block_types=["UpDecoderBlock3D", "DownEncoderBlock3D"])
        with pytest.raises(UsageError, match="did you mean 'DownEncoderBlock3D'"):
            load(folder)

    def test_unknown_class_suggests_the_nearest(self, folder):
        edit(folder, _class_name="AutoencoderKLOpensora")
        with pytest.raises(UsageError, match="did you mean 'AutoencoderKLOpenSora'"):
            load(folder)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"block_out_channels": [8, 8, 8]}, "2 down_block_types for 3 block_out_channels"),
            ({"act_fn": "gelu"}, "act_fn 'gelu'"),
            ({"norm_num_groups": 3}, "8 channels cannot be normalised in 3 groups"),
            ({"latent_channels": 8}, r"config.json says"),
            ({"layers_per_block": 2}, r"\d+ missing"),
            ({"use_quant_conv": False}, "2 unknown"),
        ],
    )
    def test_configuration_and_weights_disagree(self, folder, changes, message):
        edit(folder, **changes)
        with pytest.raises(UsageError, match=message):
            load(folder)

    def test_unknown_block_of_an_image_autoencoder(self, tmp_path):
        with pytest.raises(UsageError, match="DownEncoderBlok2D"):
            build_vae({**IMAGE, "down_block_types": ["DownEncoderBlok2D", "DownEncoderBlock2D"]}, seed=0)

    def test_missing_and_broken_files(self, folder, tmp_path):
        with pytest.raises(PrerequisiteError, match="no such file"):
            load(tmp_path / "nowhere")
        (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"not weights")
        with pytest.raises(PrerequisiteError, match="unreadable weights"):
            load(folder)
        (folder / "diffusion_pytorch_model.safetensors").unlink()
        with pytest.raises(PrerequisiteError, match="no weights"):
            load(folder)

    def test_archives_run_no_code(self, folder, tmp_path):
        class Payload:
            def __reduce__(self):
                return (open, (str(tmp_path / "touched"), "w"))

        (folder / "diffusion_pytorch_model.safetensors").unlink()
        torch.save({"decoder": Payload()}, folder / "diffusion_pytorch_model.bin", pickle_module=pickle)
        with pytest.raises(PrerequisiteError, match="unreadable weights"):
            load(folder)
        assert not (tmp_path / "touched").exists()


class TestWindows:
    @given(st.integers(1, 400), st.sampled_from([1, 2, 4, 8]))
    def test_encoder_tiles_cover_every_frame_and_count_right(self, frames, stride):
        windows = encoder_windows(frames, stride)
        last_seen = [start + (stop - 1 - start) // stride * stride for start, stop in windows]
        assert windows[0].start == 0
        assert [after.start for after in windows[1:]] == last_seen[:-1]
        assert frames - 1 <= last_seen[-1] < frames - 1 + stride
        latents = 1 + sum((stop - 1 - start) // stride for start, stop in windows)
        assert latents == -(-(frames - 1) // stride) + 1
        assert all(stop - start <= 17 for start, stop in windows)

    @given(st.integers(1, 400))
    def test_decoder_tiles_share_one_frame_and_cover_all(self, frames):
        windows = decoder_windows(frames)
        assert windows[0].start == 0
        assert windows[-1].stop == frames
        assert all(before.stop - 1 == after.start for before, after in pairwise(windows))
        assert all(2 <= stop - start <= 5 for start, stop in windows[1:])

    @given(st.integers(1, 20))
    def test_full_tiles_are_the_references(self, tiles):
        assert [tuple(w) for w in encoder_windows(16 * tiles + 1, 4)] == [(16 * i, 16 * i + 17) for i in range(tiles)]
        assert [tuple(w) for w in decoder_windows(4 * tiles + 1)] == [(4 * i, 4 * i + 5) for i in range(tiles)]
