"""Any diffusers pipeline as a sampler: tiny pipelines with random weights, saved in the official form."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from nova_eval.errors import MediaError, PrerequisiteError, UsageError
from nova_eval.protocols import Sampler
from nova_eval.records import Prompt
from nova_eval.samplers.diffusers import DiffusersSampler, as_clips

PROMPTS = [Prompt(f"suite/{i}", text) for i, text in enumerate(["a red circle", "two cats", "rain on a window"])]
SEEDS = [11, 2**62 + 5, 13]


pytestmark = pytest.mark.usefixtures("one_thread")


def text_parts(folder):
    from tokenizers import pre_tokenizers
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    entries = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({entry: i for i, entry in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=77)
    config = CLIPTextConfig(
        vocab_size=len(entries),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=len(entries) - 2,
        eos_token_id=len(entries) - 1,
        pad_token_id=len(entries) - 1,
    )
    return tokenizer, CLIPTextModel(config).eval()


def save_pipeline(folder, kind):
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionPipeline,
        TextToVideoSDPipeline,
        UNet2DConditionModel,
        UNet3DConditionModel,
    )

    before = torch.get_rng_state()
    torch.manual_seed(0)
    tokenizer, text_encoder = text_parts(folder / "made")
    vae = AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    shape = {"block_out_channels": (8, 8), "norm_num_groups": 4, "cross_attention_dim": 16, "layers_per_block": 1}
    shared = {
        "scheduler": DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
    }
    if kind == "image":
        unet = UNet2DConditionModel(
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            attention_head_dim=2,
            sample_size=8,
            **shape,
        )
        pipeline = StableDiffusionPipeline(
            unet=unet, safety_checker=None, feature_extractor=None, requires_safety_checker=False, **shared
        )
        # Ancestral: it draws at every step, from the samples' own generators.
        pipeline.scheduler = DDPMScheduler(clip_sample=False, steps_offset=1)
    else:
        unet = UNet3DConditionModel(
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            attention_head_dim=4,
            sample_size=8,
            **shape,
        )
        pipeline = TextToVideoSDPipeline(unet=unet, **shared)
    torch.set_rng_state(before)
    pipeline.save_pretrained(folder / kind)
    return folder / kind


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory):
    return save_pipeline(tmp_path_factory.mktemp("pipelines"), "image")


@pytest.fixture(scope="module")
def video_folder(tmp_path_factory):
    return save_pipeline(tmp_path_factory.mktemp("pipelines"), "video")


def image_sampler(folder, **settings):
    return DiffusersSampler(str(folder), **{"height": 16, "width": 24, "steps": 2, "guidance_scale": 3.0} | settings)


def video_sampler(folder, **settings):
    return image_sampler(folder, **{"frames": 3, "steps": 1} | settings)


def nearly_equal(one, other):
    """Kernels of another batch size may round a value over an edge."""
    return one.shape == other.shape and np.abs(one.astype(int) - other.astype(int)).max() <= 1


class TestSamples:
    def test_images(self, image_folder):
        sampler = image_sampler(image_folder)
        assert isinstance(sampler, Sampler)
        (picture,) = sampler.sample(PROMPTS[:1], SEEDS[:1])
        assert (picture.dtype, picture.shape) == (np.uint8, (1, 16, 24, 3))
        assert picture.std() > 1
        assert (sampler.info.modality, sampler.info.fps) == ("image", 0.0)

    def test_videos(self, video_folder):
        sampler = video_sampler(video_folder, fps=12)
        (clip,) = sampler.sample(PROMPTS[:1], SEEDS[:1])
        assert (clip.dtype, clip.shape) == (np.uint8, (3, 16, 24, 3))
        assert (sampler.info.modality, sampler.info.fps) == ("video", 12.0)

    def test_a_video_pipeline_makes_images_of_one_frame(self, video_folder):
        sampler = video_sampler(video_folder, frames=1)
        assert sampler.info.modality == "image"
        assert sampler.sample(PROMPTS[:1], SEEDS[:1])[0].shape == (1, 16, 24, 3)

    def test_it_is_what_the_pipeline_gives_for_that_seed(self, image_folder):
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline.from_pretrained(image_folder, local_files_only=True)
        pipeline.set_progress_bar_config(disable=True)
        expected = pipeline(
            "a red circle",
            height=16,
            width=24,
            num_inference_steps=2,
            guidance_scale=3.0,
            generator=torch.Generator().manual_seed(SEEDS[0]),
        ).images[0]
        (picture,) = image_sampler(image_folder).sample(PROMPTS[:1], SEEDS[:1])
        assert np.array_equal(picture[0], np.asarray(expected))

    def test_the_rewritten_text_is_sampled(self, image_folder):
        sampler = image_sampler(image_folder)
        rewritten = Prompt("suite/9", "something else", rewritten=PROMPTS[0].text)
        assert np.array_equal(sampler.sample([rewritten], [11])[0], sampler.sample(PROMPTS[:1], [11])[0])

    def test_prompt_seed_and_settings_all_matter(self, image_folder):
        sampler = image_sampler(image_folder)
        first = sampler.sample(PROMPTS[:1], [11])[0]
        others = [
            sampler.sample(PROMPTS[1:2], [11])[0],
            sampler.sample(PROMPTS[:1], [12])[0],
            image_sampler(image_folder, guidance_scale=9.0).sample(PROMPTS[:1], [11])[0],
            image_sampler(image_folder, negative_prompt="ugly").sample(PROMPTS[:1], [11])[0],
        ]
        assert not any(np.array_equal(first, other) for other in others)


class TestSeeds:
    def test_images_alone_equal_images_in_a_batch(self, image_folder):
        alone = [image_sampler(image_folder).sample([p], [s])[0] for p, s in zip(PROMPTS, SEEDS, strict=True)]
        singly = image_sampler(image_folder).sample(PROMPTS, SEEDS)
        batched = image_sampler(image_folder, batch_size=2, negative_prompt="").sample(PROMPTS, SEEDS)
        assert all(map(np.array_equal, alone, singly))
        assert all(map(nearly_equal, alone, batched))

    def test_clips_alone_equal_clips_in_a_batch(self, video_folder):
        singly = video_sampler(video_folder).sample(PROMPTS, SEEDS)
        batched = video_sampler(video_folder, batch_size=3).sample(PROMPTS, SEEDS)
        assert all(map(nearly_equal, singly, batched))
        assert not nearly_equal(singly[0], singly[1])

    def test_order_and_global_generator_do_not_matter(self, image_folder):
        sampler = image_sampler(image_folder)
        forwards = sampler.sample(PROMPTS, SEEDS)
        torch.manual_seed(1)
        before = torch.get_rng_state()
        backwards = sampler.sample(PROMPTS[::-1], SEEDS[::-1])[::-1]
        assert all(map(np.array_equal, forwards, backwards))
        assert torch.equal(torch.get_rng_state(), before)


class TestIdentity:
    def test_the_commit_of_a_model_from_the_hub_is_in_the_record(self, image_folder, tmp_path):
        import shutil

        held = tmp_path / "models--mine--tiny" / "snapshots" / ("0123" * 10)
        shutil.copytree(image_folder, held)
        assert image_sampler(held).info.settings["revision"] == "0123" * 10
        assert "revision" not in image_sampler(image_folder).info.settings

    def test_settings_and_weights_name_the_sampler_but_not_the_place(self, image_folder, tmp_path):
        import shutil

        copy = tmp_path / image_folder.name
        shutil.copytree(image_folder, copy)
        info = image_sampler(image_folder).info
        assert image_sampler(copy, batch_size=4, device="cpu").info == info
        assert image_sampler(copy, steps=3).info != info
        assert info.settings["num_inference_steps"] == 2
        file = copy / "unet" / "diffusion_pytorch_model.safetensors"
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
        assert image_sampler(copy).info.checkpoint != info.checkpoint

    def test_hub_blobs_are_not_read_again(self, image_folder, tmp_path):
        import shutil

        from nova_eval.identity import file_digest

        shutil.copytree(image_folder, tmp_path / "snapshot")
        (tmp_path / "blobs").mkdir()
        weights = tmp_path / "snapshot" / "unet" / "diffusion_pytorch_model.safetensors"
        blob = tmp_path / "blobs" / file_digest(weights)
        weights.rename(blob)
        weights.symlink_to(blob)
        assert image_sampler(tmp_path / "snapshot").info.checkpoint == image_sampler(image_folder).info.checkpoint

    def test_the_pipelines_own_defaults_count(self, image_folder, video_folder):
        info = DiffusersSampler(image_folder).info
        assert (info.settings["num_inference_steps"], info.settings["guidance_scale"]) == (50, 7.5)
        assert "height" not in info.settings
        assert DiffusersSampler(image_folder, steps=50, guidance_scale=7.5, eta=0).info == info
        clips = DiffusersSampler(video_folder).info
        assert (clips.modality, clips.fps, clips.settings["num_frames"]) == ("video", 8.0, 16)

    def test_a_run_is_called_after_its_model(self, image_folder, tmp_path):
        import shutil

        commit = tmp_path / "models--stabilityai--sdxl-turbo" / "snapshots" / "71153311d3dbb46851df1931d3ca6e939de83304"
        shutil.copytree(image_folder, commit)
        assert DiffusersSampler(commit).info.name == "sdxl-turbo"
        shutil.copytree(image_folder, tmp_path / "my-model")
        assert DiffusersSampler(tmp_path / "my-model").info.name == "my-model"

    def test_a_models_settings_are_listed_without_its_weights(self, image_folder, tmp_path):
        (tmp_path / "model_index.json").write_text((image_folder / "model_index.json").read_text())
        found = {setting.name: setting for setting in DiffusersSampler.settings_of(str(tmp_path), offline=True)}
        assert (found["steps"].default, found["steps"].form) == (50, "a whole number")
        assert (found["height"].default, found["eta"].default) == (None, 0.0)
        assert not {"prompt", "output_type", "generator"} & found.keys()

    def test_a_plan_names_the_run_until_the_weights_change(self, image_folder, tmp_path):
        import shutil

        from nova_eval.runs.opening import open_run, survey
        from nova_eval.runs.options import resolve

        model = tmp_path / "model"
        shutil.copytree(image_folder, model)
        flags = {"sampler": f"diffusers:{model}", "variant": "sprites", "results": tmp_path, "limit": 1}
        asked = resolve("geneval", flags, ["sampler.steps=2"])
        first = open_run(*asked).name
        assert survey(*asked).name == open_run(*resolve("geneval", flags, ["sampler.steps=2.0"])).name == first
        file = model / "vae" / "config.json"
        file.write_text(file.read_text() + " ")
        assert survey(*asked).name == open_run(*asked).name != first

    def test_nothing_is_loaded_before_the_first_sample(self, image_folder):
        sampler = image_sampler(image_folder)
        assert "pipeline" not in vars(sampler)
        assert sampler.to("cpu") is sampler
        sampler.sample(PROMPTS[:1], SEEDS[:1])
        assert sampler.to("cpu").pipeline.device.type == "cpu"


class TestErrors:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"guidance_scal": 3}, "'guidance_scal'; did you mean 'guidance_scale'"),
            ({"num_inference_step": 3}, "did you mean 'num_inference_steps'"),
            ({"frames": 5}, "unknown argument of StableDiffusionPipeline 'num_frames'"),
            ({"num_images_per_prompt": 2}, "given to StableDiffusionPipeline by the sampler itself"),
            ({"dtype": "fp16"}, "unknown dtype 'fp16'; did you mean 'float16'|unknown dtype 'fp16'; known"),
            ({"batch_size": 0}, "batch_size 0"),
            ({"eta": "much"}, "sampler.eta: 'much' is not a number"),
            ({"num_inference_steps": 3}, "num_inference_steps is given twice"),
        ],
    )
    def test_settings(self, image_folder, settings, message):
        with pytest.raises(UsageError, match=message):
            image_sampler(image_folder, **settings)

    def test_further_arguments_reach_the_pipeline(self, image_folder):
        assert image_sampler(image_folder, guidance_rescale=0.7).info.settings["guidance_rescale"] == 0.7
        assert image_sampler(image_folder, frames=1).info.modality == "image"

    def test_pipelines_without_a_prompt(self, tmp_path):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "DDPMPipeline"}))
        with pytest.raises(UsageError, match="DDPMPipeline takes no prompt"):
            DiffusersSampler(tmp_path)

    @pytest.mark.parametrize(
        ("name", "remedy"),
        [
            ("NOVAPipeline", "use the sampler 'nova'"),
            (["my_code", "MyPipeline"], "code that comes with a model is not run"),
            ("AutoencoderKL", "has no pipeline"),
        ],
    )
    def test_classes_that_diffusers_does_not_have(self, tmp_path, name, remedy):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": name}))
        with pytest.raises(UsageError, match=remedy):
            DiffusersSampler(tmp_path)

    def test_folders_and_ids_that_are_none(self, tmp_path):
        for model in (tmp_path, tmp_path / "nowhere", "no-owner"):
            with pytest.raises(UsageError, match=r"no model_index\.json; give a diffusers folder"):
                DiffusersSampler(model)

    def test_offline_and_not_there(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        with pytest.raises(PrerequisiteError, match="owner/absent-pipeline is not in the local hub cache"):
            DiffusersSampler("owner/absent-pipeline", offline=True)

    def test_broken_weights(self, image_folder, tmp_path):
        import shutil

        shutil.copytree(image_folder, tmp_path / "broken")
        (tmp_path / "broken" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"nothing")
        with pytest.raises(PrerequisiteError, match="diffusers cannot load it"):
            image_sampler(tmp_path / "broken").sample(PROMPTS[:1], SEEDS[:1])

    def test_pictures_blanked_by_a_safety_checker_are_no_samples(self, image_folder):
        sampler = image_sampler(image_folder, batch_size=2)
        call = type(sampler.pipeline).__call__

        class Flagging(type(sampler.pipeline)):
            def __call__(self, *args, **kwargs):
                output = call(self, *args, **kwargs)
                output.nsfw_content_detected = [False, True]
                return output

        sampler.pipeline.__class__ = Flagging
        with pytest.raises(MediaError, match="safety checker blanked 'two cats'"):
            sampler.sample(PROMPTS[:2], SEEDS[:2])


class TestOutputs:
    """One clip of two frames, one color, in every form that pipelines use."""

    color = (10, 128, 250)

    def forms(self):
        pixels = np.broadcast_to(np.array(self.color, np.uint8), (2, 4, 6, 3)).copy()
        pictures = [Image.fromarray(frame) for frame in pixels]
        floats = pixels.astype(np.float32) / 255
        return {
            "pictures": [pictures],
            "arrays": [list(floats)],
            "array": floats[None],
            "half": floats.astype(np.float16)[None],
            "bytes": pixels[None],
            "tensor": torch.from_numpy(floats).permute(0, 3, 1, 2)[None],
            "transparent": np.concatenate([floats, np.zeros_like(floats[..., :1])], -1)[None],
        }

    @pytest.mark.parametrize("form", ["pictures", "arrays", "array", "half", "bytes", "tensor", "transparent"])
    def test_clips(self, form):
        (clip,) = as_clips({"frames": self.forms()[form]})
        assert (clip.dtype, clip.shape) == (np.uint8, (2, 4, 6, 3))
        assert (clip == self.color).all()

    def test_pictures(self):
        grey = Image.new("L", (6, 4), 7)
        clips = as_clips({"images": [grey, np.full((4, 6, 1), 7 / 255), torch.full((1, 4, 6), 7 / 255)]})
        assert all(clip.shape == (1, 4, 6, 3) and (clip == 7).all() for clip in clips)

    def test_values_outside_the_range_are_clipped(self):
        assert as_clips({"images": np.array([[[[-1.0, 0.5, 2.0]]]])})[0].ravel().tolist() == [0, 128, 255]

    @pytest.mark.parametrize(
        ("output", "message"),
        [
            ({"images": np.full((1, 2, 2, 3), np.nan)}, "NaN"),
            ({"images": np.zeros((1, 2, 2))}, "no picture and no clip"),
            ({"images": np.zeros((1, 2, 2, 7))}, "no picture and no clip"),
            ({"sample": 1}, "neither frames nor images"),
        ],
    )
    def test_what_is_no_picture(self, output, message):
        with pytest.raises(MediaError, match=message):
            as_clips(output)
