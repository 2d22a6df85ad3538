"""The objective is the one of the definition, for every kind of model, and looks at nothing it must not see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nova_eval.checks.plain_sampler import _temporal
from nova_eval.nova.checkpoint import build
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.layers import patchify
from nova_eval.nova.positions import Rotary
from nova_eval.nova.sampling import Plan
from nova_eval.nova.schedule import DDPM, FlowMatching, Schedule
from nova_eval.nova.training.loop import recompute_blocks
from nova_eval.nova.training.masking import MaskRatio, TrainingDraws, draw, mask_ratio, others, predicted_count
from nova_eval.nova.training.objective import add_noise, block_causal_mask, conditions, losses, spatial_answer
from nova_eval.nova.transformer import NovaTransformer, View, take_tokens

COSINE = DDPM(beta_schedule="squaredcos_cap_v2")


def make_model(*, rotary: bool = False, mixer: int | None = 4, frames: int = 3) -> NovaTransformer:
    config = TransformerConfig(
        arch=("vit_d2w64", "vit_d4w64", "mlp_d2w96"),
        image_size=(64, 96),
        text_token_dim=16,
        text_token_len=6,
        video_base_size=(frames, 2, 3),
        video_mixer_rank=mixer,
        rotary_pos_embed=rotary,
    )
    model = build(config, 1).double()
    with torch.no_grad():  # larger than the usual start, so that every part matters
        for tensor in model.state_dict().values():
            tensor.mul_(3.0)
    return model


def material(frames: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(batch, 4, frames, 8, 12, generator=generator).double()
    return latents, torch.randn(batch, 6, 16, generator=generator).double()


def plain_losses(
    model: NovaTransformer, schedule: Schedule, latents: Tensor, embeds: Tensor, draws: TrainingDraws, flow: list[float]
) -> list[Tensor]:
    """Frame after frame and token after token, as the definition reads: per frame, the weighted sum of errors."""
    batch, _, frames, height, width = latents.shape
    plan = Plan(height=8 * height, width=8 * width, latent_frames=frames)
    prefix = model.prefix(embeds, flow)
    grid = height // 2, width // 2
    tokens = grid[0] * grid[1]
    repeat = len(draws.noise) // (batch * frames)
    mask = torch.ones(batch * frames, tokens).scatter_(1, draws.visible_ids, 0)
    total = repeat * mask.sum() + 1e-5
    sums = []
    for t in range(frames):
        history = [latents[:, :, i] for i in range(t)]
        condition = _temporal(model, prefix, history, plan)
        rows = torch.arange(batch) * frames + t
        clean = patchify(latents[:, :, t], 2)
        positions = model.spatial_positions(grid)
        embedded = model.image_encoder.patch_embed(clean)
        masked = model.mask_embed.mask_token.expand_as(embedded)
        if isinstance(positions, Tensor):
            embedded, masked = embedded + positions, masked + positions
        ids = draws.visible_ids[rows]
        rotary = positions if isinstance(positions, Rotary) else None
        z = model.image_encoder(View(condition, masked, ids, take_tokens(embedded, ids), rotary))
        error = torch.zeros((), dtype=torch.float64)
        for r in range(repeat):
            at = rows + r * batch * frames
            noisy = add_noise(schedule, clean, draws.noise[at].double(), draws.timesteps[at])
            answer = model.image_decoder(noisy.tokens, noisy.times, z)
            error = error + ((answer - noisy.target).square().mean(-1) * mask[rows]).sum()
        sums.append(error / total)
    return sums


@pytest.mark.parametrize("schedule", [COSINE, FlowMatching(), FlowMatching(shift=3.0)], ids=["ddpm", "flow", "shifted"])
@pytest.mark.parametrize(
    ("rotary", "mixer", "frames"), [(False, 4, 3), (True, -1, 2), (False, None, 4), (True, None, 1)]
)
def test_losses_are_those_of_the_definition(schedule: Schedule, rotary: bool, mixer: int | None, frames: int) -> None:
    model = make_model(rotary=rotary, mixer=mixer)
    latents, embeds = material(frames)
    draws = draw(model.config, schedule, tuple(latents.shape), torch.Generator().manual_seed(5))
    result = losses(model, schedule, latents, embeds, draws, flow=[2.0, 7.0]).values
    sums = plain_losses(model, schedule, latents, embeds, draws, [2.0, 7.0])
    expected = {"loss": sums[0]}
    if frames > 1:
        expected = {"loss_t2i": sums[0] * frames, "loss_i2i": sum(sums[1:]) * frames / (frames - 1)}
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(result[name].double(), value, rtol=1e-6, atol=0)


def test_conditions_of_a_frame_do_not_see_that_frame_or_later_ones() -> None:
    model = make_model()
    latents, embeds = material(4)
    prefix = model.prefix(embeds, [5.0, 5.0])
    before = conditions(model, prefix, latents)
    changed = latents.clone()
    changed[:, :, 2] += 1
    after = conditions(model, prefix, changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_prefix_belongs_to_frame_zero() -> None:
    mask = block_causal_mask(2, 2, 1)
    assert mask.tolist() == [[True] * 3 + [False]] * 3 + [[True] * 4]


def test_hidden_tokens_are_shown_to_nobody() -> None:
    """The spatial stack's answer is the same whatever the hidden tokens are; visible ones do change it."""
    model = make_model()
    latents, embeds = material(1)
    draws = draw(model.config, COSINE, tuple(latents.shape), torch.Generator().manual_seed(5))
    hidden = others(draws.visible_ids, 24)
    assert sorted(hidden[0].tolist() + draws.visible_ids[0].tolist()) == list(range(24))
    condition = conditions(model, model.prefix(embeds, [5.0, 5.0]), latents)[:, 0]
    clean = patchify(latents[:, :, 0], 2)

    def answer(tokens: Tensor) -> Tensor:
        return spatial_answer(model, tokens, condition, visible_ids=draws.visible_ids, hidden_ids=hidden, grid=(4, 6))

    def replaced(ids: Tensor) -> Tensor:
        return clean.scatter(1, ids.unsqueeze(-1).expand(-1, -1, 16), 9.0)

    assert torch.equal(answer(clean), answer(replaced(hidden)))
    assert not torch.allclose(answer(clean), answer(replaced(draws.visible_ids)))


