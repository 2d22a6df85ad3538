"""What is asked about a run: a dimension's videos under their official names, and the run's own scores of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_eval.adapters.vbench import static
from nova_eval.adapters.vbench.names import official_name
from nova_eval.checks.crosscheck.official import OfficialCall
from nova_eval.engines.units import ScorerPlan
from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.judges import JUDGES
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs.run import Run


@dataclass(frozen=True, slots=True)
class Case:
    """A dimension with the run's rows by the path that the package is given, and the prompts that they are of."""

    question: OfficialCall
    rows: Mapping[str, Score]
    prompts: Sequence[Prompt]


def case_of(opened: Run, name: str, videos: Path, limit: int | None) -> Case:
    """The question about one dimension. A NovaEvalError says why there is none."""
    plan = next((plan for plan in opened.judging.plans if plan.name == name), None)
    if plan is None:
        raise PrerequisiteError(opened.judging.unavailable.get(name) or "the run has no such dimension")
    _check_judge(opened, plan)
    rows = _rows(opened, plan)
    if not rows:
        raise PrerequisiteError("the run has no scores of it")
    samples, _ = opened.samples()
    kept = _spread(sorted(key for key in rows if samples[key].path.endswith(".mp4")), limit)
    if not kept:
        raise PrerequisiteError("the official package reads .mp4 files only")
    prompts = {prompt.id: replace(prompt, tags=(name,)) for prompt in opened.suite}
    paths = {key: _linked(opened, samples[key], prompts[key.prompt_id].text, videos) for key in kept}
    used = list(dict.fromkeys(key.prompt_id for key in kept))
    info = [
        _entry(prompts[prompt_id], name, [str(path) for key, path in paths.items() if key.prompt_id == prompt_id])
        for prompt_id in used
    ]
    by_path = {str(path): rows[key] for key, path in paths.items()}
    return Case(OfficialCall(name, info), by_path, [prompts[prompt_id] for prompt_id in used])


def _check_judge(opened: Run, plan: ScorerPlan) -> None:
    """Raises unless the scores are the official rule's over the official network on the weights at hand."""
    version, _, suffix = plan.folder.rpartition("@")[2].rpartition("-")
    if version.endswith("corrected"):
        raise UsageError("scored by the corrected rule; the package has the official one")
    if suffix == "pixels":
        return
    used = (opened.store.manifest() or {}).get("judges", {}).get(plan.name)
    role = opened.config.dimensions[plan.name].role
    network = opened.config.judges["official"][role]
    if used != network:
        raise UsageError(f"scored by the judge {used}; the package asks {network}")
    judge: Any = JUDGES.get(network)
    if judge().digest[:8] != suffix:
        raise UsageError("scored with other weights, or another version of the judge, than is at hand now")


def _rows(opened: Run, plan: ScorerPlan) -> dict[SampleKey, Score]:
    """Decided rows; for temporal_flickering only those of clips that the static filter keeps."""
    samples, _ = opened.samples()
    found = opened.store.scores(plan.folder, samples)
    rows = [row for (_, metric), row in found.items() if metric == plan.name and row.decided]
    if plan.name == static.DIMENSION:
        rows = list(_still(opened, rows, samples))
    return {row.key: row for row in rows}


def _still(opened: Run, rows: Sequence[Score], samples: Mapping[SampleKey, Sample]) -> Iterator[Score]:
    plan = next((plan for plan in opened.judging.plans if plan.name == static.FILTER), None)
    found = opened.store.scores(plan.folder, samples) if plan else {}
    verdicts = {key: row for (key, metric), row in found.items() if metric == static.FILTER}
    groups: dict[str, list[Score]] = {}
    for row in rows:
        groups.setdefault(row.key.prompt_id, []).append(row)
    for group in groups.values():
        yield from (row for row in static.filtered(group, verdicts) if row.value is not None)


def _linked(opened: Run, sample: Sample, text: str, videos: Path) -> Path:
    """A link under the official name, which human_action reads its label from; a folder a sample, as texts repeat."""
    try:
        name = official_name(text, sample.key.index)
    except UsageError:
        name = f"video-{sample.key.index}.mp4"
    path = videos / sample.key.prompt_id.replace("/", "_") / str(sample.key.index) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to((opened.store.folder / sample.path).absolute())
    return path


def _entry(prompt: Prompt, name: str, paths: Sequence[str]) -> dict[str, Any]:
    """A prompt as the package's own list has it."""
    return {
        "prompt_en": prompt.text,
        "dimension": [name],
        "video_list": list(paths),
        **({"auxiliary_info": dict(prompt.reference)} if prompt.reference else {}),
    }


def _spread(keys: Sequence[SampleKey], limit: int | None) -> list[SampleKey]:
    if limit is None or limit >= len(keys):
        return list(keys)
    return [keys[index * len(keys) // limit] for index in range(limit)]
