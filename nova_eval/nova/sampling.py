"""From text features to latents: frame by frame, set of tokens by set of tokens, diffusion step by diffusion step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nova_eval.errors import UsageError
from nova_eval.nova.denoiser import Fused, fuse
from nova_eval.nova.draws import Draws, one_ahead
from nova_eval.nova.layers import KeyValueCache, patchify, unpatchify
from nova_eval.nova.plan import Guidance, Plan, tokens_per_step
from nova_eval.nova.positions import Rotary
from nova_eval.nova.schedule import Schedule, Step, planned_steps
from nova_eval.nova.stages import Stages
from nova_eval.nova.transformer import NovaTransformer, View, take_tokens

__all__ = ["Guidance", "Plan", "extrapolate", "sample_latents", "tokens_per_step"]


@torch.inference_mode()
def sample_latents(
    model: NovaTransformer,
    schedule: Schedule,
    prompt_embeds: Tensor,
    draws: Draws,
    plan: Plan,
    *,
    given: Tensor | None = None,
    history: Tensor | None = None,
    stages: Stages | None = None,
    fused: Fused | None = None,
    fixed_shapes: bool = False,
    draw_ahead: bool | None = None,
) -> Tensor:
    """Latents (B, C, T, h, w), scaled, in the model's ``exact_dtype``, of B samples.

    ``prompt_embeds`` (B, text_token_len, token_dim), or (2B, …) with the unconditional rows last when guidance is on.
    ``given`` (B, C, t, h, w): the first t frames, copied and not generated.
    ``history`` (B, C, T, h, w): teacher forcing. Every set of tokens is generated from these values in place of what
    was generated before it, so that deviations do not grow along the sequence.
    ``fused``: the fused denoiser, when it is kept between calls. ``fixed_shapes`` gives every prediction the same
    number of tokens (the longest step's; surplus ones are computed and dropped), as captured graphs need.
    ``draw_ahead``: noise is drawn one step ahead in a thread; None does so where the model is not on a CPU.
    """
    run = _Run(model, schedule, prompt_embeds, draws=draws, plan=plan, stages=stages or Stages(model.device))
    run.fused = fused or fuse(model.image_decoder)
    run.padded = max(run.counts) if fixed_shapes else 0
    run.draw_ahead = model.device.type != "cpu" if draw_ahead is None else draw_ahead
    return run.video(given, history)


def extrapolate(
    model: NovaTransformer,
    schedule: Schedule,
    prompt_embeds: Tensor,
    draws: Draws,
    plan: Plan,
    **options: Any,
) -> Tensor:
    """``total_latent_frames`` of the plan, window after window of its ``latent_frames``: (B, C, total, h, w).

    Every window after the first is given the last ``overlap`` frames and continues them; options as in
    ``sample_latents``. Each window draws its own order of tokens.
    """
    total, overlap = plan.total_latent_frames or plan.latent_frames, plan.overlap
    if not 1 <= overlap < plan.latent_frames:
        raise UsageError(f"overlap {overlap} is not within 1 … {plan.latent_frames - 1}, the window's frames but one")
    given = options.pop("given", None)
    video = sample_latents(model, schedule, prompt_embeds, draws, plan, given=given, **options)
    while video.shape[2] < total:
        window = sample_latents(
            model, schedule, prompt_embeds, draws, plan, given=video[:, :, -overlap:].clone(), **options
        )
        video = torch.cat([video, window[:, :, overlap:]], dim=2)
    return video[:, :, :total]


class _Run:
    """One call of ``sample_latents``: everything that stays the same over frames and steps, computed once."""

    def __init__(
        self,
        model: NovaTransformer,
        schedule: Schedule,
        prompt_embeds: Tensor,
        *,
        draws: Draws,
        plan: Plan,
        stages: Stages,
    ) -> None:
        config = model.config
        self.model, self.draws, self.plan, self.stages = model, draws, plan, stages
        self.batch = draws.batch
        self.rows = 2 * self.batch if plan.guidance.on else self.batch
        if len(prompt_embeds) != self.rows:
            raise UsageError(
                f"{len(prompt_embeds)} rows of prompt embeddings for {self.batch} samples, not {self.rows}"
            )
        self.grid = config.grid(plan.height, plan.width)
        self.latent_size = config.latent_size(plan.height, plan.width)
        self.tokens = self.grid[0] * self.grid[1]
        self.counts = tokens_per_step(self.tokens, plan.ar_steps)
        self.steps = planned_steps(schedule, plan)
        times = torch.tensor([step.timestep for step in self.steps], dtype=torch.float32, device=model.device)
        self.spans = _spans(self.steps, model.image_decoder.timestep(times), plan.guidance, model.exact_dtype)
        self.fused: Fused
        self.padded = 0
        self.draw_ahead = False
        flow = None if plan.motion_flow is None else [plan.motion_flow] * self.rows
        rate = None if plan.frame_rate is None else [plan.frame_rate] * self.rows
        self.prefix = model.prefix(prompt_embeds, flow, rate)
        positions = model.spatial_positions(self.grid)
        self.rotary = positions if isinstance(positions, Rotary) else None
        self.added = None if isinstance(positions, Rotary) else positions
        mask_token = model.mask_embed.mask_token.expand(self.tokens, -1)
        self.masked = (mask_token if self.added is None else mask_token + self.added).expand(self.rows, -1, -1)
        places = torch.arange(config.image_dim * self.latent_size[0] * self.latent_size[1])
        # (C·h·w,) → (C, h, w) → (tokens, token_dim)
        self.places = patchify(places.view(config.image_dim, *self.latent_size), config.patch)

    def video(self, given: Tensor | None, history: Tensor | None) -> Tensor:
        """All frames, (B, C, T, h, w)."""
        model, config = self.model, self.model.config
        ready = [] if given is None else list(given.to(model.device, model.exact_dtype).unbind(2))
        grid = self.grid[0] // 2, self.grid[1] // 2
        positions = model.temporal_positions(self.plan.latent_frames, grid)
        cache = None
        if self.plan.latent_frames > 1:
            capacity = self.prefix.shape[1] + self.plan.latent_frames * grid[0] * grid[1]
            heads, width = config.temporal.heads, config.temporal.width
            cache = KeyValueCache(config.temporal.depth, (self.rows, heads, capacity, width // heads), self.prefix)
        order: Tensor | None = None
        noises: Iterator[tuple[Tensor, Others | None]] = iter(())
        frames: list[Tensor] = []
        first = previous = None
        for t in range(self.plan.latent_frames):
            with self.stages.time("temporal"):
                condition = self.temporal(t, previous, grid, positions[t], cache)
                first = condition if first is None else first
                condition = model.mix(first, condition) if t else condition
            if t < len(ready):
                previous = ready[t]
            else:
                if order is None:
                    order = self.draws.uniform(self.tokens).argsort(dim=1, stable=True)
                    self.places = self.places.to(order.device)
                    chosen = [_pad_last(ids, self.padded) for ids in torch.split(order, self.counts, dim=1)]
                    wanted = chosen * (self.plan.latent_frames - t)
                    noises = one_ahead(wanted, self.noise) if self.draw_ahead else map(self.noise, wanted)
                recorded = None if history is None else history[:, :, t].to(model.device, model.exact_dtype)
                frames.append(self.frame(condition, order, noises, recorded))
                previous = frames[-1] if recorded is None else recorded
                continue
            frames.append(previous)
        return torch.stack(frames, dim=2)

    def temporal(
        self,
        t: int,
        previous: Tensor | None,
        grid: tuple[int, int],
        position: Tensor | Rotary,
        cache: KeyValueCache | None,
    ) -> Tensor:
        """The temporal encoder's outputs for frame ``t``: (rows, M, width)."""
        x = self.model.frame_tokens(previous, self.batch, grid)
        rotary = position if isinstance(position, Rotary) else None
        x = x if isinstance(position, Rotary) else x + position
        x = x.repeat(self.rows // self.batch, 1, 1)
        if t == 0:
            x = torch.cat([self.prefix, x], dim=1)
            rotary = None if rotary is None else rotary.after_prefix(self.prefix.shape[1])
        outputs: Tensor = self.model.video_encoder(x, rotary, cache=cache)
        return outputs[:, -grid[0] * grid[1] :]

    def frame(
        self,
        condition: Tensor,
        order: Tensor,
        noises: Iterator[tuple[Tensor, Others | None]],
        recorded: Tensor | None,
    ) -> Tensor:
        """One frame given the temporal encoder's outputs: (B, C, h, w), each set of tokens from ``recorded`` ones."""
        model, config = self.model, self.model.config
        repeats = self.rows // self.batch
        order_there = order.to(model.device)
        truth = None if recorded is None else patchify(recorded, config.patch)
        known = self.prefix.new_zeros(self.batch, self.tokens, config.token_dim, dtype=model.exact_dtype)
        visible = self.prefix.new_empty(self.batch, 0, self.prefix.shape[-1])
        start = 0
        for count in self.counts:
            ids = order_there[:, start : start + count]
            asked = _pad_last(ids, self.padded)
            with self.stages.time("spatial"):
                seen = order_there[:, :start].repeat(repeats, 1)
                view = View(condition, self.masked, seen, visible.repeat(repeats, 1, 1), self.rotary)
                z = model.image_encoder.at(asked.repeat(repeats, 1), view)
            with self.stages.time("denoise"):
                tokens = self.denoise(z, next(noises), count)[:, :count]
                known.scatter_(1, ids.unsqueeze(-1).expand_as(tokens), tokens)
                shown = tokens if truth is None else take_tokens(truth, ids)
                fresh = model.image_encoder.patch_embed(shown.to(model.dtype))
                if self.added is not None:
                    fresh = fresh + self.added[ids]
                visible = torch.cat([visible, fresh], dim=1)
            start += count
        self.stages.steps += len(self.counts)
        return unpatchify(known, config.patch, self.grid)

    def denoise(self, z: Tensor, drawn_noise: tuple[Tensor, Others | None], count: int) -> Tensor:
        """Clean values of the chosen tokens: ``z`` (rows, n, width) → (B, n, token_dim).

        Tokens from ``count`` on repeat the last chosen one.
        """
        guidance = self.plan.guidance
        noise, others = drawn_noise
        x, *noises = noise.to(self.model.device, self.model.exact_dtype).unbind()
        drawn = 0
        condition = self.model.image_decoder.condition(z)
        for span in self.spans:
            seen = condition if span.guided or not guidance.on else condition[: self.batch]
            modulations = self.fused.modulations(seen, span.times)
            for step, keep, take, modulation in zip(span.steps, span.keep, span.take, modulations, strict=True):
                prediction = self.fused.predict(x.to(condition.dtype), modulation).to(x.dtype)
                if span.guided:
                    conditional, unconditional = prediction.chunk(2)
                    prediction = torch.add(unconditional, conditional - unconditional, alpha=guidance.scale)
                    if others is not None:
                        factor = others.renorm(conditional[:, :count], prediction[:, :count], guidance.renorm)
                        prediction = prediction * factor
                        others.update(step, factor, drawn + step.draws)
                x = keep * x + take * prediction
                if step.draws:
                    x = x.add_(noises[drawn], alpha=step.std)
                    drawn += 1
        return x

    def noise(self, ids: Tensor) -> tuple[Tensor, Others | None]:
        """Every draw of one autoregressive step at the chosen tokens, (1 + draws, B, n, token_dim), and the rest.

        ``ids`` (B, n) lie where the draws do. As the reference draws for the whole frame, so does this. What the other
        tokens get is thrown away, except under renormalised guidance, whose norms count them.
        """
        shape = (self.model.config.image_dim, *self.latent_size)
        # (1 + draws, B, C, h, w) → (1 + draws, B, C·h·w)
        full = self.draws.normal(1 + sum(step.draws for step in self.steps), shape).flatten(2)
        # (B, n, token_dim) → (B, n · token_dim)
        where = self.places[ids].flatten(1)
        # (1 + draws, B, n · token_dim) → (1 + draws, B, n, token_dim)
        picked = full.gather(2, where.expand(len(full), -1, -1)).view(len(full), *ids.shape, -1)
        others = None
        if self.plan.guidance.on and self.plan.guidance.renorm < 1:
            rest = full.scatter(2, where.expand(len(full), -1, -1), 0.0)
            others = Others(rest.to(self.model.device, self.model.exact_dtype))
        return picked, others


def _pad_last(ids: Tensor, length: int) -> Tensor:
    """(B, n) → (B, max(n, length)), the last id repeated."""
    short = length - ids.shape[1]
    return ids if short <= 0 else torch.cat([ids, ids[:, -1:].expand(-1, short)], dim=1)


class _Span(NamedTuple):
    """Successive steps that are all guided, or all not: embedded ``times`` (steps, width), factors as 0-dim tensors."""

    guided: bool
    steps: list[Step]
    times: Tensor
    keep: Sequence[Tensor]
    take: Sequence[Tensor]


def _spans(steps: list[Step], times: Tensor, guidance: Guidance, kind: torch.dtype) -> list[_Span]:
    keep, take = torch.tensor([step[1:3] for step in steps], dtype=kind, device=times.device).t()
    spans: list[_Span] = []
    end = 0
    for guided, group in groupby(steps, lambda step: guidance.on and not step.timestep < guidance.trunc):
        here = slice(end, end + len(list(group)))
        end = here.stop
        spans.append(_Span(guided, steps[here], times[here], keep[here].unbind(), take[here].unbind()))
    return spans


class Others:
    """The tokens of a frame that are not being denoised, which the reference carries along as their own prediction.

    Only the norms in renormalised guidance see them: what the network would predict for them is never computed, and the
    noisy values stand in its place. ``noise`` (1 + draws, B, values) is zero at the chosen tokens.
    """

    def __init__(self, noise: Tensor) -> None:
        self.noise = noise
        self.x = noise[0]

    def renorm(self, conditional: Tensor, guided: Tensor, floor: float) -> Tensor:
        """‖conditional‖ / ‖guided‖ over the whole frame, clamped to [floor, 1]: (B, 1, 1)."""
        rest = self.x.square().sum(1)
        norms = [(prediction.square().sum((1, 2)) + rest).sqrt() for prediction in (conditional, guided)]
        return (norms[0] / norms[1]).clamp(floor, 1)[:, None, None]

    def update(self, step: Step, factor: Tensor, drawn: int) -> None:
        """One guided diffusion step, like that of the chosen tokens; ``drawn`` counts the draws so far."""
        self.x = (step.keep + step.take * factor[:, :, 0]) * self.x
        if step.draws:
            self.x = self.x.add(self.noise[drawn], alpha=step.std)
