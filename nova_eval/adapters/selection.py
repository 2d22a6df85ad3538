"""Which prompts a limited run takes."""

from __future__ import annotations

from collections.abc import Sequence

from nova_eval.errors import UsageError
from nova_eval.records import Prompt


def select(prompts: Sequence[Prompt], limit: int | None) -> tuple[Prompt, ...]:
    """``limit`` of the prompts, in suite order, spread evenly over the tags. ``None`` takes all.

    A larger limit always contains a smaller one, so raising it later only adds work. Each step serves the tag that
    has the fewest prompts so far (the tag that appears first in the suite among equals) with its next prompt.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"a limit of {limit} prompts leaves nothing to do", remedy="use 1 or more")
    if limit is None or limit >= len(prompts):
        return tuple(prompts)

    waiting: dict[str, list[int]] = {}
    for position, prompt in enumerate(prompts):
        for tag in prompt.tags or ("",):
            waiting.setdefault(tag, []).append(position)
    for positions in waiting.values():
        positions.reverse()  # taken from the end

    chosen: set[int] = set()
    served = dict.fromkeys(waiting, 0)
    while len(chosen) < limit:
        tag = min(waiting, key=served.__getitem__)
        position = waiting[tag].pop()
        if not waiting[tag]:
            del waiting[tag]
        if position in chosen:
            continue
        chosen.add(position)
        for other in prompts[position].tags or ("",):
            served[other] += 1
    return tuple(prompts[position] for position in sorted(chosen))
