"""What NOVA minimises: the error of the denoiser on hidden tokens of every frame, given the frames before it.

One pass predicts all frames of a clip: block-causal in time (a frame's conditions come from earlier frames only),
masked in space (its hidden tokens are predicted from its visible ones), with a diffusion loss on every hidden token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nova_eval.errors import UsageError
from nova_eval.nova.layers import patchify
from nova_eval.nova.positions import Rotary
from nova_eval.nova.schedule import DDPM, FlowMatching, Schedule
from nova_eval.nova.training.masking import TrainingDraws, others
from nova_eval.nova.transformer import NovaTransformer, View, take_tokens

BASE_FLOW = 5.0


class Losses(NamedTuple):
    """Of images: ``loss`` alone. Of clips of T frames: ``loss_t2i`` (frame 0, × T) and ``loss_i2i`` (× T / (T − 1))."""

    values: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        """What is differentiated: the sum."""
        return torch.stack(list(self.values.values())).sum()


class NoisyTokens(NamedTuple):
    """Tokens with noise, the times the denoiser is told, and what it should answer."""

    tokens: Tensor
    times: Tensor
    target: Tensor


def losses(
    model: NovaTransformer,
    schedule: Schedule,
    latents: Tensor,
    prompt_embeds: Tensor,
    draws: TrainingDraws,
    *,
    flow: Sequence[float] | None = None,
    fps: Sequence[float] | None = None,
) -> Losses:
    """The training losses of ``latents`` (B, C, T, h, w), clean and scaled, with ``prompt_embeds`` (B, len, token_dim).

    ``flow``: motion scores, one a clip (5 where absent); models without motion tokens ignore them.
    """
    batch, _, frames = latents.shape[:3]
    prefix = model.prefix(prompt_embeds, flow or [BASE_FLOW] * batch, fps)
    condition = conditions(model, prefix, latents)
    images = latents.transpose(1, 2).flatten(0, 1)  # (B · T, C, h, w)
    clean = patchify(images, model.config.patch)
    hidden_ids = others(draws.visible_ids, clean.shape[1])
    z = spatial_answer(
        model,
        clean,
        # (B, T, M, width) → (B · T, M, width)
        condition.flatten(0, 1),
        visible_ids=draws.visible_ids,
        hidden_ids=hidden_ids,
        grid=_grid(model, latents),
    )
    errors = _denoising_errors(model, schedule, clean, z, hidden_ids=hidden_ids, draws=draws)  # (repeat, B · T, n)
    shares = errors / (errors.numel() + 1e-5)
    if frames == 1:
        return Losses({"loss": shares.sum()})
    # (repeat, B · T, n) → (B, T) → (T,)
    by_frame = shares.sum((0, 2)).view(batch, frames).sum(0)
    return Losses(
        {"loss_t2i": by_frame[0] * frames, "loss_i2i": by_frame[1:].sum() * (frames / (frames - 1))},
    )


def conditions(model: NovaTransformer, prefix: Tensor, latents: Tensor) -> Tensor:
    """The temporal encoder's outputs for all frames at once, mixed: (B, T, M, width)."""
    batch, _, frames = latents.shape[:3]
    rows, columns = _grid(model, latents)
    grid = rows // 2, columns // 2
    positions = model.temporal_positions(frames, grid)
    parts, angles = [prefix], []
    for t, position in enumerate(positions):
        shown = model.frame_tokens(latents[:, :, t - 1] if t else None, batch, grid)
        if isinstance(position, Rotary):
            angles.append(position)
        else:
            shown = shown + position
        parts.append(shown)
    rotary = None
    if angles:
        joined = Rotary(torch.cat([a.cosines for a in angles]), torch.cat([a.sines for a in angles]))
        rotary = joined.after_prefix(prefix.shape[1])
    size = grid[0] * grid[1]
    mask = block_causal_mask(prefix.shape[1], frames, size).to(prefix.device) if frames > 1 else None
    outputs: Tensor = model.video_encoder(torch.cat(parts, dim=1), rotary, mask)[:, prefix.shape[1] :]
    # (B, T · M, width) → (B, T, M, width)
    by_frame = outputs.reshape(batch, frames, size, -1)
    if frames == 1:
        return by_frame
    first, later = by_frame[:, :1], by_frame[:, 1:]
    return torch.cat([first, model.mix(first, later)], dim=1)


