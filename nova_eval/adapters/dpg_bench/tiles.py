"""How the official script cuts the picture that holds four samples of a prompt."""

from __future__ import annotations

import numpy as np

from nova_eval.protocols import Frames

TILES = 4


def tiles(grid: Frames, side: int, number: int = TILES) -> Frames:
    """The first ``number`` quarters of an (H, W, 3) picture as (number, side, side, 3), rows first.

    What lies beyond the picture is black; what lies beyond ``2 * side`` is not looked at.
    """
    cut = np.zeros((number, side, side, 3), np.uint8)
    for place in range(number):
        top, left = (part * side for part in divmod(place, 2))
        part = grid[top : top + side, left : left + side]
        cut[place, : part.shape[0], : part.shape[1]] = part
    return cut
