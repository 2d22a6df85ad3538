"""Recorded runs of the official DPG-Bench code, and how it cuts pictures and reads answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from zlib import crc32

from nova_eval.adapters.dpg_bench.answers import is_yes
from nova_eval.adapters.dpg_bench.benchmark import DPGBench
from nova_eval.adapters.dpg_bench.names import item_of
from nova_eval.adapters.dpg_bench.prompts import DETAILED, ITEM, OVERALL
from nova_eval.adapters.dpg_bench.questions import read_table
from nova_eval.adapters.dpg_bench.tiles import tiles
from nova_eval.adapters.reduce import reduced
from nova_eval.checks.parity.items import frames, number_of, numbered
from nova_eval.checks.parity.rules.sections import Case, Rules, figures, named, recorded_judge
from nova_eval.engines.questions import scores_of
from nova_eval.protocols import Frames
from nova_eval.records import Metric, Prompt, Score

_TILES = 16  # more than any recording has


def _runs(content: Any) -> Iterator[Case]:
    for name, entry in named(content):
        expected = dict(entry["expected"])
        for lines in ("result_lines", "detail_lines"):
            if expected.get(lines) is not None:
                expected[lines] = [figures(line) for line in expected[lines]]
        yield name, expected, partial(_run, entry)


def _run(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The real reader, rule and reducer over every picture of a recorded folder."""
    benchmark = DPGBench(read_table(entry["csv"]))
    (rule,) = benchmark.scorers("official")
    answers = [entry["answers"].get(name, ()) for name in entry["images"]]

    def answer(shown: Frames, questions: Sequence[str]) -> list[list[str]]:
        picture, tile = divmod(number_of(shown[0, 0, 0]), _TILES)
        return [[answers[picture][tile][question] for question in questions]]

    prompts: dict[str, Prompt] = {}
    rows: dict[str, list[Score]] = {}
    for place, name in enumerate(entry["images"]):
        prompts[name] = Prompt(f"case/{place:04d}", "", (OVERALL,), {ITEM: item_of(name)})
        items = [numbered(prompts[name], tile, place * _TILES + tile) for tile in range(entry["pic_num"])]
        rows[name] = scores_of(rule, items, recorded_judge(answer=answer))
    if benchmark.table.official_reader_stops:
        return {"error": "the official reader stops"}
    every = [row for found in rows.values() for row in found]
    metrics = reduced(benchmark, list(prompts.values()), [row.key for row in every], every)
    done = {name: found for name, found in rows.items() if found[0].value is not None}
    answered = {
        "images": {name: _picture(found) for name, found in done.items()},
        "result_lines": [figures(line) for line in sorted(_result_line(n, found) for n, found in done.items())],
        "detail_lines": _detail_lines(entry, benchmark, done),
        "failed": [f"Failed filename: {n} {found[0].detail['failure']}" for n, found in rows.items() if n not in done],
        "level1": _percent(metrics, lambda name: None if name.startswith(DETAILED) or name == OVERALL else name),
        "level2": _percent(metrics, lambda name: name.removeprefix(DETAILED) if name.startswith(DETAILED) else None),
        "score": _percent(metrics, lambda name: name).get(OVERALL),
    }
    return {key: value for key, value in answered.items() if key in entry["expected"]}


def _picture(found: Sequence[Score]) -> dict[str, Any]:
    return {
        "score": math.fsum(row.value or 0.0 for row in found) / len(found),
        "last_crop_scores": found[-1].detail["answers"],
        "categories": found[-1].detail["subjects"],
    }


def _result_line(name: str, found: Sequence[Score]) -> str:
    values = [row.value or 0.0 for row in found]
    return ", ".join([name, *map(str, values), str(sum(values) / len(values))])


def _detail_lines(
    entry: Mapping[str, Any], benchmark: DPGBench, done: Mapping[str, Any]
) -> list[list[str | float]] | None:
    """The first lines in alphabetical order, as many as were recorded. A picture that fails does so in its first tile.

    ``None`` where the recording holds none.
    """
    recorded = entry["expected"].get("detail_lines")
    if recorded is None:
        return None
    side = entry["resolution"]
    lines = []
    for name in entry["images"]:
        for tile in range(entry["pic_num"] if name in done else 1):
            top, left = (part * side for part in divmod(tile, 2))
            for question in benchmark.table.of(item_of(name), official=True):
                answer = entry["answers"][name][tile][question.text]
                lines.append(f"{name}, {(left, top, left + side, top + side)}, {question.text}, {answer}")
    return [figures(line) for line in sorted(lines)[: len(recorded)]]


def _percent(metrics: Sequence[Metric], name_of: Callable[[str], str | None]) -> dict[str, float]:
    named_values = {name_of(metric.name): metric.value for metric in metrics}
    return {name: 100 * value for name, value in named_values.items() if name is not None and value is not None}


def _crops(content: Any) -> Iterator[Case]:
    for entry in content:
        yield str(entry["image"]), entry["crops"], partial(_cut, entry)


def _cut(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    (grid,) = frames(entry["image"])
    return [
        {"size": [*tile.shape[1::-1]], "crc32_rgb": crc32(tile.tobytes()), "mean": float(tile.mean())}
        for tile in tiles(grid, entry["resolution"])
    ]


def _answers(content: Any) -> Iterator[Case]:
    for entry in content:
        yield repr(entry["answer"]), entry["score"], partial(_value, entry["answer"])


def _value(answer: str) -> float:
    return float(is_yes(answer))


RULES = Rules({"runs": _runs, "crops": _crops, "answers": _answers})
