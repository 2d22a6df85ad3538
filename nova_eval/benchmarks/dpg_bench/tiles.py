"""The official layout: four samples of a prompt as the quarters of one picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nova_eval.media import Clip
from nova_eval.protocols import Frames, Item
from nova_eval.records import Prompt, Sample, SampleKey

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


def items_of_grid(prompt: Prompt, grid: Clip, sample: Sample, side: int | None = None) -> list[Item]:
    """The four samples in a picture of four, as if each had been a file: indices 0 to 3, rows first.

    ``side`` is that of a tile, by default half of the picture's longer one.
    """
    side = side or max(grid.height, grid.width) // 2
    return [
        Item(
            prompt,
            replace(sample, key=SampleKey(prompt.id, place), width=side, height=side),
            Clip(tile[None], 0.0, grid.path),
        )
        for place, tile in enumerate(tiles(grid.frames[0], side))
    ]
