"""Tables of coefficients against the schedulers they stand for."""

import numpy as np
import pytest
import torch

from nova_eval.errors import UsageError
from nova_eval.nova.plan import Plan
from nova_eval.nova.schedule import DDPM, FlowMatching, from_json, planned_steps

COSINE = DDPM(beta_schedule="squaredcos_cap_v2")


def walk(steps, x, predict, noises):
    """A whole chain: the tables applied to ``x``."""
    noises = iter(noises)
    for step in steps:
        x = step.keep * x + step.take * predict(x, step.timestep)
        if step.draws:
            x = x + step.std * next(noises)
    return x


def predict(x, t):
    return torch.tanh(x) * (0.5 + t / 1000)


class TestDDPM:
    @pytest.mark.parametrize("count", [1, 4, 25, 100])
    @pytest.mark.parametrize("beta_schedule", ["squaredcos_cap_v2", "linear", "scaled_linear"])
    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
    def test_a_chain_equals_diffusers(self, count, beta_schedule, prediction_type):
        from diffusers import DDPMScheduler

        ours = DDPM(beta_schedule=beta_schedule, prediction_type=prediction_type)
        theirs = DDPMScheduler(beta_schedule=beta_schedule, prediction_type=prediction_type, clip_sample=False)
        theirs.set_timesteps(count)
        start = torch.randn(1, 64, generator=torch.Generator().manual_seed(1))
        generator = torch.Generator().manual_seed(2)
        expected = start
        for t in theirs.timesteps:
            expected = theirs.step(predict(expected, float(t)), t, expected, generator=generator).prev_sample
        generator = torch.Generator().manual_seed(2)
        noises = (torch.randn(1, 64, generator=generator) for _ in range(count))
        made = walk(ours.steps(count), start, predict, noises)
        assert [step.timestep for step in ours.steps(count)] == theirs.timesteps.tolist()
        assert float((made - expected).abs().max() / expected.std()) < 1e-4

    @pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
    @pytest.mark.parametrize("count", [3, 7, 50])
    def test_times_equal_diffusers(self, spacing, count):
        from diffusers import DDPMScheduler

        theirs = DDPMScheduler(timestep_spacing=spacing, steps_offset=1)
        theirs.set_timesteps(count)
        assert DDPM(timestep_spacing=spacing, steps_offset=1).timesteps(count) == theirs.timesteps.tolist()

    def test_noise_is_drawn_at_every_time_above_zero(self):
        assert [step.draws for step in COSINE.steps(4)] == [True, True, True, False]

    def test_no_signal_is_left_when_the_last_snr_is_zero(self):
        alphas = DDPM(beta_schedule="squaredcos_cap_v2", rescale_betas_zero_snr=True).alphas_cumprod()
        assert float(alphas[-1]) == 0
        assert float(alphas[0]) == pytest.approx(float(COSINE.alphas_cumprod()[0]), rel=1e-5)

    @pytest.mark.parametrize("count", [0, 1001])
    def test_impossible_step_counts_are_refused(self, count):
        with pytest.raises(UsageError, match=f"diffusion_steps {count} is not within"):
            COSINE.steps(count)

    @pytest.mark.parametrize(
        "change",
        [{"beta_schedule": "cosin"}, {"variance_type": "learned"}, {"prediction_type": "x"}, {"timestep_spacing": "y"}],
    )
    def test_unknown_values_are_named(self, change):
        with pytest.raises(UsageError, match=next(iter(change))):
            DDPM(**change).steps(5)


class TestFlowMatching:
    def test_without_shift_the_levels_are_even(self):
        steps = FlowMatching().steps(5)
        assert [step.timestep for step in steps] == pytest.approx(np.linspace(1000, 1, 5))
        assert sum(step.take for step in steps) == pytest.approx(-1)
        assert not any(step.draws for step in steps)

    def test_the_shift_bends_the_line_of_levels(self):
        sigmas = np.linspace(1, 1 / 1000, 5)
        expected = 3 * sigmas / (1 + 2 * sigmas) * 1000
        assert [step.timestep for step in FlowMatching().steps(5, shift=3.0)] == pytest.approx(expected, rel=1e-5)

    def test_straight_paths_are_followed_exactly(self):
        data, noise = torch.full((4,), 2.0), torch.full((4,), -1.0)
        made = walk(FlowMatching().steps(7, shift=2.5), noise, lambda x, t: noise - data, [])
        assert torch.allclose(made, data, atol=1e-5)


class TestTemperature:
    def plan(self, temperature):
        return Plan(height=8, width=8, diffusion_steps=4, temperature=temperature)

    def test_it_scales_the_noise_that_is_drawn_and_nothing_else(self):
        calm, plain = planned_steps(COSINE, self.plan(0.5)), COSINE.steps(4)
        assert planned_steps(COSINE, self.plan(1.0)) == plain
        assert [step.std for step in calm] == [step.std / 2 for step in plain]
        assert [step._replace(std=0.0) for step in calm] == [step._replace(std=0.0) for step in plain]
        assert plain[0].std > 0

    def test_a_schedule_that_draws_nothing_has_no_temperature(self):
        assert planned_steps(FlowMatching(), self.plan(1.0)) == FlowMatching().steps(4)
        with pytest.raises(UsageError, match="steps draw none"):
            planned_steps(FlowMatching(), self.plan(0.9))

    @pytest.mark.parametrize("temperature", [-0.1, float("inf"), float("nan")])
    def test_it_is_a_number_from_zero(self, temperature):
        with pytest.raises(UsageError, match="temperature is"):
            self.plan(temperature)


class TestConfiguration:
    @pytest.mark.parametrize("schedule", [COSINE, DDPM(steps_offset=1), FlowMatching(shift=3.0)])
    def test_it_survives_being_written(self, schedule):
        assert from_json(schedule.to_json()) == schedule

    def test_an_unknown_scheduler_is_named(self):
        with pytest.raises(UsageError, match="DDIMScheduler"):
            from_json({"_class_name": "DDIMScheduler"})

    def test_dynamic_shifting_is_refused(self):
        with pytest.raises(UsageError, match="use_dynamic_shifting"):
            from_json({"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True})
