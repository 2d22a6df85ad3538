"""Which of a prompt's clips temporal_flickering looks at: the first five still ones, when more than five were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nova_eval.adapters.reduce import NOT_SCORED
from nova_eval.records import SampleKey, Score

KEPT_STATIC_CLIPS = 5
"""With so many samples of a prompt or fewer, none is filtered."""

OFFICIAL_FILTER_ORDER_IS_BY_PATH = True
"""The official filter walks files sorted by path, so ``-10.mp4`` precedes ``-2.mp4``, and keeps the first five
(static_filter.py). Corrected: by index."""

DIMENSION, FILTER = "temporal_flickering", "static_filter"


def in_filter_order(keys: Iterable[SampleKey], by_path: bool = OFFICIAL_FILTER_ORDER_IS_BY_PATH) -> list[SampleKey]:
    """One prompt's samples in the order in which the filter meets them."""
    return sorted(keys, key=(lambda key: f"{key.index}.mp4") if by_path else (lambda key: key.index))


def filtered(
    rows: Sequence[Score],
    verdicts: Mapping[SampleKey, Score],
    by_path: bool = OFFICIAL_FILTER_ORDER_IS_BY_PATH,
) -> Iterator[Score]:
    """The temporal_flickering rows of one prompt, those that the filter does not keep left out by rule.

    ``verdicts`` are the prompt's static_filter rows. A clip without a verdict is unscored, for that reason, until five
    static clips precede it.
    """
    if len(rows) <= KEPT_STATIC_CLIPS:
        yield from rows
        return
    by_key = {row.key: row for row in rows}
    kept = 0
    for key in in_filter_order(by_key, by_path):
        verdict = verdicts.get(key)
        if kept == KEPT_STATIC_CLIPS:
            yield _left_out(by_key[key], f"{KEPT_STATIC_CLIPS} static clips of the prompt precede it")
        elif verdict is None or verdict.value is None:
            reason = verdict.reason if verdict else NOT_SCORED
            yield replace(by_key[key], value=None, weight=1.0, reason=f"static filter: {reason}")
        elif verdict.value > 0:
            kept += 1
            yield by_key[key]
        else:
            yield _left_out(by_key[key], "not static")


def _left_out(row: Score, reason: str) -> Score:
    return replace(row, value=None, weight=0.0, reason=reason)
