"""Which samples are wanted, which of them are this process's share, and how they are cut into units."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from nova_eval.config import BenchmarkConfig
from nova_eval.options import RunOptions
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
    part, parts = options.part
    names = [name for name in places if places[name] % parts == part]
    if options.order != "suite":
        random.Random(int(options.order.partition(":")[2])).shuffle(names)
    by_prompt: dict[str, list[SampleKey]] = {name: [] for name in names}
    for key in keys:
        if key.prompt_id in by_prompt:
            by_prompt[key.prompt_id].append(key)
    return [key for name in names for key in by_prompt[name]]


def stratified(prompts: Sequence[Prompt], seed: int) -> tuple[Prompt, ...]:
    """All prompts, drawn by ``seed``, so that all tags advance together: a beginning has like shares of each.

    Each step serves the tag of which the smallest share is there (the first of the suite among equals) with its next
    prompt; one that serves several tags comes once.
    """
    drawn = list(range(len(prompts)))
    random.Random(seed).shuffle(drawn)
    waiting: dict[str, list[int]] = {tag: [] for prompt in prompts for tag in prompt.tags or ("",)}
    for place in reversed(drawn):  # taken from the end
        for tag in prompts[place].tags or ("",):
            waiting[tag].append(place)
    total = {tag: len(places) for tag, places in waiting.items()}
    served = dict.fromkeys(waiting, 0)
    order: dict[int, None] = {}
    while len(order) < len(prompts):
        tag = min(waiting, key=lambda name: served[name] / total[name])
        place = waiting[tag].pop()
        if place not in order:
            order[place] = None
            for other in prompts[place].tags or ("",):
                served[other] += 1
    return tuple(prompts[place] for place in order)


def units(work: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Consecutive groups of at most ``size``: the smallest piece that is handed out, and the most a crash can cost."""
    iterator = iter(work)
    while unit := tuple(islice(iterator, size)):
        yield unit


_MANY = 8  # workers of whom some would wait long for the last one's last unit


def cut(work: Sequence[T], size: int, workers: int) -> Iterator[tuple[T, ...]]:
    """``units`` of at most ``size`` for so many workers, cut so that all end at about the same time.

    For few workers their number is a multiple of ``workers`` and their sizes differ by one at most: none has more units
    to do than with full ones. For many they are full until the work runs short, and then ever smaller.
    """
    if workers < _MANY:
        number = min(len(work), -(-len(work) // (size * workers)) * workers)
        for place in range(number):
            yield tuple(work[place * len(work) // number : (place + 1) * len(work) // number])
        return
    done = 0
    while done < len(work):
        length = min(size, -(-(len(work) - done) // (2 * workers)))
        yield tuple(work[done : done + length])
        done += length


def by_judges(
    work: Sequence[tuple[T, tuple[str, ...]]], judge_of: Mapping[str, str | None], size: int
) -> Iterator[tuple[tuple[tuple[T, tuple[str, ...]], ...], frozenset[str]]]:
    """Units of samples that the same judges look at, each with the judges to hold in memory from it on.

    ``work`` is samples with their scorers, ``judge_of`` gives a scorer's judge (or its family). A sample is in one
    unit, so it is decoded once; a judge is held from the first unit that needs it to the last, so it is loaded once;
    and the order keeps few judges in memory at a time: those at work and those that still have work.
    """
    groups: dict[frozenset[str], list[tuple[T, tuple[str, ...]]]] = {}
    for sample, scorers in work:
        judges = frozenset(judge for scorer in scorers if (judge := judge_of.get(scorer)) is not None)
        groups.setdefault(judges, []).append((sample, scorers))
    held: frozenset[str] = frozenset()
    while groups:
        # the group that needs the fewest judges beside those in memory, and among equals leaves the fewest idle
        judges = min(groups, key=lambda wanted: (not wanted & held, len(wanted - held), len(held - wanted)))
        group = groups.pop(judges)
        later = frozenset().union(*groups)
        held = (held | judges) & (judges | later)
        for unit in units(group, size):
            yield unit, held
        held &= later
