"""What a folder holds and lacks, in words: one line for each kind of file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from nova_eval.adapters.names import Assignment, Names
from nova_eval.errors import quoted
from nova_eval.protocols import Listing
from nova_eval.records import Prompt, SampleKey

_SHOWN = 3  # names that a line quotes


def describe(listing: Listing, prompts: Sequence[Prompt], names: Names, extra: Assignment) -> list[str]:
    """One line for each kind of file in ``listing`` that occurs, with how many and the first few names.

    ``extra`` says which of the listing's extra files are samples that nobody asked for.
    """
    label = names.label(prompts)
    wanted = len(listing.found) + len(listing.missing) + len(listing.unreadable) + len(listing.wrong_size)
    lines = [f"found {len(listing.found)} of {wanted} samples"]
    if listing.missing:
        prompt_count = len({key.prompt_id for key in listing.missing})
        lines.append(
            f"missing {len(listing.missing)} samples of {prompt_count} prompts: "
            + first(repr(label(key)) for key in listing.missing)
        )
    lines += _wrong_numbers(listing, {prompt.id: prompt.text for prompt in prompts})
    for kind, reasons in (("unreadable", listing.unreadable), ("wrong size", listing.wrong_size)):
        if reasons:
            named = first(f"{label(key)!r} ({reason})" for key, reason in _one_each(reasons).items())
            lines.append(f"{kind} {len(reasons)} samples: {named}")
    suite = {prompt.id: prompt for prompt in prompts}
    refused = {
        key.prompt_id: why
        for key in listing.missing
        if key.prompt_id in suite and (why := names.refusal(suite[key.prompt_id], key.index))
    }
    if refused:
        why = next(iter(refused.values()))
        lines.append(f"of the missing, {len(refused)} prompts cannot be file names ({why})")
    beyond = list(dict.fromkeys(path for paths in extra.files.values() for path in paths))
    if listing.unclear:
        why_unclear = first(dict.fromkeys(listing.unclear.values()))
        lines.append(f"left out {len(listing.unclear)} files whose prompt nothing says: {why_unclear}")
    if beyond:
        lines.append(f"not needed {len(beyond)} further samples: {first(repr(_name(path)) for path in beyond)}")
    if extra.extra:
        lines.append(f"not of this suite {len(extra.extra)} files: {first(repr(_name(path)) for path in extra.extra)}")
    return [*lines, *listing.notes]


def _wrong_numbers(listing: Listing, texts: Mapping[str, str]) -> list[str]:
    """The prompts that have some of their samples but not all."""
    there = Counter(key.prompt_id for part in (listing.found, listing.unreadable, listing.wrong_size) for key in part)
    absent = Counter(key.prompt_id for key in listing.missing)
    short = [prompt_id for prompt_id in absent if there[prompt_id]]
    if not short:
        return []
    named = first(f"{quoted(texts.get(name, name))} ({there[name]} of {there[name] + absent[name]})" for name in short)
    return [f"too few samples of {len(short)} prompts: {named}"]


def _one_each(reasons: Mapping[SampleKey, str]) -> dict[SampleKey, str]:
    """The first sample of each reason: those of one grid share theirs."""
    first: dict[str, SampleKey] = {}
    for key, reason in reasons.items():
        first.setdefault(reason, key)
    return {key: reason for reason, key in first.items()}


def first(names: Iterable[str]) -> str:
    """The first few of them, and how many more there are."""
    shown = list(names)
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _name(path: str) -> str:
    return PurePosixPath(path).name
