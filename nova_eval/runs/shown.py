"""What trackers are told of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from nova_eval.errors import MediaError
from nova_eval.records import Metric, Score
from nova_eval.runs.finding import seek
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.runs.summary import Outcome, rows_of
from nova_eval.trackers import Shown, Tracking

_MOST = 8
_STEP = re.compile(r"\d{1,15}$")


def track_run(tracking: Tracking, opened: Run, outcome: Outcome) -> None:
    """Metrics, samples and coverage of a run, at the step that its model's name ends in, or 0."""
    if not list(tracking):
        return
    axis, found = opened.spec.benchmark, _STEP.search(opened.model)
    step = int(found[0]) if found else 0
    samples = shown(opened, outcome.counted)
    values = numbers(outcome.summary.metrics)
    coverage = outcome.summary.coverage
    told: dict[str, str | float] = {**values, "run": opened.name, "unscored": coverage.unscored}
    tracking.each(lambda tracker: tracker.log(axis, step, values))
    tracking.each(lambda tracker: tracker.media(axis, step, samples))
    tracking.each(lambda tracker: tracker.summary(axis, told))


def numbers(metrics: Sequence[Metric]) -> dict[str, float]:
    """The values that are known, by name."""
    return {metric.name: metric.value for metric in metrics if metric.value is not None}


def shown(opened: Run, rows: Sequence[Score]) -> list[Shown]:
    """The first sample of a few prompts, spread evenly over the run, with what ``rows`` say of it."""
    samples, _ = opened.samples()
    first = {key.prompt_id: key for key in reversed(opened.wanted) if key in samples}
    prompts = [prompt for prompt in opened.prompts if prompt.id in first]
    taken = [prompts[place * len(prompts) // _MOST] for place in range(_MOST)] if len(prompts) > _MOST else prompts
    scores: dict[object, dict[str, float | None]] = {}
    for row in rows:
        scores.setdefault(row.key, {})[row.metric] = row.value
    found = []
    for prompt in taken:
        key = first[prompt.id]
        try:
            path = opened.store.media(samples[key])
        except MediaError:
            continue
        found.append(Shown(prompt.text, key.index, path, scores.get(key, {})))
    return found


def samples_of(run: str, results: Path) -> list[Shown]:
    """The same of a run by its name; none where it is gone."""
    if (folder := seek(run, results)) is None:
        return []
    opened = reopen(folder)
    return shown(opened, rows_of(opened)[0])
