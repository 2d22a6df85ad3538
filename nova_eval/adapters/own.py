"""Suites of one's own: prompts that a user wrote, or those that he chose from a suite of the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from unicodedata import normalize

from nova_eval.adapters.own_names import FILES
from nova_eval.adapters.prompt_files import Entry, entry_of, read_entries, sayable
from nova_eval.adapters.suite import Suite
from nova_eval.config import CUSTOM, BenchmarkConfig
from nova_eval.errors import PrerequisiteError, UsageError, unknown
from nova_eval.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from nova_eval.records import Prompt

NAMED, TEXT = "named", "text"
"""What ``Dimension.needs`` may hold beside keys of a reference."""

Load = Callable[[str], Suite]
"""From a variant to the benchmark's suite. PrerequisiteError where it is not at hand."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A suite of one's own, and the one it is a part of: itself where it is of no other."""

    suite: Suite
    whole: Suite


def names_files(config: BenchmarkConfig, path: Path) -> bool:
    """Whether what lies at ``path`` says which media are of which prompt."""
    return any(entry.files for entry in _entries(config, path))


def which(config: BenchmarkConfig, path: Path, variants: Sequence[str], load: Load) -> str:
    """The first of ``variants`` whose suite holds everything at ``path``, else ``custom``."""
    entries = _entries(config, path)
    for variant in variants:
        try:
            find = _Finder(load(variant))
            if all(find.match(entry) is not None for entry in entries):
                return variant
        except PrerequisiteError:
            continue  # whether these are its prompts cannot be known without it
    return CUSTOM


def own_suite(config: BenchmarkConfig, path: Path, variant: str, load: Load) -> Chosen:
    """The prompts at ``path``: for ``custom`` on every dimension that they bring enough for, else a part of a suite.

    A part keeps ids, tags and references. UsageError, one line, for what cannot be used.
    """
    entries = _entries(config, path)
    if variant != CUSTOM:
        whole = load(variant)
        return Chosen(_part(whole, entries, path), whole)
    prompts = tuple(_prompts(config, entries))
    suite = Suite(config.name, CUSTOM, prompts, path.name, tuple(_notes(config, entries, prompts)))
    return Chosen(suite, suite)


def prompt_of(config: BenchmarkConfig, told: str | Mapping[str, Any], place: int) -> Prompt:
    """The prompt that a text, or an object as ``--prompts`` takes it from JSON, is as the ``place``-th of its kind."""
    where = f"prompt {place}"
    entry = Entry(where, sayable(told, where)) if isinstance(told, str) else entry_of(told, where)
    _known_tags(config, entry)
    return _prompt(config, entry, place)


def why_not(config: BenchmarkConfig, dimension: str, prompts: Sequence[Prompt]) -> str:
    """Why no prompt of one's own serves a dimension."""
    needs = config.dimensions[dimension].needs
    lacking = [
        "a text" if need == TEXT else f"{need!r} in its reference"
        for need in needs
        if need != NAMED and not any(_brings(need, prompt.text, prompt.reference) for prompt in prompts)
    ]
    if lacking:
        return f"no prompt brings {' and '.join(lacking)}"
    return f"no prompt says that it is of {dimension}" if NAMED in needs else "no prompt of this run serves it"


def _entries(config: BenchmarkConfig, path: Path) -> list[Entry]:
    entries = read_entries(path, VIDEO_SUFFIXES if config.modality == "video" else IMAGE_SUFFIXES)
    said = path.stem.removesuffix("_val").removesuffix("_train")  # T2I-CompBench's files are called so
    if path.suffix.lower() == ".txt" and said in config.dimensions and NAMED in config.dimensions[said].needs:
        entries = [replace(entry, tags=(said,)) for entry in entries]
    for entry in entries:
        _known_tags(config, entry)
    return entries


def _known_tags(config: BenchmarkConfig, entry: Entry) -> None:
    for tag in entry.tags or ():
        if tag not in config.dimensions:
            raise unknown(f"dimension of {config.name} in {entry.where}", tag, config.dimensions)


def _prompts(config: BenchmarkConfig, entries: Sequence[Entry]) -> Iterator[Prompt]:
    """Equal texts are one prompt, where they say different things of it; a mere repetition is an error."""
    first: dict[str, tuple[Entry, Prompt]] = {}
    owners: dict[str, Entry] = {}
    _name_each_file_once(entries)
    for place, entry in enumerate(entries):
        prompt = _prompt(config, entry, place)
        key = entry.text or f"\0{place}"
        if key in first:
            first[key] = (first[key][0], _united(first[key], entry, prompt))
            continue
        owner = owners.setdefault(prompt.id.lower(), entry)
        if owner is not entry:
            raise UsageError(f"{entry.where}: the id {entry.id!r} is that of {owner.where} too", remedy="change one")
        first[key] = (entry, prompt)
    for _, prompt in first.values():
        yield prompt


def _name_each_file_once(entries: Sequence[Entry]) -> None:
    named: dict[str, Entry] = {}
    for entry in entries:
        for file in entry.files:
            if (owner := named.setdefault(file, entry)) is not entry or entry.files.count(file) > 1:
                raise UsageError(f"{entry.where}: a file is named twice, {file!r} by {owner.where} too")


def _prompt(config: BenchmarkConfig, entry: Entry, place: int) -> Prompt:
    reference = {**entry.reference, **({FILES: list(entry.files)} if entry.files else {})}
    own_id = f"{place:04d}" if entry.id is None else entry.id.removeprefix(f"{CUSTOM}/")
    try:
        return Prompt(f"{CUSTOM}/{own_id}", entry.text, _serves(config, entry), reference, entry.rewritten)
    except UsageError as error:
        raise UsageError(f"{entry.where}: {error.problem}", remedy=error.remedy) from error


