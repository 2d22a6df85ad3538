"""Which tone of the world a pixel shows: a nearest-color table over RGB, five bits a channel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nova_eval.protocols import Frames
from nova_eval.sprites.vocabulary import BACKDROPS, COLORS, PLACES, RGB

CORE = 45.0  # RGB distance within which a pixel certainly shows a tone
NEAR = 60.0  # … and within which it may be the blended edge of one
ALIKE = 26.0  # RGB distance of backdrop tones that count as one


@dataclass(frozen=True, slots=True)
class ToneTable:
    """Tones are numbered: sprite bodies, shades, halfway blends of the two, then backdrop tones.

    Tables over colors are indexed by ``color_codes``.
    """

    nearest: NDArray[np.uint8]  # (32768,) number of the nearest tone
    certain: NDArray[np.bool_]  # (32768,) within CORE of it
    near: NDArray[np.bool_]  # (32768,) within NEAR of it
    places: dict[str, NDArray[np.float32]]  # place → (tones,) 1 where the tone looks like one of the place
    essential: dict[str, NDArray[np.float32]]  # place → (E, tones), a row for each tone it always shows
    count: int


BODIES = len(COLORS)  # tones 0 … BODIES-1 are sprite bodies in the order of COLORS
SPRITE_TONES = 3 * BODIES  # tones below this belong to sprites
PLAIN = "plain backdrop"


@lru_cache(maxsize=1)
def tone_table() -> ToneTable:
    """The table of this world, built once."""
    paints = np.array([list(paint) for paint in COLORS.values()], np.float32)  # (colors, body and shade, 3)
    sprites = np.concatenate([paints[:, 0], paints[:, 1], paints.mean(1)])
    own: dict[str, tuple[RGB, ...]] = {name: tuple(place.tones.values()) for name, place in PLACES.items()}
    own[PLAIN] = BACKDROPS
    tones = np.concatenate([sprites, *(np.array(group, np.float32) for group in own.values())])
    codes = np.arange(32768)
    centres = np.stack([codes >> 10, codes >> 5 & 31, codes & 31], 1).astype(np.float32) * 8 + 3.5
    squared = (centres**2).sum(1)[:, None] - 2 * centres @ tones.T + (tones**2).sum(1)[None]
    nearest = squared.argmin(1)
    distance = np.sqrt(np.maximum(squared[codes, nearest], 0))
    like = {name: _alike(np.array(group, np.float32), tones) for name, group in own.items()}
    places = {name: rows.max(0) for name, rows in like.items()}
    essential = {name: rows[: PLACES[name].essential if name in PLACES else 0] for name, rows in like.items()}
    return ToneTable(nearest.astype(np.uint8), distance < CORE, distance < NEAR, places, essential, len(tones))


def _alike(group: NDArray[np.float32], tones: NDArray[np.float32]) -> NDArray[np.float32]:
    """(G, tones): 1 where a backdrop tone is so close to one of the group that a blurred frame may confuse them."""
    distance = np.linalg.norm(group[:, None] - tones[None], axis=-1)
    distance[:, :SPRITE_TONES] = np.inf
    alike: NDArray[np.float32] = (distance < ALIKE).astype(np.float32)
    return alike


def color_codes(frames: Frames) -> NDArray[np.int32]:
    """The 15-bit color of each pixel of (…, 3) frames, the index into the table."""
    parts = frames.astype(np.int32) >> 3
    codes: NDArray[np.int32] = (parts[..., 0] << 10) | (parts[..., 1] << 5) | parts[..., 2]
    return codes