def block_causal_mask(prefix: int, frames: int, size: int) -> Tensor:
    """(N, N) booleans, True where a token (row) sees another: its own frame and earlier ones; prefix = frame 0."""
    frame_of = torch.cat([torch.zeros(prefix, dtype=torch.long), torch.arange(frames).repeat_interleave(size)])
    return frame_of[:, None] >= frame_of[None, :]


def add_noise(schedule: Schedule, clean: Tensor, noise: Tensor, timesteps: Tensor) -> NoisyTokens:
    """``clean`` and ``noise`` (…, D) mixed as ``timesteps`` (…,) say; see ``TrainingDraws`` for their meaning."""
    if isinstance(schedule, DDPM):
        signal = schedule.alphas_cumprod().to(clean.device)[timesteps].to(clean.dtype).unsqueeze(-1)
        noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
        if schedule.prediction_type == "epsilon":
            return NoisyTokens(noisy, timesteps, noise)
        if schedule.prediction_type == "v_prediction":
            return NoisyTokens(noisy, timesteps, signal.sqrt() * noise - (1 - signal).sqrt() * clean)
        return NoisyTokens(noisy, timesteps, clean)
    if not isinstance(schedule, FlowMatching):
        raise UsageError(f"no training noise is known for the schedule {type(schedule).__name__}")
    total = schedule.num_train_timesteps
    level = timesteps / total if timesteps.is_floating_point() else (total - timesteps) / total
    level = (schedule.shift * level / (1 + (schedule.shift - 1) * level)).to(clean.dtype)
    sigma = level.unsqueeze(-1)
    return NoisyTokens((1 - sigma) * clean + sigma * noise, level * total, noise - clean)


def _grid(model: NovaTransformer, latents: Tensor) -> tuple[int, int]:
    patch = model.config.patch
    return latents.shape[-2] // patch, latents.shape[-1] // patch


def spatial_answer(
    model: NovaTransformer,
    clean: Tensor,
    condition: Tensor,
    *,
    visible_ids: Tensor,
    hidden_ids: Tensor,
    grid: tuple[int, int],
) -> Tensor:
    """The spatial stack's answer (R, n, width) at the hidden tokens, from the visible ones of ``clean`` (R, L, D)."""
    positions = model.spatial_positions(grid)
    visible = model.image_encoder.patch_embed(take_tokens(clean, visible_ids).to(model.dtype))
    masked = model.mask_embed.mask_token.expand(clean.shape[1], -1)
    rotary = None
    if isinstance(positions, Rotary):
        rotary = positions
    else:
        masked, visible = masked + positions, visible + positions[visible_ids]
    view = View(condition, masked.expand(len(clean), -1, -1), visible_ids, visible, rotary)
    return model.image_encoder.at(hidden_ids, view)


def _denoising_errors(
    model: NovaTransformer, schedule: Schedule, clean: Tensor, z: Tensor, *, hidden_ids: Tensor, draws: TrainingDraws
) -> Tensor:
    """Squared errors averaged over a token's values, (repeat, R, n), in float32."""
    repeat = len(draws.noise) // len(clean)
    ids = hidden_ids.repeat(repeat, 1)
    target = take_tokens(clean, hidden_ids).repeat(repeat, 1, 1)
    noisy = add_noise(schedule, target, take_tokens(draws.noise, ids).to(target), draws.timesteps.gather(1, ids))
    decoder = model.image_decoder
    condition = decoder.condition(z).repeat(repeat, 1, 1) + decoder.timestep(noisy.times)
    answer = decoder.from_embedded(decoder.patch_embed(noisy.tokens.to(model.dtype)), condition)
    errors = (answer.float() - noisy.target.float()).square().mean(-1)
    # (repeat · R, n) → (repeat, R, n)
    return errors.view(repeat, len(clean), -1)
