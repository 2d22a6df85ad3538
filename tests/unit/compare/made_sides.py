"""Sides of a comparison made of numbers: GenEval's benchmark, with scores that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nova_eval.adapters.geneval.benchmark import GenEval
from nova_eval.compare.sides import Side
from nova_eval.records import Prompt, SampleKey, Score

TASKS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
Value = Callable[[str, int, int], float | None]
"""From a task, the number of its prompt and the sample's index to a score."""

MANIFEST: dict[str, Any] = {
    "benchmark": {"name": "geneval", "version": "1"},
    "spec": {"variant": "sprites", "codec": "png", "seed": 0},
    "suite": {"digest": "suite"},
    "options": {"scoring": "corrected"},
    "scorers": {task: f"{task}@1-d9a1a916" for task in TASKS},
    "judges": dict.fromkeys(TASKS, "sprites"),
}


def side(name: str, value: Value, *, prompts: int = 12, samples: int = 2, seed: int = 0, **manifest: Any) -> Side:
    """A run of ``prompts`` a task, whose bytes are its own."""
    suite = tuple(
        Prompt(f"sprites/{task}_{number}", f"{task} {number}", (task,)) for task in TASKS for number in range(prompts)
    )
    rows, keys = [], []
    for prompt in suite:
        task, number = prompt.tags[0], int(prompt.id.rpartition("_")[2])
        for index in range(samples):
            key = SampleKey(prompt.id, index)
            found = value(task, number, index)
            keys.append(key)
            rows.append(Score(key, task, found, reason="" if found is not None else "the judge broke"))
    return Side(
        where=Path(name),
        name=f"geneval/{name}",
        model=name,
        manifest={**MANIFEST, **manifest},
        benchmark=GenEval(),
        scoring="corrected",
        own=False,
        prompts=suite,
        wanted=tuple(keys),
        rows=tuple(rows),
        seeds={key: seed + place for place, key in enumerate(keys)},
        digests={key: f"{name} {key}" for key in keys},
    )


def right(task: str, number: int, index: int) -> float:
    """Right but for every fourth prompt."""
    return float(number % 4 != 0)
