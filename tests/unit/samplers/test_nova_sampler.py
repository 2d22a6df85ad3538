"""NOVA as a sampler under test."""

import json
import shutil
from dataclasses import fields
from inspect import signature

import numpy as np
import pytest

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.plan import Loading, Plan
from nova_eval.protocols import Sampler
from nova_eval.records import Prompt
from nova_eval.runs.opening import open_run, survey
from nova_eval.runs.options import resolve
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

    def test_its_settings_name_runs_that_exist(self, video_checkpoint):
        settings = NovaSampler(video_checkpoint, latent_frames=2, guidance_scale=7, **QUICK).info.settings
        assert json.dumps(settings) == json.dumps(
            {
                "height": 32,
                "width": 64,
                "latent_frames": 2,
                "ar_steps": 2,
                "diffusion_steps": 2,
                "guidance_scale": 7,
                "guidance_renorm": 1.0,
                "guidance_trunc": 0.0,
                "flow_shift": None,
                "motion_flow": 5.0,
                "negative_prompt": "",
                "total_latent_frames": None,
                "overlap": 1,
                "dtype": "float32",
                "vae_dtype": "auto",
                "draws": "cpu",
            }
        )

    def test_every_way_to_sample_and_load_is_a_setting_once(self):
        parameters = list(signature(NovaSampler).parameters)
        assert parameters[0] == "checkpoint"
        ours = {"checkpoint", "fps", "batch_size"}
        assert set(parameters) - ours == {field.name for kind in (Plan, Loading) for field in fields(kind)}

    def test_moving_it_before_it_is_loaded_loads_it_there(self, video_checkpoint):
        moved = NovaSampler(video_checkpoint, **(QUICK | {"device": "auto"})).to("cpu")
        assert moved.device == moved.pipeline.device == "cpu"

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


def test_weights_that_were_exchanged_are_another_run_for_a_plan_too(video_checkpoint, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(video_checkpoint, model)
    flags = {"sampler": f"nova:{model}", "device": "cpu", "results": tmp_path, "variant": "sprites"}
    asked = resolve("vbench", flags, ["sampler.height=32", "sampler.width=64", "sampler.latent_frames=2"])
    first = open_run(*asked).name
    assert survey(*asked).name == first
    weights = model / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert survey(*asked).name == open_run(*asked).name != first
