"""Recorded decisions of the official GenEval code, one section a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from typing import Any

from nova_eval.adapters.geneval.benchmark import OFFICIAL, GenEval
from nova_eval.adapters.geneval.decision import Limits, image_score
from nova_eval.adapters.geneval.geometry import iou, relative_position
from nova_eval.adapters.geneval.prompts import (
    IMAGES,
    PROMPTS,
    TASKS,
    TEMPLATES,
    Metadata,
    draw_suite,
    metadata_file,
    prompt_file,
)
from nova_eval.adapters.geneval.results import summary_text
from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.rule import Rule
from nova_eval.checks.parity.items import item, numbered
from nova_eval.checks.parity.rules.sections import Case, Rules, named, recorded_judge
from nova_eval.engines.questions import scores_of
from nova_eval.protocols import Detection, Frames
from nova_eval.records import Prompt, SampleKey, Score

_RULES = {rule.name: rule for rule in OFFICIAL}
_DRAWS = {"colors": "color", "color_attr": "color_attribution"}  # sections named otherwise than their tasks


def _evaluate(content: Any) -> Iterator[Case]:
    for name, entry in named(content):
        yield name, entry["expected"], partial(_evaluated, entry)


def _evaluated(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = [Detection(d["class"], tuple(d["box"]), d["score"], d.get("color") or "") for d in entry["detections"]]
    judge = recorded_judge(
        detect=lambda frames: [found],
        colors=lambda frame, objects: [one.caption for one in objects],  # what it would name travels as the caption
    )
    return judged(entry["metadata"], entry.get("options", {}), judge)


def judged(
    metadata: Mapping[str, Any],
    options: Mapping[str, Any],
    judge: Any,
    frames: Frames | None = None,
) -> dict[str, Any]:
    """What the official evaluator writes about an image (T, H, W, 3) of the prompt with that metadata."""
    tag = metadata["tag"]
    prompt = Prompt("case/0000", metadata["prompt"], (tag,), metadata)
    rule = _RULES.get(tag) or Rule(tag, "objects", partial(image_score, metric=tag))
    shown = numbered(prompt) if frames is None else item(prompt, frames)
    (row,) = scores_of(rule.with_settings(limits=_limits(options)), [shown], judge)
    return {"correct": row.value == 1, "reason": row.detail["reason"], "details": row.detail["details"]}


def _limits(options: Mapping[str, Any]) -> Limits:
    """Those of the official options that rules know, texts as the command line gives them included."""
    known = asdict(Limits())
    return Limits(**{name: type(known[name])(value) for name, value in options.items() if name in known})


def _relative_position(content: Any) -> Iterator[Case]:
    for name, entry in named(content):
        call = partial(relative_position, entry["a"], entry["b"], entry["position_threshold"])
        yield name, sorted(entry["relations"]), call


def _iou(content: Any) -> Iterator[Case]:
    for name, entry in named(content):
        yield name, entry["iou"], partial(iou, entry["a"], entry["b"])


def _summary(content: Any) -> Iterator[Case]:
    for name, entry in named(content):
        yield name, entry["expected"], partial(_summarised, entry["rows"])


def _summarised(recorded: Sequence[tuple[str, str, bool]]) -> dict[str, Any]:
    """The reducer over the tasks that were recorded; prompts are told apart by task and text."""
    prompts: dict[tuple[str, str], Prompt] = {}
    rows: list[Score] = []
    samples: dict[str, int] = {}
    for tag, text, correct in recorded:
        prompt = prompts.setdefault((tag, text), Prompt(f"case/{len(prompts):04d}", text, (tag,)))
        index = samples[prompt.id] = samples.get(prompt.id, -1) + 1
        rows.append(Score(SampleKey(prompt.id, index), tag, float(correct)))
    tasks = tuple(dict.fromkeys(tag for tag, _, _ in recorded))
    metrics = reduced(GenEval(tasks), list(prompts.values()), [row.key for row in rows], rows)
    by_name = {metric.name: metric for metric in metrics}
    return {
        "images": by_name[IMAGES].samples,
        "prompts": by_name[PROMPTS].prompts,
        "correct_images": by_name[IMAGES].value,
        "correct_prompts": by_name[PROMPTS].value,
        "tasks": {task: by_name[task].value for task in tasks},
        "overall": by_name["overall"].value,
        "stdout": summary_text(metrics, tasks),
    }


def _prompts(content: Any) -> Iterator[Case]:
    for task, entries in content.items():
        for entry in entries:
            expected = {key: value for key, value in entry.items() if key != "tuple"}
            yield f"{task} {entry['tuple']}", expected, partial(TEMPLATES[task], *entry["tuple"])


def _draws(content: Any) -> Iterator[Case]:
    for entry in content:
        for task in TASKS:
            name = _DRAWS.get(task, task)
            yield f"seed {entry['seed']} {name}", entry[name], partial(_drawn, entry["seed"], task, len(entry[name]))
        if "suite" in entry:
            yield f"seed {entry['seed']} suite", entry["suite"], partial(_suite_facts, entry["seed"], entry["suite"])


def _drawn(seed: int, task: str, number: int) -> list[str]:
    """The first prompts of a task. What it draws depends on how many the tasks before it drew: as many each."""
    return _texts(draw_suite(seed, number), task)[:number]


def _suite_facts(seed: int, recorded: Mapping[str, Any]) -> dict[str, Any]:
    suite = draw_suite(seed, recorded["n"])
    return {
        "n": recorded["n"],
        "lines": len(suite),
        "prompts_sha256": sha256(prompt_file(suite)).hexdigest(),
        "metadata_sha256": sha256(metadata_file(suite)).hexdigest(),
        "last_prompts": [metadata["prompt"] for metadata in suite][-len(recorded["last_prompts"]) :],
    }


def _texts(suite: Sequence[Metadata], task: str) -> list[str]:
    return [metadata["prompt"] for metadata in suite if metadata["tag"] == task]


def _suite(content: Any) -> Iterator[Case]:
    files = {"generation_prompts.txt": prompt_file, "evaluation_metadata.jsonl": metadata_file}
    for name, write in files.items():
        if name in content:
            yield name, content[name]["shipped"], partial(_digest, write)
    if "per_tag" in content:
        yield "per_tag", content["per_tag"], lambda: {task: len(_texts(draw_suite(), task)) for task in TASKS}


def _digest(write: Callable[[Sequence[Metadata]], bytes]) -> str:
    return sha256(write(draw_suite())).hexdigest()


RULES = Rules(
    {
        "evaluate": _evaluate,
        "relative_position": _relative_position,
        "iou": _iou,
        "summary": _summary,
        "prompts": _prompts,
        "draws": _draws,
        "suite": _suite,
    }
)
