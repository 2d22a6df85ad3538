"""A VBench run beside the official package: the same videos and weights, run in an environment of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nova_eval import environment as machine
from nova_eval.adapters.vbench import static
from nova_eval.adapters.vbench.names import official_name
from nova_eval.checks.crosscheck.comparison import Compared, as_json, compare, lines
from nova_eval.checks.crosscheck.installation import Environment, environment
from nova_eval.checks.crosscheck.official import (
    FILES,
    Question,
    ask,
    missing_package,
    place_files,
)
from nova_eval.engines.worker import ScorerPlan
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError, unknown
from nova_eval.judges import JUDGES
from nova_eval.records import Prompt, Sample, SampleKey, Score
from nova_eval.runs.opening import reopen
from nova_eval.runs.run import Run
from nova_eval.weights.catalogue import FOLDER_VARIABLE

__all__ = ["Compared", "as_json", "crosscheck", "environment", "lines", "weights_in"]

_LOG = "logs/crosscheck.log"


@dataclass(frozen=True, slots=True)
class Case:
    """A dimension with the run's rows by the path that the package is given, and the prompts that they are of."""

    question: Question
    rows: Mapping[str, Score]
    prompts: Sequence[Prompt]


def crosscheck(
    folder: Path,
    *,
    dimensions: Sequence[str] = (),
    limit: int | None = None,
    weights: Path | None = None,
    place: Path | None = None,
    mirror: Path | None = None,
    offline: bool = False,
    threads: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Compared]:
    """Runs the official package on the videos of the VBench run in ``folder`` and compares it with the run's scores.

    At most ``limit`` videos a dimension, spread evenly. ``weights`` is a folder of weight files under their published
    names that comes before all others, ``place`` the environment's folder. The CPU computes in float32, as the
    tolerances assume. A dimension that cannot be compared carries the reason. PrerequisiteError when the environment
    cannot be made or no dimension can be compared.
    """
    opened = reopen(folder)
    if opened.spec.benchmark != "vbench":
        raise UsageError(f"{folder} is a run of {opened.spec.benchmark}", remedy="crosscheck compares runs of vbench")
    for name in dimensions:
        if name not in FILES:
            raise unknown("dimension", name, FILES)
    results: dict[str, Compared] = {}
    cases: list[Case] = []
    with tempfile.TemporaryDirectory(prefix="nova_eval-crosscheck-") as temporary, weights_in(weights):
        cache = Path(temporary)
        official: Environment | None = None
        for name in dimensions or FILES:
            try:
                case = _case(opened, name, cache / "videos" / name, limit)
            except NovaEvalError as error:
                results[name] = Compared(name, reason=str(error))
                continue
            problem = place_files(name, cache, mirror=mirror, offline=offline)
            if not problem:
                official = official or environment(place, say)
                problem = missing_package(name, official)
            if problem:
                results[name] = Compared(name, reason=problem)
            else:
                cases.append(case)
        if official is None or not cases:
            reasons = {row.reason: None for row in results.values()}
            raise PrerequisiteError(f"no dimension of {folder} can be compared: {'; '.join(reasons)}")
        log = opened.store.folder / _LOG
        log.parent.mkdir(parents=True, exist_ok=True)
        answers = ask(
            official,
            [case.question for case in cases],
            cache,
            threads=threads or machine.cpu_count(),
            log=log,
            say=say,
        )
        for case, answer in zip(cases, answers, strict=True):
            name = case.question.dimension
            results[name] = compare(name, case.rows, case.prompts, answer)
    return [results[name] for name in dimensions or FILES]


def _case(opened: Run, name: str, videos: Path, limit: int | None) -> Case:
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
    return Case(Question(name, info), by_path, [prompts[prompt_id] for prompt_id in used])


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


@contextmanager
def weights_in(folder: Path | None) -> Iterator[None]:
    """Weight files are looked for in ``folder`` first."""
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise UsageError(f"the folder of weights {folder} does not exist")
    before = os.environ.get(FOLDER_VARIABLE)
    os.environ[FOLDER_VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[FOLDER_VARIABLE]
        else:
            os.environ[FOLDER_VARIABLE] = before
