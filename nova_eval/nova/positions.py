"""Where a token sits: sinusoids for numbers and grids, and rotary positions over (time, row, column)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

THETA = 10000.0


class Rotary(NamedTuple):
    """Angles of N tokens, one a channel pair: shapes (N, head_dim / 2) or (B, 1, N, head_dim / 2)."""

    cosines: Tensor
    sines: Tensor

    def rotate(self, x: Tensor) -> Tensor:
        """(B, heads, N, head_dim) turned pair by pair (2i, 2i + 1)."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        # (…, head_dim) → 2 × (…, head_dim / 2)
        even, odd = wide.reshape(*wide.shape[:-1], -1, 2).unbind(-1)
        turned = [even * self.cosines - odd * self.sines, even * self.sines + odd * self.cosines]
        # 2 × (…, head_dim / 2) → (…, head_dim), pairs side by side
        return torch.stack(turned, dim=-1).flatten(-2).type_as(x)

    def to(self, device: torch.device) -> Rotary:
        return Rotary(self.cosines.to(device), self.sines.to(device))

    def gather(self, ids: Tensor) -> Rotary:
        """The angles of tokens ``ids`` (B, n) out of N shared ones: (B, 1, n, head_dim / 2)."""
        return Rotary(self.cosines[ids].unsqueeze(1), self.sines[ids].unsqueeze(1))

    def after_prefix(self, length: int) -> Rotary:
        """With ``length`` tokens at the origin put in front."""
        pad = (0, 0, length, 0)
        return Rotary(F.pad(self.cosines, pad, value=1.0), F.pad(self.sines, pad))


def sinusoid(values: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """(…,) numbers → sines and cosines (…, dim / 2), float32, at frequencies 10000^(−i / (dim / 2)).

    Frequencies and angles are rounded to float32 as in the reference: at t = 999 their last digit counts.
    """
    half = dim // 2
    frequencies = torch.exp(torch.arange(half, device=values.device, dtype=torch.float32) * (-math.log(THETA) / half))
    angles = values.float().unsqueeze(-1) * frequencies
    exact = angles.double()
    return exact.sin().float(), exact.cos().float()


def sin_cos(values: Tensor, dim: int = 256) -> Tensor:
    """(…,) → (…, dim), sines first: motion values and frame times."""
    return torch.cat(sinusoid(values, dim), dim=-1)


def cos_sin(values: Tensor, dim: int = 256) -> Tensor:
    """(…,) → (…, dim), cosines first: diffusion timesteps."""
    sines, cosines = sinusoid(values, dim)
    return torch.cat([cosines, sines], dim=-1)


def grid_positions(dim: int, grid: tuple[int, int], base: tuple[int, int]) -> Tensor:
    """(rows · columns, dim) absolute positions in row-major order: [sin x, cos x, sin y, cos y] of column x and row y.

    Coordinates are integers on the ``base`` grid; another grid is stretched over the same range.
    """
    rows, columns = (torch.arange(n, dtype=torch.float32) * (b / n) for n, b in zip(grid, base, strict=True))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.cat([sin_cos(x.flatten(), dim // 2), sin_cos(y.flatten(), dim // 2)], dim=-1)


def token_coordinates(time: int, grid: tuple[int, int]) -> Tensor:
    """(rows · columns, 3) integer (time, row, column) of one frame's tokens in row-major order."""
    y, x = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
    return torch.stack([torch.full_like(x, time), y, x], dim=-1).flatten(0, 1)


def rotary_angles(coordinates: Tensor, head_dim: int) -> Rotary:
    """(…, N, 3) coordinates → cosines and sines (…, N, head_dim / 2), one for each channel pair.

    An eighth of the channels turns with time, the rest is shared by row and column. The origin is not turned.
    """
    time = head_dim // 8
    side = (head_dim - time) // 2
    angles = []
    for axis, dim in enumerate((time, side, side)):
        exponents = torch.arange(0, dim, 2, device=coordinates.device, dtype=torch.float64) / dim
        frequencies = (THETA**-exponents).float()
        angles.append(coordinates[..., axis, None].float() * frequencies)
    stacked = torch.cat(angles, dim=-1)
    return Rotary(stacked.cos(), stacked.sin())
