"""The slow reference: sampling as the definition reads, nothing hoisted, cached or left out.

Every frame reads its whole history again (block-causal mask instead of a key-value cache); the spatial stack computes
every token; positions, condition and time embeddings are made anew in every diffusion step. What the denoiser is spared
is a choice: ``Waste.FRAME`` runs it on all tokens of the frame and keeps the chosen ones; ``Waste.OFFICIAL`` does the
work of the reference implementation, which embeds and updates the whole frame but runs the blocks on chosen tokens.

The fast path in ``sampling`` is tested and timed against this one.
"""

from __future__ import annotations

from enum import Enum

import torch
from torch import Tensor

from nova_eval.nova.draws import Draws
from nova_eval.nova.layers import patchify, unpatchify
from nova_eval.nova.positions import Rotary
from nova_eval.nova.sampling import Guidance, Plan, tokens_per_step
from nova_eval.nova.schedule import Schedule, planned_steps
from nova_eval.nova.transformer import NovaTransformer, View, take_tokens


class Waste(Enum):
    """How much of the denoiser's work is done for tokens that were not chosen."""

    FRAME = "frame"
    OFFICIAL = "official"


@torch.inference_mode()
def sample_latents(
    model: NovaTransformer,
    schedule: Schedule,
    prompt_embeds: Tensor,
    draws: Draws,
    plan: Plan,
    *,
    given: Tensor | None = None,
    waste: Waste = Waste.OFFICIAL,
) -> Tensor:
    """Equal to ``sampling.sample_latents`` up to rounding: same arguments, same draws."""
    config = model.config
    rows = len(prompt_embeds)
    rows_grid = config.grid(plan.height, plan.width)
    counts = tokens_per_step(rows_grid[0] * rows_grid[1], plan.ar_steps)
    frames: list[Tensor] = [] if given is None else list(given.to(model.exact_dtype).unbind(2))
    prefix = model.prefix(prompt_embeds, _each(plan.motion_flow, rows), _each(plan.frame_rate, rows))
    order: Tensor | None = None
    for _ in range(len(frames), plan.latent_frames):
        condition = _temporal(model, prefix, frames, plan)
        if order is None:
            order = draws.uniform(sum(counts)).argsort(dim=1, stable=True).to(model.device)
        x = torch.zeros(draws.batch, config.image_dim, *config.latent_size(plan.height, plan.width)).to(
            model.device, model.exact_dtype
        )
        start = 0
        for count in counts:
            ids = order[:, start : start + count]
            z = _spatial(model, x, condition, order[:, :start], plan)
            clean = _denoise(model, schedule, z, ids, draws=draws, plan=plan, waste=waste)
            chosen = torch.zeros(*order.shape, 1, device=model.device).scatter_(1, ids.unsqueeze(-1), 1)
            x = x + unpatchify(patchify(clean, config.patch) * chosen, config.patch, rows_grid)
            start += count
        frames.append(x)
    return torch.stack(frames[: plan.latent_frames], dim=2)


