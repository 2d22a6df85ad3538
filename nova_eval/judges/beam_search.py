"""Beam search by the rules of transformers 4.33.2, which later releases changed and official captions depend on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A finished text: its ids, prompt included and end token left out, and sum of log-probabilities / their count."""

    score: float
    ids: tuple[int, ...]


@dataclass(slots=True)
class Finished:
    """The best hypotheses of one text so far, at most ``beams`` of them."""

    beams: int
    kept: list[Hypothesis] = field(default_factory=list)

    def add(self, total: float, ids: Sequence[int]) -> None:
        score = total / len(ids)
        if len(self.kept) >= self.beams:
            if score <= self._worst():
                return
            self.kept.remove(min(self.kept, key=_score))  # the first of equal ones
        self.kept.append(Hypothesis(score, tuple(ids)))

    def cannot_improve(self, best_total: float, length: int) -> bool:
        """Whether ``beams`` are kept and the best candidate, at ``length``, is no better than the worst of them."""
        return len(self.kept) >= self.beams and self._worst() >= best_total / length

    def best(self) -> Hypothesis:
        """The highest score; of equal ones the last added."""
        return sorted(self.kept, key=_score)[-1]

    def _worst(self) -> float:
        return min(map(_score, self.kept))


def beam_search(
    step: Step,
    prompt: Sequence[int],
    texts: int,
    *,
    beams: int,
    max_length: int,
    min_length: int,
    end: int,
    pad: int,
) -> list[Hypothesis]:
    """The best continuation of ``prompt`` for each of ``texts`` texts.

    ``step(ids, parents)`` takes the ids to append to each of texts · beams rows, (rows, n), and the row that each one
    continues, (rows,), and gives the log-probabilities of the next id, (rows, vocabulary). Both lengths count the
    prompt. 2 · beams candidates are looked at in each step; an ``end`` counts only among the first ``beams``.
    """
    rows = [list(prompt) for _ in range(texts * beams)]
    totals = torch.full((texts, beams), -1e9)
    totals[:, 0] = 0
    finished = [Finished(beams) for _ in range(texts)]
    done = [False] * texts
    ids, parents = torch.tensor(rows), torch.arange(len(rows))
    while True:
        length = len(rows[0])
        scores = step(ids, parents).float().cpu()
        if length < min_length:
            scores[:, end] = -torch.inf
        vocabulary = scores.shape[-1]
        # (texts · beams, words) → (texts, beams · words)
        candidates = (scores.view(texts, beams, -1) + totals[..., None]).flatten(1)
        best, places = candidates.topk(2 * beams, dim=1)
        chosen: list[tuple[float, int, int]] = []  # total, id, row it continues
        for text in range(texts):
            if done[text]:
                chosen += [(0.0, pad, 0)] * beams
                continue
            ranked = list(zip(best[text].tolist(), places[text].tolist(), strict=True))
            going: list[tuple[float, int, int]] = []
            for rank, (total, place) in enumerate(ranked):
                row, token = text * beams + place // vocabulary, place % vocabulary
                if token != end:
                    going.append((total, token, row))
                elif rank < beams:
                    finished[text].add(total, rows[row])
                if len(going) == beams:
                    break
            chosen += going
            done[text] = finished[text].cannot_improve(ranked[0][0], length + 1)
        totals = torch.tensor([total for total, _, _ in chosen]).view(texts, beams)
        rows = [[*rows[row], token] for _, token, row in chosen]
        ids, parents = torch.tensor([[token] for _, token, _ in chosen]), torch.tensor([row for _, _, row in chosen])
        if all(done) or length + 1 >= max_length:
            break
    for text in range(texts):
        if not done[text]:
            for beam in range(beams):
                finished[text].add(float(totals[text, beam]), rows[text * beams + beam])
    return [hypotheses.best() for hypotheses in finished]


def _score(hypothesis: Hypothesis) -> float:
    return hypothesis.score
