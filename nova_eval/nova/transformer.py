"""The NOVA transformer: temporal encoder over frames, spatial encoder and decoder within one, denoiser on tokens.

Ported from facts about the reference implementation (baaivision/NOVA, Apache-2.0); the parameter names are those of
its checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from nova_eval.nova.config import TEXT_TABLE_ROWS, TransformerConfig
from nova_eval.nova.denoiser import Denoiser
from nova_eval.nova.layers import Block, KeyValueCache, PatchEmbed, ScaleShift, patchify
from nova_eval.nova.positions import Rotary, grid_positions, rotary_angles, sin_cos, token_coordinates

BASE_FLOW = 5.0
BASE_FPS = 12.0


class TemporalEncoder(nn.Module):
    """Reads whole frames in order; its outputs at frame t condition the generation of frame t."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        _, depth, width = config.temporal
        self.patch_embed = PatchEmbed(config.image_dim, width, 2 * config.patch)
        self.blocks = nn.ModuleList(Block(width, config.temporal.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        if config.video_mixer_rank:
            self.mixer = ScaleShift(width, config.video_mixer_rank)

    def forward(
        self,
        x: Tensor,
        rotary: Rotary | None = None,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """(B, N, width) → (B, N, width), after the final norm. Prefix tokens are part of ``x`` and of the result."""
        for i, block in enumerate(self.blocks):
            x = block(x, rotary, mask, None if cache is None else (cache, i))
        outputs: Tensor = self.norm(x)
        return outputs


class View(NamedTuple):
    """What the spatial stack is shown of a frame of L tokens, m of them known.

    ``condition`` (B, M, width) is the temporal encoder's output, ``masked`` (B, L, width) mask tokens with positions,
    ``visible`` (B, m, width) the embedded known tokens with positions, at ``visible_ids`` (B, m). ``rotary`` holds the
    angles of the L tokens in a model with rotary positions.
    """

    condition: Tensor
    masked: Tensor
    visible_ids: Tensor
    visible: Tensor
    rotary: Rotary | None = None


class SpatialStack(nn.Module):
    """Encoder and decoder of masked tokens in one stack: the first half sees visible tokens only, the second all."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        _, depth, width = config.spatial
        self.patch_embed = PatchEmbed(config.image_dim, width, config.patch)
        self.blocks = nn.ModuleList(Block(width, config.spatial.heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, view: View) -> Tensor:
        """All L tokens of a frame: (B, L, width), after the final norm."""
        x, full = self.meet(view)
        for block in self.blocks[len(self.blocks) // 2 :]:
            x = block(x, full)
        z: Tensor = self.norm(x[:, view.condition.shape[1] :])
        return z

    def at(self, chosen_ids: Tensor, view: View) -> Tensor:
        """What ``forward`` gives at ``chosen_ids`` (B, n): (B, n, width). The last block computes only those."""
        x, full = self.meet(view)
        for block in self.blocks[len(self.blocks) // 2 : -1]:
            x = block(x, full)
        queries = take_tokens(x, chosen_ids + view.condition.shape[1])
        angles = None if view.rotary is None or full is None else (view.rotary.gather(chosen_ids), full)
        last = cast(Block, self.blocks[-1])
        z: Tensor = self.norm(last.of(queries, x, angles))
        return z

    def meet(self, view: View) -> tuple[Tensor, Rotary | None]:
        """The first half on [condition, visible]; then [condition, all tokens] (B, M + L, width) and their angles."""
        prefix = view.condition.shape[1]
        angles = None if view.rotary is None else view.rotary.gather(view.visible_ids).after_prefix(prefix)
        x = torch.cat([view.condition, view.visible], dim=1)
        for block in self.blocks[: len(self.blocks) // 2]:
            x = block(x, angles)
        full = torch.cat([x[:, :prefix], view.masked], dim=1)
        where = (view.visible_ids + prefix).unsqueeze(-1).expand(-1, -1, x.shape[-1])
        return full.scatter(1, where, x[:, prefix:]), None if view.rotary is None else view.rotary.after_prefix(prefix)


class MaskEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.bos_token = nn.Parameter(torch.zeros(1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))


class TextEmbed(nn.Module):
    """Projects text features; ``weight`` is the table whose rows stand where a prompt has no token."""

    def __init__(self, token_dim: int, width: int) -> None:
        super().__init__()
        self.weight: Tensor
        self.register_buffer("weight", torch.zeros(TEXT_TABLE_ROWS, token_dim))
        self.proj = nn.Linear(token_dim, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, prompt_embeds: Tensor) -> Tensor:
        tokens: Tensor = self.norm(self.proj(prompt_embeds))
        return tokens


class MotionEmbed(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.flow_proj = _number_projector(width)
        self.fps_proj = _number_projector(width)

    def forward(self, flow: Tensor, fps: Tensor) -> Tensor:
        """Motion scores and frame rates (B,) → (B, 2, width)."""
        dtype = cast(nn.Linear, self.flow_proj[0]).weight.dtype
        tokens = [self.flow_proj(sin_cos(flow).to(dtype)), self.fps_proj(sin_cos(fps).to(dtype))]
        return torch.stack(tokens, dim=1)


class VideoPositions(nn.Module):
    """Absolute positions of the temporal encoder's tokens: learnt projections of time, fixed sinusoids of place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.time_proj = _number_projector(width)

    def time(self, frames: int, base: int) -> Tensor:
        """(frames, width): times of all ``frames``, stretched over the ``base`` frames of training."""
        weight = cast(nn.Linear, self.time_proj[0]).weight
        index = torch.arange(frames, dtype=torch.float32, device=weight.device) / (frames / base)
        times: Tensor = self.norm(self.time_proj(sin_cos(index).to(weight.dtype)))
        return times


def _number_projector(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))


class NovaTransformer(nn.Module):
    """All weights of ``transformer/``. Sampling and training drive the parts; see ``sampling`` and ``plain``."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.spatial.width
        self.video_encoder = TemporalEncoder(config)
        self.image_encoder = SpatialStack(config)
        self.image_decoder = Denoiser(config)
        self.mask_embed = MaskEmbed(width)
        self.text_embed = TextEmbed(config.text_token_dim, width)
        if config.has_motion:
            self.motion_embed = MotionEmbed(width)
        if not config.rotary_pos_embed:
            self.video_pos_embed = VideoPositions(width)

    @property
    def dtype(self) -> torch.dtype:
        return self.mask_embed.mask_token.dtype

    @property
    def exact_dtype(self) -> torch.dtype:
        """What latents and the schedule's arithmetic are kept in: float32, or float64 in a float64 model."""
        return torch.promote_types(self.dtype, torch.float32)

    @property
    def device(self) -> torch.device:
        return self.mask_embed.mask_token.device

    def prefix(self, prompt_embeds: Tensor, flow: Sequence[float] | None, fps: Sequence[float] | None = None) -> Tensor:
        """[text, motion] tokens (B, N, width) in front of frame 0.

        ``prompt_embeds`` (B, text_token_len, token_dim). ``flow`` and ``fps`` give one value a row; a model without
        motion tokens, or ``flow`` None, leaves them out.
        """
        text: Tensor = self.text_embed(prompt_embeds.to(self.device, self.dtype))
        if not self.config.has_motion or flow is None:
            return text
        rates = [BASE_FPS] * len(text) if fps is None else list(fps)
        numbers = (torch.tensor(list(values), dtype=torch.float32, device=self.device) for values in (flow, rates))
        return torch.cat([text, self.motion_embed(*numbers)], dim=1)

    def frame_tokens(self, latents: Tensor | None, batch: int, grid: tuple[int, int]) -> Tensor:
        """What the temporal encoder reads in a frame's place, positions not included: (B, rows · columns, width).

        ``latents`` (B, C, h, w) is the frame before it, None in front of frame 0 (a frame of BOS tokens).
        """
        if latents is None:
            return self.mask_embed.bos_token.expand(batch, grid[0] * grid[1], -1)
        tokens: Tensor = self.video_encoder.patch_embed(patchify(latents.to(self.dtype), 2 * self.config.patch))
        return tokens

    def temporal_positions(self, frames: int, grid: tuple[int, int]) -> list[Tensor | Rotary]:
        """For every frame what is added to its temporal tokens (tokens, width), or their rotary angles."""
        if self.config.rotary_pos_embed:
            head_dim = self.config.temporal.width // self.config.temporal.heads
            return [rotary_angles(token_coordinates(t, grid), head_dim).to(self.device) for t in range(frames)]
        base, *base_grid = self.config.video_base_size
        place = grid_positions(self.config.temporal.width, grid, (base_grid[0], base_grid[1]))
        time = self.video_pos_embed.time(frames, base)
        return [moment + place.to(self.device, self.dtype) for moment in time]

    def spatial_positions(self, grid: tuple[int, int]) -> Tensor | Rotary:
        """What is added to the L tokens of a frame (L, width), or their rotary angles (time is 0)."""
        if self.config.rotary_pos_embed:
            head_dim = self.config.spatial.width // self.config.spatial.heads
            return rotary_angles(token_coordinates(0, grid), head_dim).to(self.device)
        places = grid_positions(self.config.spatial.width, grid, self.config.image_base_size)
        return places.to(self.device, self.dtype)

    def mix(self, first: Tensor, current: Tensor) -> Tensor:
        """``current`` through the scaling-and-shift layer, or as it is in a model without one."""
        if not self.config.video_mixer_rank:
            return current
        mixed: Tensor = self.video_encoder.mixer(first, current)
        return mixed


def take_tokens(x: Tensor, ids: Tensor) -> Tensor:
    """Tokens ``ids`` (B, n) of ``x`` (B, N, D): (B, n, D)."""
    return x.gather(1, ids.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
