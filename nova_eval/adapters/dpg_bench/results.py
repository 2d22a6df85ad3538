"""DPG-Bench's official result file: a line a picture, then the categories and the score."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from nova_eval.adapters.dpg_bench.prompts import CATEGORIES, DETAILED, OVERALL
from nova_eval.adapters.results import OfficialResults
from nova_eval.records import Score

NAME = "dpg-bench_results.txt"


def result_files(results: OfficialResults) -> dict[str, str]:
    """Each picture's path, the scores of its samples and their mean; the summary where no sample is undecided.

    The official file of single answers is not written: rows keep whether an answer counts, not its words.
    """
    pictures: dict[str, list[Score]] = {}
    for row in results.of(OVERALL):
        pictures.setdefault(row.key.prompt_id, []).append(row)
    lines = []
    for rows in pictures.values():
        values = [row.value or 0.0 for row in rows]
        path = results.paths[rows[0].key]
        lines.append(", ".join([path, *map(str, values), str(sum(values) / len(values))]))
    if not lines:
        return {}
    summary = _summary(results, str(PurePosixPath(lines[0].partition(",")[0]).parent))
    return {NAME: "\n".join([*lines, *(summary if results.complete(OVERALL) else ())]) + "\n"}


def _summary(results: OfficialResults, folder: str) -> list[str]:
    percent = {name: 100 * m.value for name, m in results.metric.items() if m.value is not None}
    broad: Mapping[str, float] = {name: percent[name] for name in CATEGORIES if name in percent}
    detailed = {name.removeprefix(DETAILED): percent[name] for name in sorted(percent) if name.startswith(DETAILED)}
    return [
        f"Model: {results.model}",
        "L1 category scores:",
        *(f"\t{name}: {value}" for name, value in broad.items()),
        "L2 category scores:",
        *(f"\t{name}: {value}" for name, value in detailed.items()),
        f"Image path: {folder}",
        f"Save results to: {NAME}",
        f"DPG-Bench score: {percent.get(OVERALL)}",
    ]
