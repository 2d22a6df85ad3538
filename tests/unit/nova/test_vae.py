"""Autoencoders: agreement with the reference, tiles and tails in time, independence of samples, precision."""

import json

import pytest
import torch
from nova_checkpoints import RECORDED_CALLS
from safetensors.torch import load_file

from nova_eval.errors import UsageError
from nova_eval.nova import vae_blocks
from nova_eval.nova.vae import build_vae, load_vae, to_uint8

DOWN = ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock3D", "DownEncoderBlock3D"]
VIDEO = {
    "_class_name": "AutoencoderKLOpenSora",
    "block_out_channels": [32, 32, 32, 32],
    "layers_per_block": 1,
    "latent_channels": 4,
    "scaling_factor": 0.5,
    "shift_factor": 0.25,
    "down_block_types": DOWN,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
}
IMAGE = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def video():
    return build_vae(VIDEO, seed=7)


@pytest.fixture(scope="module")
def image():
    return build_vae(IMAGE, seed=7)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class TestAgreesWithTheReference:
    """The literal figures were made by the reference's classes on the weights of ``build_vae(VIDEO, seed=7)``."""

    pixels = torch.linspace(0, 40, 3 * 33 * 16 * 16).sin().reshape(1, 3, 33, 16, 16)

    def test_mode_of_two_full_tiles(self, video):
        expected = [-0.1865, -0.12995, -0.13653, 0.15516, 0.16751, 0.18226, -0.51945, -0.67704, -0.49538, -0.37967]
        mode = video.encode_mode(self.pixels)
        assert mode.shape == (1, 4, 9, 2, 2)
        assert mode.flatten()[::12][:10].tolist() == pytest.approx(expected, abs=2e-5)

    def test_posterior_sample(self, video):
        expected = [0.84065, 0.47474, -0.37076, 1.09639, 0.53665, 0.65946, -0.39557, -0.70916, -0.8618, -0.4577]
        sample = video.encode(self.pixels, torch.Generator().manual_seed(5))
        assert sample.flatten()[::12][:10].tolist() == pytest.approx(expected, abs=2e-5)

    def test_decoding_of_two_full_tiles(self, video):
        expected = [-1.06538, -0.09287, 0.98208, 0.27724, -1.13739, 0.35097, 0.13515, -0.02686, -0.19099, -0.77546]
        clip = video.decode(torch.linspace(0, 30, 4 * 9 * 2 * 2).cos().reshape(1, 4, 9, 2, 2) * 2)
        assert clip.shape == (1, 3, 33, 16, 16)
        assert clip.flatten()[::2309][:10].tolist() == pytest.approx(expected, abs=2e-5)

    @pytest.mark.parametrize(("checkpoint", "case"), RECORDED_CALLS)
    def test_recorded_pixels(self, parity, checkpoint, case):
        folder = parity / "nova" / checkpoint
        recorded = load_file(folder / f"expected_{case}.safetensors")
        vae = load_vae(folder / "vae", dtype=torch.float32, device="cpu")
        pixels = to_uint8(vae.decode(recorded["latents"]))
        off = (pixels.int() - recorded["pixels"].reshape(pixels.shape).int()).abs()
        assert off.max() <= 1
        assert (off > 0).float().mean() < 2e-4  # measured: 6e-5 at most, values that lie on a truncation edge

    def test_recorded_first_frame_is_the_generators_first_draw(self, parity):
        folder = parity / "nova" / "nova-t2v-tiny"
        recorded = load_file(folder / "expected_i2v.safetensors")
        seed = json.loads((parity / "nova" / "index.json").read_text())["nova-t2v-tiny"]["i2v"]["seed"]
        vae = load_vae(folder / "vae", dtype=torch.float32, device="cpu")
        frame = recorded["image"].float().sub(127.5).div(127.5).permute(2, 0, 1)[None, :, None]
        latent = vae.encode(frame, torch.Generator().manual_seed(seed))
        assert torch.allclose(latent[:, :, 0], recorded["latents"][:, :, 0], atol=2e-6, rtol=0)


