"""What a page's script knows of prompts, samples and scores: columns, as scripts that assign to one global.

A page that is opened from a disk may load scripts and nothing else. The JSON is a text within the script, so that no
prompt can be code, and is ASCII, so that none can end a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_eval.config import BenchmarkConfig
from nova_eval.page.footage import Shown
from nova_eval.page.gathering import Gathered, Told
from nova_eval.records import Prompt, SampleKey, Score

_DIGITS = 5
"""Significant digits of what stands beside a score; scores have all of theirs."""
_LONGEST = 400
"""Numbers of one list: what a longer one holds beyond is not on the page, and the page says so."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One thing that samples are scored on. ``extra`` ones are measured on the way and in no table.

    ``scores`` holds a mapping a run.
    """

    name: str
    label: str
    file: str
    low: float
    high: float
    higher_is_better: bool
    extra: bool
    scores: tuple[Mapping[SampleKey, Score], ...]


def dimensions(gathered: Gathered) -> list[Dimension]:
    """In the table's order, then what scorers say under other names."""
    counted = [_by_metric(run.outcome.counted, run) for run in gathered.runs]
    measured = [_by_metric(run.outcome.rows, run) for run in gathered.runs]
    known = gathered.config.dimensions
    of_table = {name: None for found in counted for name in found}
    names = [*(name for name in known if name in of_table), *(name for name in of_table if name not in known)]
    others = [name for name in dict.fromkeys(n for found in measured for n in found) if name not in of_table]
    found, taken = [], set[str]()
    for name in (*names, *others):
        scores = tuple(
            {key: _with_detail(score, more.get(name, {}).get(key)) for key, score in (own.get(name) or {}).items()}
            if name in of_table
            else more.get(name, {})
            for own, more in zip(counted, measured, strict=True)
        )
        file = _file(name, taken)
        low, high = _range(gathered.config, name, scores)
        better = known[name].higher_is_better if name in known else True
        extra = name not in of_table
        found.append(Dimension(name, gathered.config.label(name), file, low, high, better, extra, scores))
    return found


def _by_metric(rows: Sequence[Score], run: Told) -> dict[str, dict[SampleKey, Score]]:
    wanted, found = set(run.opened.wanted), dict[str, dict[SampleKey, Score]]()
    for row in rows:
        if row.key in wanted and row.key.prompt_id not in run.other:
            there = found.setdefault(row.metric, {})
            if row.key not in there or (row.decided and not there[row.key].decided):
                there[row.key] = row
    return found


def _with_detail(counted: Score, measured: Score | None) -> Score:
    """What counts, with what the scorer says beside its score."""
    if counted.detail or measured is None or not measured.detail:
        return counted
    return Score(counted.key, counted.metric, counted.value, counted.weight, counted.reason, measured.detail)


def _file(name: str, taken: set[str]) -> str:
    stem = "data-" + (re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "dimension")
    file = stem
    while file in taken:
        file = f"{stem}-{len(taken)}"
    taken.add(file)
    return f"{file}.js"


def _range(config: BenchmarkConfig, name: str, scores: Sequence[Mapping[SampleKey, Score]]) -> tuple[float, float]:
    """From where to where scores are drawn: the range that they keep to, else that of the scores there are."""
    known = config.dimensions.get(name)
    low, high = known.bounds if known else (0.0, 1.0)
    values = [score.value for run in scores for score in run.values() if score.value is not None]
    if known is not None and low > float("-inf") and high < float("inf"):
        return low, high
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def core(
    gathered: Gathered, found: Sequence[Dimension], shown: Sequence[Mapping[SampleKey, Shown]], verdicts: Any
) -> dict[str, Any]:
    """Prompts, samples and what there is of each run: all that lists and filters start with."""
    places = {prompt.id: place for place, prompt in enumerate(gathered.prompts)}
    return {
        "benchmark": gathered.config.name,
        "scale": gathered.config.report.scale,
        "decimals": gathered.config.report.decimals,
        "runs": [_run(run, gathered.keys, shown[place], found, place) for place, run in enumerate(gathered.runs)],
        "dimensions": [
            {
                "name": one.name,
                "label": one.label,
                "file": one.file,
                "low": one.low,
                "high": one.high,
                "better": 1 if one.higher_is_better else -1,
                "extra": one.extra,
                "verdicts": verdicts.get(one.name, []),
            }
            for one in found
        ],
        "prompts": {
            "id": [prompt.id for prompt in gathered.prompts],
            "text": [prompt.text for prompt in gathered.prompts],
            "sampled": {str(n): p.rewritten for n, p in enumerate(gathered.prompts) if p.rewritten is not None},
            "asked": {str(n): asked for n, p in enumerate(gathered.prompts) if (asked := _asked(p))},
        },
        "samples": {
            "prompt": [places[key.prompt_id] for key in gathered.keys],
            "index": [key.index for key in gathered.keys],
            "has": _has(gathered.keys, found),
        },
    }


