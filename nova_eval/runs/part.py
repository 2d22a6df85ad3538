"""Which part of a suite a run is of: what one command asks for, and the union that the run's record keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from nova_eval.adapters.selection import select
from nova_eval.config import BenchmarkConfig
from nova_eval.options import RunOptions
from nova_eval.plan import wanted_keys
from nova_eval.records import Prompt, SampleKey


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Whole = TypeVar("Whole", bound=_Dataclass)
"""What has ``prompts`` and ``wanted``."""


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

    def only(self, kept: Collection[SampleKey]) -> Part:
        """What of it is ``kept``: those samples, and the prompts that have one."""
        wanted = tuple(key for key in self.wanted if key in kept)
        left = {key.prompt_id for key in wanted}
        return Part(tuple(prompt for prompt in self.prompts if prompt.id in left), wanted)


def cut(whole: Whole, part: Part) -> Whole:
    """A run, or a side of a comparison, as it is over ``part`` alone."""
    return replace(whole, prompts=part.prompts, wanted=part.wanted)


def asked(suite: Iterable[Prompt], config: BenchmarkConfig, options: RunOptions) -> Part:
    """What these options alone ask for."""
    prompts = select(serving(suite, options.metrics), options.limit)
    return Part(prompts, tuple(wanted_keys(prompts, config, options)))


def within(
    part: Part,
    suite: Iterable[Prompt],
    config: BenchmarkConfig,
    *,
    limit: int | None = None,
    metrics: Sequence[str] = (),
    samples: int | str | None = None,
) -> Part:
    """What is asked for of the samples of ``part``; without a limit, dimensions and samples a prompt it is all of it.

    Under ``metrics`` its prompts serve those that they can, whatever was asked of them before.
    """
    ids = {prompt.id for prompt in part.prompts}
    able = serving([prompt for prompt in suite if prompt.id in ids], metrics) if metrics else part.prompts
    prompts = select(able, limit)
    counts = {prompt.id: config.samples_of(prompt.tags, samples) for prompt in prompts} if samples is not None else {}
    ids = {prompt.id for prompt in prompts}
    kept = {k for k in part.wanted if k.prompt_id in ids and (samples is None or k.index < counts[k.prompt_id])}
    return Part(prompts, part.wanted).only(kept)


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


def serving(prompts: Iterable[Prompt], metrics: Sequence[str]) -> list[Prompt]:
    """The prompts that serve one of ``metrics`` (all without any), with only those tags."""
    if not metrics:
        return list(prompts)
    kept = ((prompt, tuple(tag for tag in prompt.tags if tag in metrics)) for prompt in prompts)
    return [replace(prompt, tags=tags) for prompt, tags in kept if tags]
