"""The parts of the transformer against literal definitions, and the fast path against recomputation."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_eval.nova import checkpoint
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.denoiser import Denoiser, fuse
from nova_eval.nova.draws import SeededDraws, SharedDraws
from nova_eval.nova.layers import Block, KeyValueCache, PatchEmbed, ScaleShift, patchify, unpatchify
from nova_eval.nova.positions import cos_sin, grid_positions, rotary_angles, sin_cos, token_coordinates
from nova_eval.nova.sampling import tokens_per_step
from nova_eval.nova.transformer import TemporalEncoder, View

CONFIG = TransformerConfig(
    arch=("vit_d2w64", "vit_d4w64", "mlp_d2w96"),
    image_size=(64, 96),
    text_token_dim=32,
    text_token_len=8,
    video_base_size=(3, 2, 3),
)


pytestmark = pytest.mark.usefixtures("one_thread")


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def randomised(module, seed=0):
    for i, parameter in enumerate(module.parameters()):
        parameter.data = randn(*parameter.shape, seed=seed + i) * (0.1 if parameter.ndim < 2 else 0.2)
    return module.double().eval().requires_grad_(False)


class TestPatches:
    @pytest.mark.parametrize("patch", [1, 2, 4])
    def test_embedding_patches_is_the_strided_convolution(self, patch):
        embed = randomised(PatchEmbed(3, 16, patch))
        latents = randn(2, 3, 8, 12)
        expected = embed.proj(latents).flatten(2).transpose(1, 2)
        assert torch.allclose(embed(patchify(latents, patch)), expected)

    def test_values_run_row_in_patch_column_in_patch_channel(self):
        latents = torch.arange(2 * 4 * 4).reshape(2, 4, 4)
        second = patchify(latents, 2)[1]
        assert second.tolist() == [2, 18, 3, 19, 6, 22, 7, 23]

    @given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2, 4]))
    @settings(max_examples=25, deadline=None)
    def test_unpatchify_undoes_patchify(self, channels, rows, columns, patch):
        latents = randn(2, 3, channels, rows * patch, columns * patch)
        assert torch.equal(unpatchify(patchify(latents, patch), patch, (rows, columns)), latents)


class TestPositions:
    def test_sinusoids_are_sines_then_cosines_and_the_other_way_round_for_time(self):
        values = torch.tensor([0.0, 3.0, 999.0])
        angles = values[:, None] * 10000 ** (-torch.arange(128) / 128)
        assert torch.allclose(sin_cos(values), torch.cat([angles.sin(), angles.cos()], -1), atol=1e-3)
        assert torch.allclose(cos_sin(values), torch.cat([angles.cos(), angles.sin()], -1), atol=1e-3)

    def test_grid_positions_put_the_column_first(self):
        x, y = 2.0, 1.0
        frequency = 10000 ** (-3 / 16)
        row = grid_positions(64, (2, 3), (2, 3))[5]
        expected = [math.sin(x * frequency), math.cos(x * frequency), math.sin(y * frequency), math.cos(y * frequency)]
        assert row[3::16].tolist() == pytest.approx(expected, abs=1e-6)

    def test_another_grid_is_stretched_over_the_trained_one(self):
        trained, double = grid_positions(64, (2, 2), (2, 2)), grid_positions(64, (4, 4), (2, 2))
        assert torch.allclose(double.view(4, 4, 64)[::2, ::2].reshape(4, 64), trained)

    @pytest.mark.parametrize("head_dim", [64, 96])
    def test_rotary_turns_channel_pairs_like_complex_numbers(self, head_dim):
        coordinates = token_coordinates(3, (2, 3))
        x = randn(2, 4, 6, head_dim)
        turned = rotary_angles(coordinates, head_dim).rotate(x)
        time, side = head_dim // 8, (head_dim - head_dim // 8) // 2
        start = 0
        for axis, dim in enumerate((time, side, side)):
            for i in range(dim // 2):
                angle = coordinates[:, axis].double() * 10000 ** (-2 * i / dim)
                pair = torch.view_as_complex(x[..., start : start + 2].contiguous())
                expected = torch.view_as_real(pair * torch.exp(1j * angle))
                assert torch.allclose(turned[..., start : start + 2], expected, atol=1e-5)
                start += 2
        assert start == head_dim

    def test_prefix_tokens_are_not_turned(self):
        rotary = rotary_angles(token_coordinates(5, (2, 2)), 64).after_prefix(3)
        x = randn(1, 1, 7, 64)
        assert torch.equal(rotary.rotate(x)[:, :, :3], x[:, :, :3])
        assert not torch.allclose(rotary.rotate(x)[:, :, 3:], x[:, :, 3:])


class TestBlocks:
    def test_the_norm_sits_inside_the_residual(self):
        block = randomised(Block(64, 2))
        x = randn(2, 5, 64)
        qkv = (x @ block.attn.qkv.weight.T + block.attn.qkv.bias).reshape(2, 5, 3, 2, 32)
        logits = torch.einsum("bqhd,bkhd->bhqk", qkv[:, :, 0], qkv[:, :, 1]) / 32**0.5
        mixed = torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), qkv[:, :, 2]).flatten(2)
        y = x + block.norm1(block.attn.proj(mixed))
        hidden = block.mlp.fc1(y)
        gelu = 0.5 * hidden * (1 + torch.erf(hidden / 2**0.5))
        assert torch.allclose(block(x), y + block.norm2(block.mlp.fc2(gelu)))

    def test_some_tokens_alone_get_what_they_get_among_all(self):
        block = randomised(Block(64, 2))
        x, ids = randn(2, 9, 64), torch.tensor([[0, 8], [3, 4]])
        picked = torch.stack([row[i] for row, i in zip(x, ids, strict=True)])
        expected = torch.stack([row[i] for row, i in zip(block(x), ids, strict=True)])
        assert torch.allclose(block.of(picked, x), expected)

    @pytest.mark.parametrize("rank", [1, 24, -1])
    def test_scale_and_shift_modulate_the_first_frame(self, rank):
        mixer = randomised(ScaleShift(64, rank))
        first, current = randn(2, 4, 64), randn(2, 4, 64, seed=1)
        hidden = current * torch.sigmoid(current)
        if rank > 0:
            hidden = hidden @ mixer.lora.weight.T
        both = hidden @ mixer.proj.weight.T + mixer.proj.bias
        assert torch.allclose(mixer(first, current), first * (1 + both[..., :64]) + both[..., 64:])


class TestKeyValueCache:
    def test_frames_one_by_one_equal_all_at_once(self):
        encoder = randomised(TemporalEncoder(CONFIG))
        sizes = [11, 6, 6]
        frames = [randn(2, n, 64, seed=n + i) for i, n in enumerate(sizes)]
        cache = KeyValueCache(2, (2, 1, sum(sizes), 64), frames[0])
        stepwise = torch.cat([encoder(frame, cache=cache) for frame in frames], dim=1)
        frame_of = torch.tensor([i for i, n in enumerate(sizes) for _ in range(n)])
        at_once = encoder(torch.cat(frames, dim=1), mask=frame_of[:, None] >= frame_of)
        assert cache.length == sum(sizes)
        assert torch.allclose(stepwise, at_once)


class TestSpatialStack:
    @pytest.mark.parametrize("known", [0, 1, 7])
    def test_chosen_tokens_alone_get_what_they_get_among_all(self, known):
        stack = randomised(checkpoint.build(CONFIG, 0).image_encoder)
        ids = torch.stack([torch.randperm(24, generator=torch.Generator().manual_seed(i)) for i in range(2)])
        view = View(randn(2, 6, 64), randn(2, 24, 64, seed=1), ids[:, :known], randn(2, known, 64, seed=2))
        chosen = ids[:, known : known + 3]
        expected = torch.stack([row[i] for row, i in zip(stack(view), chosen, strict=True)])
        assert torch.allclose(stack.at(chosen, view), expected)

    def test_the_first_half_does_not_see_masked_tokens(self):
        stack = randomised(checkpoint.build(CONFIG, 0).image_encoder)
        ids = torch.arange(5).expand(2, 5)
        views = [View(randn(2, 6, 64), randn(2, 24, 64, seed=s), ids, randn(2, 5, 64, seed=9)) for s in (1, 2)]
        first, second = (stack.meet(view)[0] for view in views)
        assert torch.equal(first[:, : 6 + 5], second[:, : 6 + 5])
        assert not torch.equal(first[:, 6 + 5 :], second[:, 6 + 5 :])


class TestDenoiser:
    def test_it_is_the_written_formula(self):
        denoiser = randomised(Denoiser(CONFIG))
        x, z, t = randn(2, 3, 16), randn(2, 3, 64, seed=1), torch.tensor([[7.0, 500.0, 999.0]] * 2)

        def norm(v):
            return (v - v.mean(-1, keepdim=True)) / (v.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()

        time, condition = denoiser.time_cond_embed.timestep_proj, denoiser.time_cond_embed.condition_proj
        e = condition.fc2(F.silu(condition.fc1(z))) + time.fc2(F.silu(time.fc1(cos_sin(t).double())))
        h = x @ denoiser.patch_embed.matrix().T + denoiser.patch_embed.proj.bias
        for block in denoiser.blocks:
            scale, shift, gate = block.norm1.proj(F.silu(e)).split(96, -1)
            inner = block.proj.fc2(F.silu(block.proj.fc1(norm(h) * (1 + scale) + shift)))
            h = h + gate * block.norm2(inner)
        scale, shift = denoiser.norm.proj(F.silu(e)).split(96, -1)
        assert torch.allclose(denoiser(x, t, z), denoiser.head(norm(h) * (1 + scale) + shift))

    def test_fused_it_gives_the_same_for_both_halves(self):
        denoiser = randomised(Denoiser(CONFIG))
        x, z, t = randn(2, 3, 16), randn(4, 3, 64, seed=1), torch.linspace(999, 1, 25)
        fused = fuse(denoiser)
        modulations = list(fused.modulations(denoiser.condition(z), denoiser.timestep(t)))
        assert len(modulations) == len(t)
        for time, modulation in zip(t, modulations, strict=True):
            assert torch.allclose(fused.predict(x, modulation), denoiser(x.repeat(2, 1, 1), time, z))

    @pytest.mark.parametrize("rows", [1, 100])
    def test_steps_modulated_together_are_steps_modulated_alone(self, rows):
        fused, times = fuse(randomised(Denoiser(CONFIG))), randn(25, 96)
        condition = randn(rows, 3, 96, seed=1)
        for time, modulation in zip(times, fused.modulations(condition, times), strict=True):
            assert torch.allclose(modulation, fused.modulate(condition + time))


class TestOrder:
    @given(st.integers(1, 2000), st.integers(1, 300))
    @settings(max_examples=60, deadline=None)
    def test_every_token_is_predicted_once(self, tokens, steps):
        counts = tokens_per_step(tokens, steps)
        assert sum(counts) == tokens
        assert min(counts) >= 1
        assert len(counts) <= steps

    def test_the_paper_s_schedule(self):
        counts = tokens_per_step(1440, 128)
        assert sum(counts) == 1440
        assert max(counts) == 18  # 1440 · π/2 / 128


class TestDraws:
    @pytest.mark.parametrize("shape", [(4, 8, 8), (1, 3, 5), (3, 5)])
    def test_many_draws_at_once_are_single_draws_in_order(self, shape):
        draws = SeededDraws([1, 2])
        drawn = draws.normal(3, shape)
        for i, seed in enumerate((1, 2)):
            generator = torch.Generator().manual_seed(seed)
            expected = [torch.randn((1, *shape), generator=generator) for _ in range(3)]
            assert torch.equal(drawn[:, i : i + 1], torch.stack(expected))
            assert torch.equal(draws.generators[i].get_state(), generator.get_state())

    def test_threads_draw_the_same(self):
        together, apart = SeededDraws([1, 2, 3], threads=3), SeededDraws([1, 2, 3])
        assert torch.equal(together.normal(5, (4, 8, 8)), apart.normal(5, (4, 8, 8)))

    def test_one_generator_draws_the_batch_as_one_tensor(self):
        draws = SharedDraws(torch.Generator().manual_seed(3), 2)
        generator = torch.Generator().manual_seed(3)
        assert torch.equal(draws.uniform(7), torch.rand((2, 7, 1), generator=generator)[..., 0])
        assert torch.equal(draws.normal(1, (4, 8, 8))[0], torch.randn((2, 4, 8, 8), generator=generator))