def _temporal(model: NovaTransformer, prefix: Tensor, frames: list[Tensor], plan: Plan) -> Tensor:
    """The conditions (rows, M, width) of frame ``len(frames)``, from a pass over all frames before it."""
    t = len(frames)
    grid = tuple(n // 2 for n in model.config.grid(plan.height, plan.width))
    size = grid[0] * grid[1]
    positions = model.temporal_positions(plan.latent_frames, (grid[0], grid[1]))
    parts, angles = [prefix], []
    for i, position in zip(range(t + 1), positions, strict=False):
        shown = model.frame_tokens(frames[i - 1] if i else None, len(frames[0]) if frames else 1, (grid[0], grid[1]))
        x = shown if isinstance(position, Rotary) else shown + position
        parts.append(x.repeat(len(prefix) // len(x), 1, 1))
        if isinstance(position, Rotary):
            angles.append(position)
    rotary = None
    if angles:
        joined = Rotary(torch.cat([a.cosines for a in angles]), torch.cat([a.sines for a in angles]))
        rotary = joined.after_prefix(prefix.shape[1])
    frame_of = torch.tensor([0] * prefix.shape[1] + [i for i in range(t + 1) for _ in range(size)], device=model.device)
    mask = frame_of.unsqueeze(1) >= frame_of.unsqueeze(0)
    outputs = model.video_encoder(torch.cat(parts, dim=1), rotary, mask)[:, prefix.shape[1] :]
    current = outputs[:, -size:]
    return model.mix(outputs[:, :size], current) if t else current


def _spatial(model: NovaTransformer, x: Tensor, condition: Tensor, visible_ids: Tensor, plan: Plan) -> Tensor:
    """All tokens of the frame (rows, L, width), from latents ``x`` known at ``visible_ids``."""
    repeats = len(condition) // len(x)
    positions = model.spatial_positions(model.config.grid(plan.height, plan.width))
    embedded = model.image_encoder.patch_embed(patchify(x, model.config.patch).to(model.dtype))
    masked = model.mask_embed.mask_token.expand_as(embedded)
    if isinstance(positions, Tensor):
        embedded, masked = embedded + positions, masked + positions
    visible = take_tokens(embedded, visible_ids).repeat(repeats, 1, 1)
    rotary = positions if isinstance(positions, Rotary) else None
    view = View(condition, masked.repeat(repeats, 1, 1), visible_ids.repeat(repeats, 1), visible, rotary)
    z: Tensor = model.image_encoder(view)
    return z


def _denoise(
    model: NovaTransformer, schedule: Schedule, z: Tensor, ids: Tensor, *, draws: Draws, plan: Plan, waste: Waste
) -> Tensor:
    """Whole-frame latents (B, C, h, w), clean at ``ids`` (B, n) and meaningless elsewhere."""
    config, guidance = model.config, plan.guidance
    grid, shape = config.grid(plan.height, plan.width), (config.image_dim, *config.latent_size(plan.height, plan.width))
    x = draws.normal(1, shape)[0].to(model.device, model.exact_dtype)
    for step in planned_steps(schedule, plan):
        guided = guidance.on and not step.timestep < guidance.trunc
        repeats = 2 if guided else 1
        z_now, ids_now = z[: repeats * len(x)], ids.repeat(repeats, 1)
        noisy = patchify(x, config.patch).repeat(repeats, 1, 1)
        prediction = _predict(model, noisy, z_now, ids_now, timestep=step.timestep, waste=waste)
        if guided:
            conditional, unconditional = prediction.chunk(2)
            prediction = guide(conditional, unconditional, guidance)
        x = step.keep * x + step.take * unpatchify(prediction, config.patch, grid)
        if step.draws:
            x = x + step.std * draws.normal(1, shape)[0].to(x)
    return x


def _predict(model: NovaTransformer, noisy: Tensor, z: Tensor, ids: Tensor, *, timestep: float, waste: Waste) -> Tensor:
    """(rows, L, token_dim): the prediction at ``ids``, and the noisy values themselves elsewhere, as officially."""
    denoiser, t = model.image_decoder, torch.tensor(timestep, device=model.device)
    where = ids.unsqueeze(-1).expand(-1, -1, noisy.shape[-1])
    if waste is Waste.FRAME:
        chosen = take_tokens(denoiser(noisy.to(model.dtype), t, z), ids)
    else:
        embedded = take_tokens(denoiser.patch_embed(noisy.to(model.dtype)), ids)
        chosen = denoiser.from_embedded(embedded, denoiser.condition(take_tokens(z, ids)) + denoiser.timestep(t))
    return noisy.scatter(1, where, chosen.to(noisy.dtype))


def guide(conditional: Tensor, unconditional: Tensor, guidance: Guidance) -> Tensor:
    """Guided predictions (B, L, D) of whole frames; the norms of renormalisation run over all tokens of a sample."""
    guided = unconditional + guidance.scale * (conditional - unconditional)
    if guidance.renorm < 1:
        norms = [torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True) for x in (conditional, guided)]
        guided = guided * (norms[0] / norms[1]).clamp(guidance.renorm, 1)
    return guided


def _each(value: float | None, rows: int) -> list[float] | None:
    return None if value is None else [value] * rows