def test_recomputed_activations_give_the_same_gradients() -> None:
    gradients = []
    for recompute in (False, True):
        model = make_model().requires_grad_(True)
        if recompute:
            recompute_blocks(model)
        latents, embeds = material(3)
        draws = draw(model.config, COSINE, tuple(latents.shape), torch.Generator().manual_seed(5))
        losses(model, COSINE, latents, embeds, draws).total.backward()
        gradients.append([p.grad for p in model.parameters()])
    assert len(gradients[0]) > 20
    for plain, recomputed in zip(*gradients, strict=True):
        assert (plain is None) == (recomputed is None)
        if plain is not None:
            torch.testing.assert_close(plain, recomputed, rtol=1e-12, atol=1e-14)


def test_ddpm_noise_is_the_one_of_diffusers() -> None:
    from diffusers import DDPMScheduler

    reference = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 50, 4, generator=generator)
    timesteps = torch.randint(1000, (50,), generator=generator)
    noisy = add_noise(COSINE, clean, noise, timesteps)
    torch.testing.assert_close(noisy.tokens, reference.add_noise(clean, noise, timesteps), rtol=1e-5, atol=1e-6)
    assert torch.equal(noisy.target, noise)


def test_flow_noise_lies_on_the_line_from_data_to_noise() -> None:
    clean, noise = torch.zeros(3, 4), torch.ones(3, 4)
    noisy = add_noise(FlowMatching(), clean, noise, torch.tensor([0.0, 250.0, 1000.0]))
    assert noisy.tokens[:, 0].tolist() == [0.0, 0.25, 1.0]
    assert noisy.times.tolist() == [0.0, 250.0, 1000.0]
    assert torch.equal(noisy.target, noise - clean)
    indexed = add_noise(FlowMatching(), clean, noise, torch.tensor([0, 750, 999]))
    torch.testing.assert_close(indexed.tokens[:, 0], torch.tensor([1.0, 0.25, 0.001]))


class TestDraws:
    def test_mask_ratio_is_a_truncated_normal(self) -> None:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.tensor([mask_ratio(generator) for _ in range(4000)])
        assert drawn.min() >= 0.7
        assert drawn.max() <= 1.0
        wide = torch.randn(400_000, generator=generator) * 0.25 + 1
        kept = wide[(wide >= 0.7) & (wide <= 1.0)]
        for share in (0.1, 0.5, 0.9):
            assert abs(drawn.quantile(share) - kept[:100_000].quantile(share)) < 0.01

    def test_a_wider_mask_ratio_shows_more_of_a_frame(self) -> None:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.tensor([mask_ratio(generator, MaskRatio(0.5, 0.1)) for _ in range(4000)])
        assert 0.1 <= drawn.min() < 0.13
        assert drawn.max() <= 1.0
        assert drawn.quantile(0.5) < 0.75

    def test_predicted_tokens_are_never_none_and_never_too_many(self) -> None:
        assert [predicted_count(24, ratio) for ratio in (0.7, 0.875, 1.0)] == [17, 21, 24]
        assert predicted_count(1, 0.7) == 1

    def test_timesteps_are_drawn_for_every_token(self) -> None:
        config = make_model().config
        shape = (2, 4, 3, 8, 12)
        ddpm = draw(config, COSINE, shape, torch.Generator().manual_seed(0))
        assert ddpm.timesteps.shape == (24, 24)
        assert not ddpm.timesteps.is_floating_point()
        assert 0 <= ddpm.timesteps.min() < 20
        assert 980 < ddpm.timesteps.max() < 1000
        flow = draw(config, FlowMatching(), shape, torch.Generator().manual_seed(0))
        assert abs(float(flow.timesteps.median()) - 500) < 40
        assert torch.equal(draw(config, COSINE, shape, torch.Generator().manual_seed(0)).noise, ddpm.noise)


@pytest.mark.parametrize("rotary", [False, True])
def test_everything_may_be_hidden(rotary: bool) -> None:
    model = make_model(rotary=rotary)
    latents, embeds = material(2)
    drawn = draw(model.config, COSINE, tuple(latents.shape), torch.Generator().manual_seed(5))
    blind = TrainingDraws(drawn.visible_ids[:, :0], drawn.noise, drawn.timesteps)
    found = losses(model, COSINE, latents, embeds, blind, flow=[5.0, 5.0]).values
    sums = plain_losses(model, COSINE, latents, embeds, blind, [5.0, 5.0])
    torch.testing.assert_close(found["loss_t2i"].double(), 2 * sums[0], rtol=1e-6, atol=0)