class TestTime:
    @pytest.mark.parametrize("frames", [1, 2, 4, 5, 9, 13, 16, 17, 18, 33, 34, 50])
    def test_shapes_and_nothing_lost(self, video, frames):
        latents = video.encode_mode(noise(1, 3, frames, 8, 16))
        assert latents.shape == (1, 4, video.latent_frames(frames), 1, 2)
        clip = video.decode(latents)
        assert clip.shape == (1, 3, video.pixel_frames(latents.shape[2]), 8, 16)
        assert 0 <= clip.shape[2] - frames < video.temporal_stride

    @pytest.mark.parametrize("frames", [14, 16, 18, 34, 50])
    def test_a_tail_does_not_change_what_the_reference_answers(self, video, frames):
        """The reference stops after the last full tile; a single incomplete tile it encodes as it is."""
        clip = noise(1, 3, frames, 8, 8)
        full = frames if frames <= 17 else (frames - 1) // 16 * 16 + 1
        reference = video.network._pointwise("quant_conv", video.network._encoder(clip[:, :, :17]))[:, :4]
        latents = video.encode_mode(clip)
        scaled = (reference - video.shift_factor) * video.scaling_factor
        assert torch.allclose(latents[:, :, : scaled.shape[2]], scaled, atol=1e-6)
        if frames > 17:
            assert torch.equal(latents[:, :, : video.latent_frames(full)], video.encode_mode(clip[:, :, :full]))

    @pytest.mark.parametrize("frames", [2, 16, 18, 20, 34])
    def test_the_last_frame_reaches_the_latents(self, video, frames):
        clip = noise(1, 3, frames, 16, 8)
        changed = clip.clone()
        changed[:, :, -1] += 1
        assert not torch.allclose(video.encode_mode(clip)[:, :, -1], video.encode_mode(changed)[:, :, -1])

    @pytest.mark.parametrize(("frames", "full"), [(6, 5), (8, 5), (10, 9), (12, 9)])
    def test_a_short_last_tile_is_decoded_after_the_full_ones(self, video, frames, full):
        latents = noise(1, 4, frames, 1, 1)
        clip = video.decode(latents)
        before = video.pixel_frames(full)
        assert torch.equal(clip[:, :, :before], video.decode(latents[:, :, :full]))
        assert torch.equal(clip[:, :, before:], video.decode(latents[:, :, full - 1 :])[:, :, 1:])

    def test_a_clip_comes_in_the_pieces_that_decode_joins(self, video):
        latents = noise(1, 4, 11, 1, 1)
        pieces = list(video.decode_tiles(latents))
        assert [piece.shape[2] for piece in pieces] == [17, 16, 8]
        assert torch.equal(torch.cat(pieces, 2), video.decode(latents))

    def test_images_know_no_time(self, image):
        latents = noise(1, 4, 3, 4, 4)
        assert (image.temporal_stride, image.latent_frames(7), image.pixel_frames(7)) == (1, 7, 7)
        assert torch.equal(image.decode(latents)[:, :, 1:2], image.decode(latents[:, :, 1:2]))

    def test_strides_follow_the_configuration(self):
        config = {**VIDEO, "block_out_channels": [32] * 5, "up_block_types": ["UpDecoderBlock3D"] * 5}
        vae = build_vae({**config, "down_block_types": [*DOWN, "DownEncoderBlock3D"]}, seed=0)
        assert (vae.temporal_stride, vae.spatial_stride, vae.latent_frames(17), vae.pixel_frames(3)) == (8, 16, 3, 17)
        assert vae.decode(vae.encode_mode(noise(1, 3, 10, 16, 16))).shape == (1, 3, 17, 16, 16)
        frames = build_vae(
            {**VIDEO, "down_block_types": DOWN[:1] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}, seed=0
        )
        assert frames.temporal_stride == 1
        assert frames.decode(frames.encode_mode(noise(1, 3, 18, 8, 8))).shape == (1, 3, 18, 8, 8)


class TestCausality:
    def test_convolution_sees_no_later_frame(self):
        convolution = vae_blocks.CausalConv3d(4, 4, 3, 2, 1)
        clip, changed = noise(1, 4, 9, 6, 6), noise(1, 4, 9, 6, 6)
        changed[:, :, 5:] += 1
        assert torch.equal(convolution(clip)[:, :, :3], convolution(changed)[:, :, :3])
        assert not torch.allclose(convolution(clip)[:, :, 3:], convolution(changed)[:, :, 3:])

    def test_first_frame_stands_in_for_the_past(self):
        convolution = vae_blocks.CausalConv3d(2, 2, 3)
        clip = noise(1, 2, 1, 4, 4)
        as_matrix = torch.einsum("oi,bithw->bothw", convolution.weight.sum(2)[..., 0, 0], torch.zeros_like(clip))
        whole = convolution(clip.expand(-1, -1, 3, -1, -1))
        assert torch.allclose(convolution(clip), whole[:, :, :1])
        assert torch.allclose(whole[:, :, :1], whole[:, :, 2:])
        assert as_matrix.shape[2] == 1

    def test_only_group_norms_and_interpolation_look_ahead(self):
        """Facts of the reference: norms of 3D blocks pool over a tile, and interpolation in time blends neighbours.

        Without norms the encoder is causal; the decoder's frames 6 to 8 see a quarter, twice, of the latent frame 3.
        """
        vae = build_vae(VIDEO, seed=1)
        clip, latents = noise(1, 3, 17, 8, 8), noise(1, 4, 5, 1, 1)
        later_clip, later_latents = clip.clone(), latents.clone()
        later_clip[:, :, 9:] += 1
        later_latents[:, :, 3:] += 1
        assert not torch.allclose(vae.decode(latents)[:, :, :9], vae.decode(later_latents)[:, :, :9])
        for module in vae.network.module.modules():
            for name, child in module.named_children():
                if isinstance(child, torch.nn.GroupNorm):
                    setattr(module, name, torch.nn.Identity())
        assert torch.equal(vae.encode_mode(clip)[:, :, :3], vae.encode_mode(later_clip)[:, :, :3])
        clip, later_clip = vae.decode(latents), vae.decode(later_latents)
        assert torch.equal(clip[:, :, :6], later_clip[:, :, :6])
        assert not torch.equal(clip[:, :, 6:9], later_clip[:, :, 6:9])

    def test_slices_of_a_long_clip_change_nothing(self, video, monkeypatch):
        clip, latents = noise(1, 3, 21, 8, 8), noise(1, 4, 6, 2, 2)
        whole = video.encode_mode(clip), video.decode(latents)
        monkeypatch.setattr(vae_blocks, "_SLICE_VALUES", 5000)
        assert torch.allclose(video.encode_mode(clip), whole[0], atol=1e-6)
        assert torch.allclose(video.decode(latents), whole[1], atol=1e-5)


