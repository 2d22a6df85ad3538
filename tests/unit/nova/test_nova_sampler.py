"""NOVA as a sampler under test, the motion score, and the counting of arithmetic."""

import numpy as np
import pytest

from nova_eval.checks.bench.sampler import measure
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.config import RELEASED, TransformerConfig
from nova_eval.nova.flops import sampling_flops
from nova_eval.nova.motion import motion_score
from nova_eval.nova.sampling import Plan
from nova_eval.protocols import Sampler
from nova_eval.records import Prompt
from nova_eval.samplers import SAMPLERS
from nova_eval.samplers.nova import NovaSampler

QUICK = {"ar_steps": 2, "diffusion_steps": 2, "device": "cpu"}
PROMPTS = [Prompt("t/1", "a fox"), Prompt("t/2", "birds", rewritten="a great many birds")]


@pytest.fixture(scope="module")
def sampler(video_checkpoint):
    return NovaSampler(video_checkpoint, latent_frames=2, **QUICK)


class TestSampler:
    def test_it_is_registered_under_its_name(self):
        assert SAMPLERS.get("nova") is NovaSampler

    def test_it_makes_a_clip_a_prompt_whatever_the_batch(self, sampler):
        assert isinstance(sampler, Sampler)
        together = sampler.sample(PROMPTS, [1, 2])
        assert [clip.shape for clip in together] == [(5, 32, 64, 3)] * 2
        assert np.array_equal(sampler.sample(PROMPTS[1:], [2])[0], together[1])

    def test_it_reads_the_rewritten_prompt(self, sampler):
        plain = Prompt("t/2", "a great many birds")
        assert np.array_equal(sampler.sample([plain], [2])[0], sampler.sample(PROMPTS[1:], [2])[0])

    def test_its_identity_is_all_that_can_change_a_pixel(self, video_checkpoint, sampler):
        info = sampler.info
        assert (info.name, info.modality, info.fps) == (video_checkpoint.name, "video", 12.0)
        assert len(info.checkpoint) == 64
        assert info.settings["dtype"] == "float32"
        assert info == NovaSampler(video_checkpoint, latent_frames=2, batch_size=4, **QUICK).info
        for change in ({"guidance_scale": 3.0}, {"motion_flow": 1.0}, {"negative_prompt": "x"}, {"dtype": "bfloat16"}):
            assert info != NovaSampler(video_checkpoint, latent_frames=2, **(QUICK | change)).info

    def test_the_reference_temperature_leaves_no_trace_in_its_identity(self, video_checkpoint):
        plain, same, cool = (
            NovaSampler(video_checkpoint, **QUICK, **options).info.settings
            for options in ({}, {"temperature": 1.0}, {"temperature": 0.7})
        )
        assert plain == same
        assert cool == plain | {"temperature": 0.7}

    def test_one_latent_frame_is_an_image(self, video_checkpoint):
        info = NovaSampler(video_checkpoint, **QUICK).info
        assert (info.modality, info.fps) == ("image", 0.0)

    def test_what_cannot_be_is_refused_before_weights_are_read(self, video_checkpoint, image_checkpoint, tmp_path):
        with pytest.raises(UsageError, match="nearest size"):
            NovaSampler(video_checkpoint, height=50, **QUICK)
        with pytest.raises(UsageError, match="makes images"):
            NovaSampler(image_checkpoint, latent_frames=3, **QUICK)
        with pytest.raises(PrerequisiteError, match="no checkpoint folder"):
            NovaSampler(tmp_path / "none", **QUICK)


class TestMotion:
    def test_a_faster_shift_scores_higher_and_a_still_clip_nothing(self):
        texture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = np.kron(texture, np.ones((16, 16, 1), np.uint8))

        def moving(pixels):
            return np.stack([np.roll(picture, pixels * t, axis=1) for t in range(4)])

        scores = [motion_score(moving(pixels)) for pixels in (0, 1, 3)]
        assert scores[0] == pytest.approx(0, abs=1e-3)
        assert scores[0] < scores[1] < scores[2]
        assert scores[2] == pytest.approx(3, rel=0.5)

    def test_one_frame_has_no_motion_score(self):
        with pytest.raises(UsageError, match="2 frames or more"):
            motion_score(np.zeros((1, 8, 8, 3), np.uint8))


class TestArithmetic:
    def test_diffusion_steps_cost_the_denoiser_only(self):
        config = RELEASED["nova-d48w1024-osp480"]
        few, many = (
            sampling_flops(config, Plan(480, 768, latent_frames=9, ar_steps=128, diffusion_steps=d)) for d in (25, 100)
        )
        assert few["spatial"] == many["spatial"]
        assert many["denoise"] == pytest.approx(4 * few["denoise"], rel=0.05)
        assert few["total"] == sum(value for name, value in few.items() if name != "total")

    def test_the_count_is_what_torch_counts(self, video_checkpoint):
        from torch.utils.flop_counter import FlopCounterMode

        from nova_eval.nova.pipeline import NovaPipeline

        pipe = NovaPipeline.from_pretrained(video_checkpoint, device="cpu")
        plan = Plan(32, 64, latent_frames=2, ar_steps=3, diffusion_steps=2)
        from nova_eval.nova.draws import SeededDraws
        from nova_eval.nova.sampling import sample_latents

        embeds = pipe.embed(["a fox", ""])
        with FlopCounterMode(display=False) as counter:
            sample_latents(pipe.transformer, pipe.schedule, embeds, SeededDraws([1]), plan)
        ours = sampling_flops(pipe.transformer.config, plan)["total"]
        assert counter.get_total_flops() == pytest.approx(ours, rel=0.15)


def test_the_bench_compares_equal_latents():
    config = TransformerConfig(
        arch=("vit_d1w64", "vit_d2w64", "mlp_d1w64"), image_size=(64, 64), text_token_dim=16, text_token_len=4
    )
    [row] = measure(config, diffusion_steps=[3], ar_steps=3, latent_frames=1, repeats=1)
    assert row.difference < 1e-3
    assert row.speedup == row.seconds_plain / row.seconds_fast
    assert set(row.shares) == {"temporal", "spatial", "denoise"}
    assert 0 < sum(row.shares.values()) <= 1
    assert row.flops > 0
