"""Which part of a suite a run is of: what one command asks for, and the union that the run's record keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from nova_eval.adapters.selection import select
from nova_eval.config import BenchmarkConfig
from nova_eval.options import RunOptions
from nova_eval.plan import wanted_keys
from nova_eval.records import Prompt, SampleKey


class Part(NamedTuple):
    """Prompts in suite order, each with the tags that are asked of it, and the samples of them that are wanted."""

    prompts: tuple[Prompt, ...]
    wanted: tuple[SampleKey, ...]

    def record(self) -> dict[str, list[Any]]:
        """As the manifest has it: by prompt how many samples, and the tags."""
        counts: dict[str, int] = {}
        for key in self.wanted:
            counts[key.prompt_id] = max(counts.get(key.prompt_id, 0), key.index + 1)
        return {prompt.id: [counts.get(prompt.id, 0), list(prompt.tags)] for prompt in self.prompts}


def asked(suite: Iterable[Prompt], config: BenchmarkConfig, options: RunOptions) -> Part:
    """What these options alone ask for."""
    prompts = select(_serving(suite, options.metrics), options.limit)
    return Part(prompts, tuple(wanted_keys(prompts, config, options)))


def within(part: Part, suite: Iterable[Prompt], config: BenchmarkConfig, options: RunOptions) -> Part:
    """What these options ask for of the samples of ``part``, whatever else its prompts serve."""
    ids, there = {prompt.id for prompt in part.prompts}, set(part.wanted)
    prompts, wanted = asked([prompt for prompt in suite if prompt.id in ids], config, options)
    kept = tuple(key for key in wanted if key in there)
    left = {key.prompt_id for key in kept}
    return Part(tuple(prompt for prompt in prompts if prompt.id in left), kept)


def union(suite: Iterable[Prompt], first: Part, second: Part) -> Part:
    """Every sample that one of two wants, with every tag that one of them asks of its prompt."""
    one, other = first.record(), second.record()
    both = {
        name: [max(row[0] for row in rows), [tag for _, tags in rows for tag in tags]]
        for name in {**one, **other}
        if (rows := [record[name] for record in (one, other) if name in record])
    }
    return recorded(suite, both)


def recorded(suite: Iterable[Prompt], record: Mapping[str, Sequence[Any]]) -> Part:
    """The part that ``Part.record`` tells of."""
    prompts = [
        replace(prompt, tags=tuple(tag for tag in prompt.tags if tag in record[prompt.id][1]))
        for prompt in suite
        if prompt.id in record
    ]
    wanted = [SampleKey(prompt.id, index) for prompt in prompts for index in range(record[prompt.id][0])]
    return Part(tuple(prompts), tuple(wanted))


def _serving(prompts: Iterable[Prompt], metrics: Sequence[str]) -> list[Prompt]:
    """The prompts that serve one of ``metrics`` (all without any), with only those tags."""
    if not metrics:
        return list(prompts)
    kept = ((prompt, tuple(tag for tag in prompt.tags if tag in metrics)) for prompt in prompts)
    return [replace(prompt, tags=tags) for prompt, tags in kept if tags]