class TestSamples:
    @pytest.mark.parametrize("name", ["video", "image"])
    def test_alone_equals_in_a_batch(self, name, request):
        vae = request.getfixturevalue(name)
        clips = noise(3, 3, 5, 8, 8)
        generators = [torch.Generator().manual_seed(seed) for seed in (3, 4, 5)]
        together = vae.encode(clips, generators)
        alone = vae.encode(clips[1:2], torch.Generator().manual_seed(4))
        assert torch.equal(together[1:2], alone)
        assert torch.equal(vae.decode(together)[1:2], vae.decode(alone))

    def test_one_generator_draws_for_the_whole_batch_at_once(self, video):
        clips = noise(2, 3, 5, 8, 8)
        drawn, own = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
        video.encode(clips, drawn)
        torch.randn(2, 4, 2, 1, 1, generator=own)
        assert torch.equal(drawn.get_state(), own.get_state())

    def test_without_variance_nothing_is_drawn(self):
        vae = build_vae({**IMAGE, "double_z": False}, seed=0)
        generator = torch.Generator().manual_seed(1)
        before = generator.get_state()
        clip = noise(1, 3, 1, 8, 8)
        assert torch.equal(vae.encode(clip, generator), vae.encode_mode(clip))
        assert torch.equal(generator.get_state(), before)

    def test_global_generator_is_left_alone(self):
        before = torch.get_rng_state()
        build_vae(VIDEO, seed=2).encode(noise(1, 3, 1, 16, 16), torch.Generator().manual_seed(0))
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("wrong", [(1, 3, 8, 8), (1, 3, 1, 12, 8)])
    def test_shapes_that_cannot_be(self, video, wrong):
        with pytest.raises(UsageError, match="multiples of 8"):
            video.encode_mode(torch.zeros(wrong))
        with pytest.raises(UsageError, match="2 generators for 1 clips"):
            video.encode(torch.zeros(1, 3, 1, 16, 16), [torch.Generator(), torch.Generator()])
        with pytest.raises(UsageError, match="cannot decode"):
            video.decode(torch.zeros(1, 5, 1, 1, 1))


class TestPrecision:
    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
    @pytest.mark.parametrize("config", [VIDEO, IMAGE], ids=["video", "image"])
    def test_half_precision_stays_near(self, config, dtype, tolerance):
        latents = noise(1, 4, 2, 2, 2)
        full = build_vae(config, seed=7).decode(latents)
        half = build_vae(config, seed=7).to(dtype=dtype).decode(latents)
        assert half.dtype == dtype
        assert (half.float() - full).abs().max() < tolerance

    def test_pixels_are_truncated_and_clamped(self):
        values = torch.tensor([-2.0, -1.0, 0.0, 0.0039, 0.0040, 1.0, 3.0, torch.inf])
        pixels = to_uint8(values.reshape(1, 1, 1, 1, -1).expand(1, 3, 1, 1, -1))
        assert pixels.shape == (1, 1, 1, 8, 3)
        assert pixels[0, 0, 0, :, 0].tolist() == [0, 0, 127, 127, 128, 255, 255, 255]

    def test_overflow_is_an_error_not_a_picture(self):
        with pytest.raises(UsageError, match=r"overflowed in torch\.float16; decode in bfloat16 or float32"):
            to_uint8(torch.full((1, 3, 1, 2, 2), torch.nan, dtype=torch.float16))
