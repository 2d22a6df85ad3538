"""How the 5 % of a claim are spent over a series of checkpoints whose number nobody knows beforehand.

Checkpoints of one training depend on each other in ways that nobody knows, so the shares are those of Bonferroni: their
sum is 1 however many there are, and the chance of any false claim in the whole series stays below 5 %.
"""

from __future__ import annotations


def share(look: int, planned: int = 0, spent: float = 0.0) -> float:
    """Of the ``look``-th checkpoint, counted from 1.

    Each of ``planned`` ones has as much as the others, and all that come later share the same between them, the k-th of
    them 1 / (k (k + 1)) of it. Without a plan that is all there is: a half, a sixth, a twelfth … Half of what is left
    once ``spent`` is gone is the most, which matters where the plan was changed meanwhile.
    """
    late = look - planned
    found = 1.0 if late <= 0 else 1 / (late * (late + 1))
    return min(found / (planned + 1), max(0.0, 1 - spent) / 2)
