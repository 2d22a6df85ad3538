"""Rules and a judge brought together: what a scorer says of items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nova_eval.protocols import Item, Scorer
from nova_eval.records import Score


def scores_of(scorer: Scorer, items: Sequence[Item], judge: Any) -> list[Score]:
    """The scorer's row of each item, in their order. Raises what the judge raises."""
    return list(scorer.score(items, judge))
