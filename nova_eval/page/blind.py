"""Pairs of samples of two runs for people to choose from who must not know which is which."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from nova_eval.compare.votes import mark
from nova_eval.errors import MediaError, UsageError
from nova_eval.page import columns, writing
from nova_eval.page.footage import Shown, Wanted, shown
from nova_eval.page.gathering import Told, gathered
from nova_eval.records import Prompt, Sample, SampleKey

_OF_BLIND = ("base.js", "players.js", "panes.js", "blind.js")


def write_blind(folders: tuple[Path, Path], out: Path | None, results: Path, seed: int) -> writing.Written:
    """The page, by default below ``results`` under a name that tells nothing.

    Neither names nor scores are in it. Order and sides follow from ``seed``: first a sample of every prompt, in random
    order, then a second one …, so that however many are voted on, their prompts are drawn at random.
    UsageError where the runs have no pair that differs.
    """
    told = gathered(folders, held=False)
    left, right = told.runs
    pairs = _pairs(left, right)
    if not pairs:
        raise UsageError(
            f"{left.opened.name} and {right.opened.name} have no samples of the same prompt that differ",
            remedy="name two runs of the same suite",
        )
    ordered = in_order(list(pairs), seed)
    name = sha256("".join(mark(seed, key, *(one.digest for one in pairs[key])) for key in ordered).encode()).hexdigest()
    out = out or results / "reports" / f"blind-{name[:12]}"
    writing.checked(out)
    seen = _seen((left, right), pairs, out / "media", seed)
    texts = {prompt.id: prompt for prompt in told.prompts}
    items = [_item(key, pairs[key], seen, texts[key.prompt_id], seed) for key in ordered]
    shown_items = [one for one in items if one is not None]
    core = {"id": name[:24], "seed": seed, "items": shown_items}
    page = writing.rendered(
        "blind.html", {"title": "Which is better?", "scripts": _OF_BLIND, "pairs": len(shown_items)}
    )
    media = {name for one in seen.values() for name in (one.poster, one.file) if name}
    lost = len(items) - len(shown_items)
    lines = [f"{len(shown_items)} pairs"] + ([f"{lost} pairs cannot be shown and are left out"] if lost else [])
    return writing.put(out, page, {"data.js": columns.script("core", core), **writing.assets(_OF_BLIND)}, media, lines)


def in_order(keys: list[SampleKey], seed: int) -> list[SampleKey]:
    """A sample of every prompt, in random order, then a second one of each that has two …"""
    random = Random(f"order {seed}")
    by_prompt: dict[str, list[SampleKey]] = {}
    for key in sorted(keys):
        by_prompt.setdefault(key.prompt_id, []).append(key)
    for of in by_prompt.values():
        random.shuffle(of)
    found: list[SampleKey] = []
    for turn in range(max(map(len, by_prompt.values()), default=0)):
        having = [of[turn] for of in by_prompt.values() if turn < len(of)]
        random.shuffle(having)
        found += having
    return found


def turned(key: SampleKey, seed: int) -> bool:
    """Whether the second run stands on the left."""
    return Random(f"side {seed} {key.prompt_id} {key.index}").random() < 0.5


def _pairs(first: Told, second: Told) -> dict[SampleKey, tuple[Sample, Sample]]:
    """Left and right are not decided yet: the first run's sample, then the second's."""
    mine, other = first.outcome.samples, second.outcome.samples
    keys = [key for key in first.opened.wanted if key in mine and key in other and key.prompt_id not in second.other]
    return {key: (mine[key], other[key]) for key in keys if _differ(mine[key], other[key])}


def _differ(one: Sample, other: Sample) -> bool:
    return one.digest != other.digest


def _stem(sample: Sample, seed: int) -> str:
    """A name that is none of the run's, the same for the same bytes."""
    return sha256(f"{seed} {sample.digest} {sample.part}".encode()).hexdigest()[:20]


def _seen(
    runs: tuple[Told, Told], pairs: Mapping[SampleKey, tuple[Sample, Sample]], folder: Path, seed: int
) -> dict[str, Shown]:
    wanted = []
    for key in pairs:
        for run, sample in zip(runs, pairs[key], strict=True):
            try:
                wanted.append(Wanted(sample, run.opened.store.media(sample), _stem(sample, seed)))
            except MediaError:
                continue
    return shown(wanted, folder)


def _item(
    key: SampleKey, pair: tuple[Sample, Sample], seen: Mapping[str, Shown], prompt: Prompt, seed: int
) -> dict[str, Any] | None:
    """``None`` where one of the two cannot be shown."""
    left, right = pair[::-1] if turned(key, seed) else pair
    sides = []
    for sample in (left, right):
        one = seen.get(_stem(sample, seed), Shown(why="lost"))
        if one.why:
            return None
        sides.append(
            {"file": one.file, "size": [sample.width, sample.height], "frames": sample.frames, "fps": sample.fps}
        )
    check = mark(seed, key, left.digest, right.digest)
    return {"key": list(key), "check": check, "text": prompt.text, "sides": sides}