def _serves(config: BenchmarkConfig, entry: Entry) -> tuple[str, ...]:
    """The dimensions named, or else all, that the entry brings enough for; of a named one its rule sees the rest."""

    def enough(name: str) -> bool:
        needs = config.dimensions[name].needs
        if entry.tags is not None and entry.reference:
            needs = tuple(need for need in needs if need == TEXT)
        return all(entry.tags is not None if n == NAMED else _brings(n, entry.text, entry.reference) for n in needs)

    return tuple(name for name in (config.dimensions if entry.tags is None else entry.tags) if enough(name))


def _brings(need: str, text: str, reference: Mapping[str, object]) -> bool:
    return bool(text) if need == TEXT else reference.get(need) is not None


def _united(first: tuple[Entry, Prompt], again: Entry, prompt: Prompt) -> Prompt:
    entry, old = first
    if not again.files and (again.tags is None or again.tags == entry.tags):
        raise UsageError(f"{again.where}: the prompt of {entry.where} again", remedy="keep one of the two")
    if (again.id, again.rewritten) not in ((None, None), (entry.id, entry.rewritten)):
        raise UsageError(f"{again.where}: the prompt of {entry.where} with another id or rewritten text")
    files = [*old.reference.get(FILES, ()), *again.files]
    reference = {**again.reference, **old.reference}
    if any(reference[key] != value for key, value in again.reference.items()):
        raise UsageError(f"{again.where}: the prompt of {entry.where} with another reference", remedy="keep one")
    tags = tuple(dict.fromkeys((*old.tags, *prompt.tags)))
    return replace(old, tags=tags, reference={**reference, **({FILES: files} if files else {})})


def _notes(config: BenchmarkConfig, entries: Sequence[Entry], prompts: Sequence[Prompt]) -> Iterator[str]:
    silent = [prompt for prompt in prompts if not prompt.text]
    if silent:
        name = silent[0].reference.get(FILES, [silent[0].id])[0]
        yield f"{len(silent)} of {len(prompts)} have no prompt, such as {name!r}: not judged where one is needed"
    by_name = [entry for entry in entries if entry.files and entry.where == entry.files[0] and entry.text]
    if by_name:
        yield f"{len(by_name)} of {len(prompts)} prompts are file names, such as {by_name[0].text!r}"
    for dimension, facts in config.dimensions.items():
        if facts.of_own and any(dimension in prompt.tags for prompt in prompts):
            yield f"{config.label(dimension)} {facts.of_own}"
        lacking = sum(dimension in (e.tags or ()) and dimension not in _serves(config, e) for e in entries)
        if lacking:
            yield f"{lacking} prompts name {dimension} and do not bring what it needs"


class _Finder:
    """The prompts of a suite by what an entry says."""

    def __init__(self, suite: Suite) -> None:
        self._by_id = {prompt.id: prompt for prompt in suite.prompts}
        self._by_text: dict[str, list[Prompt]] = {}
        for prompt in suite.prompts:
            self._by_text.setdefault(normalize("NFC", prompt.text.strip()), []).append(prompt)

    def match(self, entry: Entry) -> Prompt | None:
        named = self._by_id.get(entry.id or entry.text)
        same = self._by_text.get(normalize("NFC", entry.text), [])
        if named is not None and (named in same or entry.text in (named.id, "")):
            return named
        fitting = (prompt for prompt in same if set(entry.tags or ()) <= {*prompt.tags} and _agrees(entry, prompt))
        return next(fitting, None) if entry.text else None

    def known(self) -> Collection[str]:
        return [*self._by_id, *self._by_text]


def _agrees(entry: Entry, prompt: Prompt) -> bool:
    return all(prompt.reference.get(key, value) == value for key, value in entry.reference.items())


def _no_part(whole: Suite, entry: Entry, known: Collection[str]) -> UsageError:
    said = entry.id or entry.text
    near = get_close_matches(said, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0][:80]!r}? " if near else ""
    count = len(whole.prompts)
    return UsageError(
        f"{entry.where}: {said[:80]!r} is none of the {count} {whole.variant} prompts of {whole.benchmark}",
        remedy=f"{hint}--variant {CUSTOM} takes any",
    )


def _part(whole: Suite, entries: Sequence[Entry], path: Path) -> Suite:
    find = _Finder(whole)
    chosen: dict[str, Prompt] = {}
    for entry in entries:
        prompt = find.match(entry)
        if prompt is None:
            raise _no_part(whole, entry, find.known())
        tags = {*prompt.tags} if entry.tags is None else {*entry.tags}
        old = chosen.get(prompt.id)
        tags |= {*old.tags} if old else set()
        files = [*(old.reference.get(FILES, ()) if old else ()), *entry.files]
        reference = {**prompt.reference, **({FILES: files} if files else {})}
        chosen[prompt.id] = replace(prompt, tags=tuple(t for t in prompt.tags if t in tags), reference=reference)
    order = {prompt.id: place for place, prompt in enumerate(whole.prompts)}
    prompts = tuple(sorted(chosen.values(), key=lambda prompt: order[prompt.id]))
    notes = (f"{len(prompts)} of {len(whole.prompts)} {whole.variant} prompts ({path.name})", *whole.notes)
    return Suite(whole.benchmark, whole.variant, prompts, whole.source, notes)
