"""Every option of the official sampler, against its own outputs.

``data/nova_official.*`` was recorded by running baaivision/NOVA (commit 2cd254a) in float64 on rebuilt weights, with
random draws made in float32. In float64 rounding cannot hide a difference: agreement is demanded to 1e-6 standard
deviations, which is what is left after storing the latents in float32.
"""

import json
from dataclasses import replace
from pathlib import Path

import nova_procedural
import pytest
import torch
from safetensors.torch import load_file

from nova_eval.checks import plain_sampler as plain
from nova_eval.nova import schedule
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.draws import SharedDraws
from nova_eval.nova.sampling import Plan, sample_latents
from nova_eval.nova.transformer import NovaTransformer

DATA = Path(__file__).parent / "data"
RECORDED = json.loads((DATA / "nova_official.json").read_text())
TOLERANCE = 1e-6


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def expected():
    return load_file(DATA / "nova_official.safetensors")


def rebuilt(name, shape):
    return torch.from_numpy(nova_procedural.tensor(name, tuple(shape)))


class Case:
    def __init__(self, name):
        facts = RECORDED[name]
        call = facts["call"]
        self.config = TransformerConfig.from_json(facts["config"])
        self.model = NovaTransformer(self.config)
        weights = {key: rebuilt(key, tensor.shape) for key, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(weights)
        self.model.double().eval()
        self.schedule = schedule.from_json(facts["scheduler"])
        self.plan = Plan(
            latent_frames=call["max_latent_length"],
            ar_steps=call["num_inference_steps"],
            diffusion_steps=call["num_diffusion_steps"],
            guidance_scale=call["guidance_scale"],
            guidance_renorm=call.get("guidance_renorm", 1.0),
            guidance_trunc=call.get("guidance_trunc", 0.0),
            motion_flow=call.get("motion_flow", 5),
            flow_shift=call.get("flow_shift"),
        ).sized(self.config.image_size)
        copies = call.get("num_images_per_prompt", 1)
        embeds = rebuilt("prompt_embeds", (2 * facts["prompts"], 16, 32)).double()
        used = embeds if self.plan.guidance.on else embeds[: facts["prompts"]]
        self.embeds = used.repeat_interleave(copies, dim=0)
        self.batch = facts["prompts"] * copies
        self.given = None
        if call["given"]:
            size = self.config.latent_size(*self.config.image_size)
            frame = rebuilt("prompt_embeds.frame", (self.batch, self.config.image_dim, *size))
            self.given = frame.double().unsqueeze(2)

    def run(self, sampler=sample_latents, plan=None, **options):
        draws = SharedDraws(torch.Generator().manual_seed(11), self.batch)
        plan = plan or self.plan
        return sampler(self.model, self.schedule, self.embeds, draws, plan, given=self.given, **options)


def deviation(latents, recorded):
    assert latents.shape == recorded.shape
    return float((latents - recorded).abs().max() / recorded.std())


@pytest.mark.parametrize("name", RECORDED)
def test_the_fast_path_equals_the_official_sampler(name, expected):
    assert deviation(Case(name).run(), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("waste", plain.Waste)
def test_the_slow_reference_equals_the_official_sampler(name, waste, expected):
    assert deviation(Case(name).run(plain.sample_latents, waste=waste), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", ["mixer", "rotary", "renorm", "stride16_video", "two_prompts_three"])
def test_padding_every_step_to_one_shape_changes_nothing(name, expected):
    assert deviation(Case(name).run(fixed_shapes=True), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", ["mixer", "renorm", "given_first_frame", "two_prompts_three"])
def test_drawing_one_step_ahead_changes_not_a_bit(name):
    case = Case(name)
    assert torch.equal(case.run(draw_ahead=True), case.run(draw_ahead=False))


@pytest.mark.parametrize("name", ["mixer", "given_first_frame", "two_prompts"])
def test_from_the_recorded_history_every_set_of_tokens_is_the_recorded_one(name, expected):
    assert deviation(Case(name).run(history=expected[name]), expected[name]) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("renorm", {"guidance_scale": 7.0, "guidance_renorm": 1.0, "guidance_trunc": 0.0}),
        ("renorm_floor", {"guidance_scale": 7.0, "guidance_renorm": 0.8, "guidance_trunc": 0.0}),
        ("trunc", {"guidance_scale": 7.0, "guidance_renorm": 1.0, "guidance_trunc": 0.0}),
        ("flow_trunc_renorm", {"guidance_scale": 7.0, "guidance_renorm": 0.2, "guidance_trunc": 0.0}),
        ("flow_shift_arg", {"flow_shift": None}),
        ("mixer", {"motion_flow": 6.0}),
        ("mixer", {"frame_rate": 24.0}),
    ],
)
def test_the_recorded_cases_notice_every_option(name, change, expected):
    case = Case(name)
    assert deviation(case.run(plan=replace(case.plan, **change)), expected[name]) > 100 * TOLERANCE
