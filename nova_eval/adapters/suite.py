"""Suites of prompts: the official ones and the package's own, in VBench's schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

from typing_extensions import TypedDict

from nova_eval import reading
from nova_eval.adapters.sources import Source, load_sources, locate
from nova_eval.config import Facts
from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.identity import suite_digest
from nova_eval.records import Prompt

SPRITES = "sprites.json"


@dataclass(frozen=True)
class Suite:
    """Every prompt of one variant of a benchmark. ``source`` says where it came from, ``notes`` what was decided."""

    benchmark: str
    variant: str
    prompts: tuple[Prompt, ...]
    source: str
    notes: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def digest(self) -> str:
        return suite_digest(self.prompts)


Find: TypeAlias = Callable[[Source], Path]
"""Where a pinned file lies, verified. PrerequisiteError where it is nowhere."""

ReadOfficial: TypeAlias = Callable[[Mapping[str, Source], Find], Suite]
"""The official suite from the pinned files, by role."""


class _Rewrite(TypedDict):
    prompt: str
    dense_prompt: str


def read_suite(
    facts: Facts, variant: str, official: ReadOfficial, *, mirror: Path | None = None, offline: bool = False
) -> Suite:
    """A variant of a benchmark's suite.

    ``official``: what ``official`` reads. ``rewritten``: the same prompts with the longer text to sample from; scoring
    still looks at the official one. ``sprites``: the package's own suite, always at hand. Pinned files are found as
    ``locate`` finds them.
    """
    sources = {source.role: source for source in load_sources(facts)}
    sprites = facts.prompts / SPRITES
    there = {"official": True, "rewritten": "rewritten" in sources, "sprites": sprites.exists()}
    known = [name for name, found in there.items() if found]
    if variant not in known:
        raise unknown(f"variant of {facts.name}", variant, known)
    if variant == "sprites":
        return Suite(facts.name, variant, read_entries(sprites, "sprites"), "nova_eval sprites")

    find = partial(locate, mirror=mirror, offline=offline)
    suite = official(sources, find)
    if variant == "official":
        return suite
    prompts, notes = _with_rewrites(suite.prompts, _rows(find(sources["rewritten"])), str(sources["rewritten"]))
    source = f"{suite.source} rewritten by {sources['rewritten']}"
    return Suite(facts.name, variant, prompts, source, (*suite.notes, *notes))


def read_entries(path: Path, suite: str) -> tuple[Prompt, ...]:
    """The prompts of a file in VBench's schema, as ``<suite>/0000`` … by position.

    An entry's own ``id`` is kept (``<suite>/`` before it when it has no suite). Equal texts become one prompt, the
    first, with tags and reference united. UsageError, one line, for an entry that is none, and for a file without any.
    """
    by_text: dict[str, Prompt] = {}
    named: dict[str, str] = {}  # id, whatever its case → text: ids name folders, on any file system
    for position, row in enumerate(_rows(path)):
        try:
            prompt = _prompt(row, f"{suite}/{position:04d}")
            first = by_text.get(prompt.text)
            if first is not None:
                prompt = _united(first, prompt, renamed="id" in row)
            elif named.setdefault(prompt.id.lower(), prompt.text) != prompt.text:
                raise UsageError(f"the id {prompt.id!r} is taken by another prompt", remedy="give each its own id")
        except UsageError as error:
            raise UsageError(f"{path.name}, entry {position}: {error.problem}", remedy=error.remedy) from error
        by_text[prompt.text] = prompt
    if not by_text:
        raise UsageError(f"{path} holds no prompt")
    return tuple(by_text.values())


def _rows(path: Path) -> list[Any]:
    return reading.json_file(path, list[Any], remedy="it needs a list of objects with 'prompt_en'")


def _prompt(row: Any, default_id: str) -> Prompt:
    if not isinstance(row, Mapping):
        raise UsageError(f"a {type(row).__name__} where an object with 'prompt_en' is needed")
    text, tags = row.get("prompt_en"), row.get("dimension", [])
    reference, rewritten, own_id = row.get("auxiliary_info", {}), row.get("rewritten"), row.get("id", default_id)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise UsageError("'prompt_en' must be a text")
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag for tag in tags):
        raise UsageError("'dimension' must be a list of names")
    if not isinstance(reference, Mapping):
        raise UsageError("'auxiliary_info' must be an object keyed by dimension")
    if rewritten is not None and not (isinstance(rewritten, str) and rewritten.strip()):
        raise UsageError("'rewritten' must be a text")
    if not isinstance(own_id, str):
        raise UsageError("'id' must be a text")
    prompt_id = own_id if "/" in own_id else f"{default_id.partition('/')[0]}/{own_id}"
    return Prompt(prompt_id, text, tuple(dict.fromkeys(tags)), dict(reference), rewritten)


def _united(first: Prompt, again: Prompt, *, renamed: bool) -> Prompt:
    if renamed and again.id != first.id:
        raise UsageError(f"the text of {first.id!r} again under the id {again.id!r}", remedy="keep one of the two")
    if again.rewritten not in (None, first.rewritten):
        raise UsageError(f"the text of {first.id!r} again with another rewritten text", remedy="keep one of the two")
    for key, value in again.reference.items():
        if first.reference.get(key, value) != value:
            raise UsageError(f"the text of {first.id!r} again with another 'auxiliary_info' for {key!r}")
    tags = tuple(dict.fromkeys((*first.tags, *again.tags)))
    return replace(first, tags=tags, reference={**first.reference, **again.reference})


def _with_rewrites(
    prompts: Sequence[Prompt], rows: Sequence[Any], where: str
) -> tuple[tuple[Prompt, ...], tuple[str, ...]]:
    """``prompts`` with the ``dense_prompt`` of the row of equal text, the first where several differ."""
    dense: dict[str, str] = {}
    notes = []
    for row in reading.typed(list(rows), where, list[_Rewrite]):
        kept = dense.setdefault(row["prompt"], row["dense_prompt"])
        if kept != row["dense_prompt"]:
            notes.append(f"two rewritten texts for {row['prompt']!r}: the first in the file is used")
    without = [prompt for prompt in prompts if prompt.text not in dense]
    if without:
        raise PrerequisiteError(
            f"{where} has no rewritten text for {len(without)} of {len(prompts)} prompts, such as {without[0].text!r}",
            remedy="use --variant official",
        )
    return tuple(replace(prompt, rewritten=dense[prompt.text]) for prompt in prompts), tuple(notes)
