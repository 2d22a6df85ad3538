"""Every option of the official sampler, against its own outputs: the recording that ships with the package."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from nova_eval.checks import plain_sampler as plain
from nova_eval.checks.parity.recordings import SHIPPED, read_json
from nova_eval.checks.parity.sampler import TOLERANCE, SamplerCall, deviation

RECORDED = read_json(SHIPPED / "nova" / "sampler.json")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def expected():
    return load_file(SHIPPED / "nova" / "sampler.safetensors")


def case_of(name):
    return SamplerCall(RECORDED[name])


@pytest.mark.parametrize("name", RECORDED)
def test_the_fast_path_equals_the_official_sampler(name, expected):
    assert deviation(case_of(name).run(), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("waste", plain.Waste)
def test_the_slow_reference_equals_the_official_sampler(name, waste, expected):
    assert deviation(case_of(name).run(plain.sample_latents, waste=waste), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", ["mixer", "rotary", "renorm", "stride16_video", "two_prompts_three"])
def test_padding_every_step_to_one_shape_changes_nothing(name, expected):
    assert deviation(case_of(name).run(fixed_shapes=True), expected[name]) < TOLERANCE


@pytest.mark.parametrize("name", ["mixer", "renorm", "given_first_frame", "two_prompts_three"])
def test_drawing_one_step_ahead_changes_not_a_bit(name):
    case = case_of(name)
    assert torch.equal(case.run(draw_ahead=True), case.run(draw_ahead=False))


@pytest.mark.parametrize("name", ["mixer", "given_first_frame", "two_prompts"])
def test_from_the_recorded_history_every_set_of_tokens_is_the_recorded_one(name, expected):
    assert deviation(case_of(name).run(history=expected[name]), expected[name]) < TOLERANCE


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
    case = case_of(name)
    assert deviation(case.run(plan=replace(case.plan, **change)), expected[name]) > 100 * TOLERANCE
