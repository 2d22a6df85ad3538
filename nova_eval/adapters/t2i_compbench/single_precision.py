"""The mean of a region in single precision, rounded as torch's CPU kernel rounds it on one thread.

Official 3D scores compare two such means, and of boxes that are equally near the last bit says which is nearer: where
the exact means are equal, NumPy's own float32 mean decides otherwise in six of ten cases. The order of additions is
that of ``cascade_sum`` (pytorch/pytorch, aten/src/ATen/native/cpu/SumKernel.cpp, BSD-3-Clause).
"""

from __future__ import annotations

import numpy as np

from nova_eval.protocols import Floats

_LANES, _AT_ONCE = 8, 4  # numbers in a vector; vectors that are summed side by side
_LEVELS, _SHORTEST_RUN = 4, 4  # a run of 2⁴ or more terms is summed, then runs, then runs of runs


def mean(region: Floats) -> float:
    """The mean of a part (h, w) of a map in rows. The region must hold something."""
    rows, lanes = _as_summed(region)
    total = np.float32(0)
    for row in _row_sums(rows, lanes):
        total += row
    return float(total / np.float32(region.size))


def _as_summed(region: Floats) -> tuple[Floats, int]:
    """The rows that are summed one by one, and how many neighbors are taken as one vector.

    Whole rows of a map are one long row, and so is a column.
    """
    if region.shape[1] == 1:
        return region.T, 1
    rows = region.reshape(1, -1) if region.flags.c_contiguous else region
    return rows, _LANES if rows.shape[1] >= _LANES else 1


def _row_sums(rows: Floats, lanes: int) -> Floats:
    count, length = rows.shape
    whole = length // lanes * lanes
    vectors = _vector_sums(rows[:, :whole].reshape(count, -1, lanes))
    sums = np.zeros(count, np.float32)
    for place in range(whole, length):
        sums += rows[:, place]
    for lane in range(lanes):
        sums += vectors[:, lane]
    return sums


def _vector_sums(vectors: Floats) -> Floats:
    """(rows, n, lanes) → (rows, lanes)"""
    count, length, lanes = vectors.shape
    whole = length // _AT_ONCE * _AT_ONCE
    parts = _cascade(vectors[:, :whole].reshape(count, -1, _AT_ONCE, lanes))
    sums: Floats = parts[:, 0]
    for place in range(whole, length):
        sums += vectors[:, place]
    for part in range(1, _AT_ONCE):
        sums += parts[:, part]
    return sums


def _cascade(terms: Floats) -> Floats:
    """(rows, n, …) → (rows, …): runs of terms, runs of runs, and so on, so that rounding grows slowly."""
    length = terms.shape[1]
    power = max(_SHORTEST_RUN, max(1, (length - 1).bit_length()) // _LEVELS)
    run = 1 << power
    levels: Floats = np.zeros((_LEVELS, terms.shape[0], *terms.shape[2:]), np.float32)
    done = 0
    while done + run <= length:
        for place in range(done, done + run):
            levels[0] += terms[:, place]
        done += run
        for level in range(1, _LEVELS):
            levels[level] += levels[level - 1]
            levels[level - 1] = 0
            if done & ((run - 1) << (level * power)):
                break
    for place in range(done, length):
        levels[0] += terms[:, place]
    for level in range(1, _LEVELS):
        levels[0] += levels[level]
    total: Floats = levels[0]
    return total
