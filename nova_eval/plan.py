"""Which samples are wanted, which of them are this process's share, and how they are cut into units."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from nova_eval.config import BenchmarkConfig, RunOptions
from nova_eval.records import Prompt, SampleKey

T = TypeVar("T")


def wanted_keys(prompts: Iterable[Prompt], config: BenchmarkConfig, options: RunOptions) -> list[SampleKey]:
    """Every sample that the run is to hold, prompt by prompt. Depends on neither shard nor order nor what is done."""
    return [
        SampleKey(prompt.id, index)
        for prompt in prompts
        for index in range(config.samples_of(prompt.tags, options.samples_per_prompt))
    ]


def share(keys: Sequence[SampleKey], options: RunOptions) -> list[SampleKey]:
    """The keys of this shard, in the order asked for.

    A prompt's samples stay together. Shard i of n takes the prompts whose place in the suite is i modulo n, so that the
    shares are the same whatever the order; ``0/n`` and ``n/n`` are the same shard.
    """
    places: dict[str, int] = {}
    for key in keys:
        places.setdefault(key.prompt_id, len(places))
    names = list(places)
    if options.shard is not None:
        part, parts = options.shard
        names = [name for name in names if places[name] % parts == part]
    if options.order != "suite":
        random.Random(int(options.order.partition(":")[2])).shuffle(names)
    by_prompt: dict[str, list[SampleKey]] = {name: [] for name in names}
    for key in keys:
        if key.prompt_id in by_prompt:
            by_prompt[key.prompt_id].append(key)
    return [key for name in names for key in by_prompt[name]]


def units(work: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Consecutive groups of at most ``size``: the smallest piece that is handed out, and the most a crash can cost."""
    iterator = iter(work)
    while unit := tuple(islice(iterator, size)):
        yield unit
