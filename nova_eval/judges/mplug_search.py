"""The beam search of mPLUG, which differs from that of transformers: beams that have ended may go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]

LENGTH_PENALTY = 0.6
NEVER = -1e20


class Decoded(NamedTuple):
    """Ids from the start to where the beam stood, an end included, and its penalised sum of log-probabilities."""

    ids: tuple[int, ...]
    score: float


def search(
    step: Step, items: int, *, beams: int, min_length: int, max_length: int, start: int, end: int, device: str = "cpu"
) -> list[list[Decoded]]:
    """Every item's answers, best first.

    ``step(ids, parents)`` takes the next id of each row (rows, 1) and the row of the call before that it continues
    (rows,); it gives log-probabilities (rows, vocabulary). An item has ``beams`` rows in a row; the rows of an item
    that is done are no longer continued. A beam that ends is an answer and stays among the beams; when the best one
    ends, or after ``max_length`` ids, all beams are answers and the item is done. ``end`` is never among the first
    ``min_length`` ids. Scores are divided by ((5 + n) / 6) ** 0.6 after n ids.
    """
    answers: list[list[Decoded]] = [[] for _ in range(items)]
    places = list(range(items))  # whose rows they are
    rows = torch.full((items * beams, 1), start, device=device)
    parents = torch.arange(items * beams, device=device)
    totals = torch.full((items, beams), -torch.inf, device=device)
    totals[:, 0] = 0
    for length in range(1, max_length + 1):
        scores = step(rows[:, -1:], parents).float()
        if length <= min_length:
            scores[:, end] = NEVER
        words, penalty = scores.shape[-1], ((5 + length) / 6) ** LENGTH_PENALTY
        # (items · beams, words) → (items, beams, words)
        candidates = (scores.view(len(places), beams, words) + totals[..., None]) / penalty
        # (items, beams · words) → (items, beams)
        best, chosen = candidates.flatten(1).topk(beams, dim=1)
        totals = best * penalty
        first_rows = torch.arange(0, len(rows), beams, device=device)
        parents = (chosen // words + first_rows[:, None]).flatten()
        rows = torch.cat([rows[parents], (chosen % words).view(-1, 1)], dim=1)
        ended = (rows[:, -1] == end).view(-1, beams)
        done = ended[:, 0] | (length == max_length)
        for number, stands in enumerate((ended | done[:, None]).tolist()):
            for beam in (beam for beam in range(beams) if stands[beam]):
                ids = tuple(rows[number * beams + beam].tolist())
                answers[places[number]].append(Decoded(ids, float(best[number, beam])))
        left = (~done).nonzero()[:, 0]
        if not len(left):
            break
        if len(left) < len(places):
            places = [places[number] for number in left.tolist()]
            kept = (left[:, None] * beams + torch.arange(beams, device=device)).flatten()
            rows, parents, totals = rows[kept], parents[kept], totals[left]
    return [sorted(found, key=lambda answer: -answer.score) for found in answers]
