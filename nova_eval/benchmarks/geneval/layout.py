"""GenEval's official result file, and the text of its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_eval.benchmarks.geneval.benchmark import IMAGES, PROMPTS
from nova_eval.records import Metric


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
