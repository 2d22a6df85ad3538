"""GenEval's official folder, and the text of its summary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_eval.benchmarks.geneval.benchmark import IMAGES, PROMPTS
from nova_eval.records import Metric, Prompt, SampleKey


def official_name(key: SampleKey) -> str:
    """Where the official evaluator looks for a sample: ``00412/samples/00003.png``, beside ``metadata.jsonl``."""
    return f"{int(key.prompt_id.rpartition('/')[2]):05d}/samples/{key.index:05d}.png"


def official_metadata(prompt: Prompt) -> dict[str, object]:
    """The object of a prompt's ``metadata.jsonl``, keys in the official order."""
    return {"tag": prompt.tags[0], **prompt.reference, "prompt": prompt.text}


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
