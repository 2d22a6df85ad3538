"""Arithmetic of sampling, counted from shapes: multiplications and additions of matrix products and attention."""

from __future__ import annotations

from nova_eval.nova.config import Stack, TransformerConfig
from nova_eval.nova.plan import Plan, tokens_per_step


def sampling_flops(config: TransformerConfig, plan: Plan, batch: int = 1) -> dict[str, int]:
    """Floating-point operations of the fast path for ``batch`` samples: temporal, spatial, denoise, and their total.

    Text encoder and autoencoder are not counted, nor norms and activations.
    """
    rows = 2 * batch if plan.guidance.on else batch
    grid = config.grid(plan.height, plan.width)
    tokens, memory = grid[0] * grid[1], grid[0] * grid[1] // 4
    prefix = config.text_token_len + (2 if config.has_motion and plan.motion_flow is not None else 0)
    counts = tokens_per_step(tokens, plan.ar_steps)
    temporal = spatial = denoise = 0
    seen = 0
    for t in range(plan.latent_frames):
        fresh = memory + (prefix if t == 0 else 0)
        seen += fresh
        temporal += config.temporal.depth * _block(config.temporal, fresh, seen)
        known = 0
        for count in counts:
            half = config.spatial.depth // 2
            spatial += half * _block(config.spatial, memory + known, memory + known)
            spatial += (half - 1) * _block(config.spatial, memory + tokens, memory + tokens)
            spatial += _last_block(config.spatial, count, memory + tokens)
            denoise += _denoiser(config, count, plan.diffusion_steps)
            known += count
    stages = {"temporal": rows * temporal, "spatial": rows * spatial, "denoise": rows * denoise}
    return {**stages, "total": sum(stages.values())}


def _block(stack: Stack, queries: int, keys: int) -> int:
    """Attention and MLP of one block for ``queries`` new tokens that look at ``keys``."""
    return 2 * 12 * queries * stack.width**2 + 4 * queries * keys * stack.width


def _last_block(stack: Stack, queries: int, keys: int) -> int:
    """The block that computes ``queries`` out of ``keys`` tokens only."""
    return 2 * stack.width**2 * (10 * queries + 2 * keys) + 4 * queries * keys * stack.width


def _denoiser(config: TransformerConfig, tokens: int, steps: int) -> int:
    """All diffusion steps of ``tokens`` tokens, and their condition once."""
    _, depth, width = config.denoiser
    condition = (config.spatial.width + width) * width
    step = (5 * depth + 2) * width**2 + 2 * width * config.token_dim
    return 2 * tokens * (condition + steps * step)
