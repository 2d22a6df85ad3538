"""GenEval's official result file, and the text of its summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from nova_eval.adapters.geneval.names import official_metadata
from nova_eval.adapters.geneval.prompts import IMAGES, OBJECTS, PROMPTS, TASKS
from nova_eval.adapters.results import OfficialResults
from nova_eval.records import Metric, Prompt, Score

_PLACES = {name: place for place, name in enumerate(OBJECTS)}  # the order of ``details``


def result_files(results: OfficialResults) -> dict[str, str]:
    """``results.jsonl``, one line an image, and the summary where every image of every task is decided."""
    rows = sorted((row for task in TASKS for row in results.of(task)), key=lambda row: results.paths[row.key])
    lines = [json.dumps(_record(results.prompt[row.key.prompt_id], row, results.paths[row.key])) for row in rows]
    files = {"results.jsonl": "".join(f"{line}\n" for line in lines)}
    if results.complete("overall"):
        files["summary.txt"] = summary_text(results.metrics, TASKS)
    return files


def _record(prompt: Prompt, row: Score, path: str) -> dict[str, object]:
    """The official keys, types and order; ``metadata`` and ``details`` are JSON texts of their own."""
    found = row.detail["details"]
    details = {name: found[name] for name in sorted(found, key=lambda name: _PLACES.get(name, len(_PLACES)))}
    return {
        "filename": path,
        "tag": prompt.tags[0],
        "prompt": prompt.text,
        "correct": row.value == 1,
        "reason": row.detail["reason"],
        "metadata": json.dumps(official_metadata(prompt)),
        "details": json.dumps(details),
    }


def summary_text(metrics: Sequence[Metric], tasks: Sequence[str]) -> str:
    """What evaluation/summary_scores.py prints for complete metrics."""
    named: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
    lines = [
        "Summary",
        "=======",
        f"Total images: {named[IMAGES].samples}",
        f"Total prompts: {named[PROMPTS].prompts}",
        f"% correct images: {named[IMAGES].value:.2%}",
        f"% correct prompts: {named[PROMPTS].value:.2%}",
        "",
        "Task breakdown",
        "==============",
    ]
    for task in tasks:
        value, images = named[task].value or 0.0, named[task].samples
        lines.append(f"{task:<16} = {value:.2%} ({round(value * images)} / {images})")
    return "\n".join([*lines, "", f"Overall score (avg. over tasks): {named['overall'].value:.5f}", ""])