def _run(
    run: Told, keys: Sequence[SampleKey], shown: Mapping[SampleKey, Shown], found: Sequence[Dimension], place: int
) -> dict[str, Any]:
    samples = run.outcome.samples
    mine = [samples.get(key) if key.prompt_id not in run.other else None for key in keys]
    pictures = [shown.get(key, Shown()) for key in keys]
    return {
        "name": run.opened.name,
        "label": run.label,
        "seed": [None if one is None else str(one.seed) for one in mine],
        "poster": [one.poster for one in pictures],
        "file": [one.file for one in pictures],
        "strip": [one.strip for one in pictures],
        "why": _sparse(one.why for one in pictures),
        "fps": [0 if one is None else one.fps for one in mine],
        "frames": [0 if one is None else one.frames for one in mine],
        "size": [None if one is None else [one.width, one.height] for one in mine],
        "mean": _means(keys, found, place),
    }


def _means(keys: Sequence[SampleKey], found: Sequence[Dimension], place: int) -> list[float | None]:
    """Of each sample the mean of its scores, each from 0 to 1 within its range and better upwards."""
    sums: dict[SampleKey, list[float]] = {}
    for one in found:
        if one.extra:
            continue
        for key, score in one.scores[place].items():
            if score.value is not None:
                share = (score.value - one.low) / (one.high - one.low)
                sums.setdefault(key, []).append(share if one.higher_is_better else 1 - share)
    return [round(sum(of) / len(of), 5) if (of := sums.get(key)) else None for key in keys]


def _has(keys: Sequence[SampleKey], found: Sequence[Dimension]) -> list[list[int]]:
    """Of each sample the places of the dimensions that say anything of it."""
    has: dict[SampleKey, list[int]] = {}
    for place, one in enumerate(found):
        for key in {key for run in one.scores for key in run}:
            has.setdefault(key, []).append(place)
    return [has.get(key, []) for key in keys]


def _sparse(texts: Any) -> dict[str, str]:
    return {str(place): text for place, text in enumerate(texts) if text}


def _asked(prompt: Prompt) -> dict[str, Any]:
    """What the prompt brings beside its text, as far as it is short."""
    told = {name: value for name, value in prompt.reference.items() if not name.startswith("_")}
    return told if len(json.dumps(told, default=str)) <= 6_000 else {}


def scores(one: Dimension, keys: Sequence[SampleKey]) -> dict[str, Any]:
    """The samples that a dimension says anything of, by their places, and of each run a column of values, reasons …"""
    at = [place for place, key in enumerate(keys) if any(key in run for run in one.scores)]
    reasons: dict[str, int] = {}
    runs = []
    for run in one.scores:
        rows = [run.get(keys[place]) for place in at]
        runs.append(
            {
                "value": [None if row is None else row.value for row in rows],
                "weight": [0 if row is None else row.weight for row in rows],
                "why": [_place(reasons, "" if row is None else row.reason) for row in rows],
                "detail": {str(n): _short(row.detail) for n, row in enumerate(rows) if row is not None and row.detail},
            }
        )
    return {"at": at, "reasons": list(reasons), "runs": runs}


def _place(known: dict[str, int], text: str) -> int:
    return known.setdefault(text, len(known))


def _short(value: Any) -> Any:
    """The same with fewer digits, and no list longer than ``_LONGEST``."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        return {str(key): _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        kept = [_short(item) for item in value[:_LONGEST]]
        return kept if len(value) <= _LONGEST else [*kept, f"… {len(value) - _LONGEST} more"]
    return value


def script(name: str, data: Any) -> str:
    """The script that gives ``data`` to the page under ``name``."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"nova_data[{json.dumps(name)}]=JSON.parse('{quoted}');\n"
