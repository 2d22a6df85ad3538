"""A checkpoint's tasks, the independence of samples, and what is refused."""

import logging

import numpy as np
import pytest
import torch

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova import batching
from nova_eval.nova.batching import batch_size, in_batches, rows_are_alike
from nova_eval.nova.pipeline import NovaPipeline
from nova_eval.nova.sampling import Plan
from nova_eval.nova.stages import STAGES

QUICK = {"ar_steps": 3, "diffusion_steps": 3, "guidance_scale": 3.0}
PROMPTS = ["a fox", "two birds", ""]
SEEDS = [5, 2**62, 0]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(3).integers(0, 256, (32, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def alone(pipe):
    return [pipe.generate([p], [s], latent_frames=2, **QUICK)[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]


@pytest.fixture
def latents_of(pipe, monkeypatch):
    """What ``generate`` decodes, for the same arguments."""

    def run(*arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(NovaPipeline, "decode", lambda self, latents, stages: [latents])
            [latents] = pipe.generate(*arguments, **options)
        return latents

    return run


class TestTasks:
    def test_text_to_image_is_one_frame(self, pipe):
        [clip] = pipe.generate(["a fox"], [1], **QUICK)
        assert clip.shape == (1, 32, 64, 3)
        assert clip.dtype == np.uint8

    def test_text_to_video_is_four_frames_a_latent_frame(self, alone):
        assert {clip.shape for clip in alone} == {(5, 32, 64, 3)}

    def test_image_to_video_keeps_the_given_frame_and_goes_on(self, pipe, image, latents_of):
        latents = latents_of(["a fox"], [1], image=image, latent_frames=3, **QUICK)
        pixels = torch.from_numpy(image).float().sub(127.5).div(127.5).permute(2, 0, 1)[None, :, None]
        given = pipe.vae.encode(pixels, torch.Generator().manual_seed(1))
        assert latents.shape == (1, 4, 3, 4, 8)
        assert torch.equal(latents[:, :, :1], given)
        assert not torch.equal(latents[:, :, 1:2], given)

    def test_image_to_video_needs_no_text(self, pipe, image):
        [clip] = pipe.generate([""], [1], image=image, latent_frames=2, **QUICK)
        assert clip.shape == (5, 32, 64, 3)

    def test_an_image_of_another_size_is_cut_to_fit(self, pipe, image):
        tall = np.repeat(image, 2, axis=0)
        [clip] = pipe.generate(["a fox"], [1], image=tall, latent_frames=2, **QUICK)
        assert clip.shape == (5, 32, 64, 3)

    def test_a_clip_goes_on_beyond_its_window(self, pipe, latents_of):
        options = {"latent_frames": 3, **QUICK}
        window = latents_of(["a fox"], [1], **options)
        longer = latents_of(["a fox"], [1], total_latent_frames=6, overlap=2, **options)
        assert longer.shape == (1, 4, 6, 4, 8)
        assert torch.equal(longer[:, :, :3], window)
        [clip] = pipe.generate(["a fox"], [1], total_latent_frames=6, overlap=2, **options)
        assert clip.shape == (21, 32, 64, 3)

    def test_another_size_than_trained(self, pipe):
        [clip] = pipe.generate(["a fox"], [1], height=64, width=32, **QUICK)
        assert clip.shape == (1, 64, 32, 3)

    @pytest.mark.parametrize(
        "change",
        [
            {"negative_prompt": "blurry"},
            {"motion_flow": 50.0},
            {"motion_flow": None},
            {"frame_rate": 30.0},
            {"guidance_scale": 6.0},
            {"guidance_scale": 1.0},
            {"guidance_trunc": 500.0},
            {"guidance_renorm": 0.2},
            {"temperature": 0.5},
        ],
    )
    def test_every_option_reaches_the_pixels(self, pipe, alone, change):
        [clip] = pipe.generate(PROMPTS[:1], SEEDS[:1], latent_frames=2, **(QUICK | change))
        assert not np.array_equal(clip, alone[0])

    def test_a_negative_prompt_may_be_given_for_each(self, pipe):
        together = pipe.generate(PROMPTS[:2], SEEDS[:2], negative_prompt=["dim", ""], **QUICK)
        second = pipe.generate(PROMPTS[1:2], SEEDS[1:2], **QUICK)
        assert np.array_equal(together[1], second[0])

    def test_the_cost_of_a_call_is_known_by_stage(self, pipe):
        pipe.generate(["a fox"], [1], latent_frames=2, **QUICK)
        assert set(pipe.times.seconds) == set(STAGES)
        assert all(pipe.times.seconds[stage] > 0 for stage in STAGES)
        assert all(pipe.times.peak_bytes[stage] > 0 for stage in STAGES)
        assert pipe.times.ar_steps == 6


class TestIndependence:
    def test_a_sample_is_the_same_bits_alone_and_in_any_batch(self, pipe, alone):
        together = pipe.generate(PROMPTS, SEEDS, latent_frames=2, **QUICK)
        for clip, single in zip(together, alone, strict=True):
            assert np.array_equal(clip, single)

    @pytest.mark.parametrize("order", [[2, 0, 1], [1, 0]])
    def test_order_and_shard_do_not_matter(self, pipe, alone, order):
        made = pipe.generate([PROMPTS[i] for i in order], [SEEDS[i] for i in order], latent_frames=2, **QUICK)
        for i, clip in zip(order, made, strict=True):
            assert np.array_equal(clip, alone[i])

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_every_batch_is_filled_up_so_that_company_does_not_matter(self, pipe, size):
        if not rows_are_alike(pipe.transformer, size):
            pytest.skip("this machine's matrix products depend on where a row stands")
        options = {"latent_frames": 2, "batch_size": size, **QUICK}
        together = pipe.generate(PROMPTS, SEEDS, **options)
        for order in ([0], [1], [2, 0], [1, 2, 0]):
            made = pipe.generate([PROMPTS[i] for i in order], [SEEDS[i] for i in order], **options)
            assert all(np.array_equal(clip, together[i]) for i, clip in zip(order, made, strict=True))

    def test_other_batch_sizes_differ_by_rounding_only(self, pipe, alone):
        together = pipe.generate(PROMPTS, SEEDS, latent_frames=2, batch_size=2, **QUICK)
        for clip, single in zip(together, alone, strict=True):
            off = np.abs(clip.astype(int) - single.astype(int))
            assert off.max() <= 2
            assert (off > 1).mean() < 1e-3

    def test_a_sample_alone_is_what_one_generator_draws(self, pipe, alone):
        generator = torch.Generator().manual_seed(SEEDS[0])
        [clip] = pipe.generate(PROMPTS[:1], generator=generator, latent_frames=2, **QUICK)
        [single] = pipe.generate(PROMPTS[:1], SEEDS[:1], latent_frames=2, batch_size=1, **QUICK)
        assert np.array_equal(clip, single)

    def test_a_given_image_draws_from_each_samples_own_seed(self, pipe, image):
        options = {"image": image, "latent_frames": 2, **QUICK}
        together = pipe.generate(PROMPTS[:2], SEEDS[:2], batch_size=2, **options)
        [second] = pipe.generate(PROMPTS[1:2], SEEDS[1:2], **options)
        off = np.abs(together[1].astype(int) - second.astype(int))
        assert (off > 1).mean() < 1e-3

    def test_other_seeds_give_other_samples(self, pipe, alone):
        [clip] = pipe.generate(PROMPTS[:1], [6], latent_frames=2, **QUICK)
        assert not np.array_equal(clip, alone[0])

    def test_nothing_reads_or_moves_the_global_generator(self, pipe, alone):
        torch.manual_seed(123)
        before = torch.get_rng_state()
        [clip] = pipe.generate(PROMPTS[:1], SEEDS[:1], latent_frames=2, **QUICK)
        assert torch.equal(torch.get_rng_state(), before)
        assert np.array_equal(clip, alone[0])


class TestMemory:
    def test_running_out_of_memory_halves_the_batch_and_changes_nothing(self, pipe, monkeypatch, caplog):
        singles = pipe.generate(PROMPTS, SEEDS, latent_frames=2, batch_size=1, **QUICK)
        sizes = []
        sample = NovaPipeline._sample

        def small_card(self, rows, draws, plan, **options):
            sizes.append(draws.batch)
            if draws.batch > 1:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return sample(self, rows, draws, plan, **options)

        monkeypatch.setattr(NovaPipeline, "_sample", small_card)
        with caplog.at_level(logging.WARNING):
            made = pipe.generate(PROMPTS, SEEDS, latent_frames=2, batch_size=3, **QUICK)
        assert sizes == [3, 1, 1, 1]
        assert all(np.array_equal(clip, single) for clip, single in zip(made, singles, strict=True))
        assert "batches of 1" in caplog.text

    def test_one_sample_that_does_not_fit_is_one_clear_line(self):
        def full(*_):
            raise torch.cuda.OutOfMemoryError("out of memory")

        with pytest.raises(PrerequisiteError, match="one sample does not fit"):
            list(in_batches(3, 2, full))

    def test_a_cpu_takes_four_of_a_small_model_where_equal_rows_give_equal_results(self, pipe, monkeypatch):
        plan, cpu = Plan(height=32, width=64), torch.device("cpu")
        assert batch_size(7, cpu, pipe.transformer, plan) == 7
        assert batch_size("auto", cpu, pipe.transformer, plan) == (4 if rows_are_alike(pipe.transformer, 4) else 1)
        monkeypatch.setattr(batching, "SMALL_BYTES", 1)
        assert batch_size("auto", cpu, pipe.transformer, plan) == 1

    def test_a_product_whose_rows_depend_on_their_place_is_noticed(self, pipe, monkeypatch):
        forward = torch.nn.Linear.forward

        def uneven(self, x):
            found = forward(self, x)
            found[-1] += 1e-6 * (len(x) > 64)
            return found

        monkeypatch.setattr(torch.nn.Linear, "forward", uneven)
        assert not rows_are_alike(pipe.transformer, 4)
        assert batch_size("auto", torch.device("cpu"), pipe.transformer, Plan(height=32, width=64)) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"height": 100}, "no multiple of 32.*nearest size is 96x64"),
            ({"seeds": [1, 2]}, "2 seeds for 1 prompts"),
            ({"seeds": None}, "seeds or a generator"),
            ({"prompts": "a fox"}, "one string"),
            ({"ar_steps": 0}, "ar_steps is 0"),
            ({"latent_frames": -1}, "latent_frames is -1"),
            ({"diffusion_steps": 2000}, "diffusion_steps 2000"),
            ({"flow_shift": 2.0}, "flow_shift applies to flow-matching"),
            ({"batch_size": 0}, "batch_size is 0"),
            ({"batch_size": "many"}, "batch_size 'many'"),
            ({"negative_prompt": ["a", "b"]}, "2 negative prompts for 1"),
            ({"image": np.zeros((4, 4), np.uint8)}, "give uint8 RGB"),
            ({"latent_frames": 2, "total_latent_frames": 4, "overlap": 2}, "overlap 2 is not within 1"),
        ],
    )
    def test_what_cannot_be_sampled_is_one_clear_line(self, pipe, call, message):
        arguments = {"prompts": ["a fox"], "seeds": [1], **QUICK} | call
        with pytest.raises(UsageError, match=message) as caught:
            pipe.generate(arguments.pop("prompts"), arguments.pop("seeds"), **arguments)
        assert "\n" not in str(caught.value)

    def test_a_model_of_images_makes_no_video(self, image_checkpoint):
        images = NovaPipeline.from_pretrained(image_checkpoint, device="cpu")
        assert images.generate(["a fox"], [1], **QUICK)[0].shape == (1, 32, 32, 3)
        with pytest.raises(UsageError, match="makes images"):
            images.generate(["a fox"], [1], latent_frames=2, **QUICK)

    def test_a_long_prompt_is_cut_and_said_so(self, pipe, caplog):
        with caplog.at_level(logging.WARNING):
            pipe.generate(["a very long prompt"], [1], **QUICK)
        assert "8 of 18 tokens kept" in caplog.text
