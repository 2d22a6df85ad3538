"""A VBench run beside the official package: the same videos and weights, run in an environment of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from nova_eval.checks.crosscheck.cases import Case, case_of
from nova_eval.checks.crosscheck.comparison import Compared, compare
from nova_eval.checks.crosscheck.installation import Environment, environment
from nova_eval.checks.crosscheck.official import FILES, ask, missing_package, place_files, weights_in
from nova_eval.checks.crosscheck.options import Crosscheck
from nova_eval.errors import NovaEvalError, PrerequisiteError, UsageError, unknown
from nova_eval.runs.opening import reopen

_LOG = "logs/crosscheck.log"


def crosscheck(
    folder: Path, asked: Crosscheck = Crosscheck(), say: Callable[[str], None] = lambda text: None
) -> list[Compared]:
    """Runs the official package on the videos of the VBench run in ``folder`` and compares it with the run's scores.

    The CPU computes in float32, as the tolerances assume. A dimension that cannot be compared carries the reason.
    PrerequisiteError when the environment cannot be made or no dimension can be compared.
    """
    opened, package = reopen(folder), asked.package
    if opened.spec.benchmark != "vbench":
        raise UsageError(f"{folder} is a run of {opened.spec.benchmark}", remedy="crosscheck compares runs of vbench")
    for name in asked.dimensions:
        if name not in FILES:
            raise unknown("dimension", name, FILES)
    names = asked.dimensions or tuple(FILES)
    results: dict[str, Compared] = {}
    cases: list[Case] = []
    with tempfile.TemporaryDirectory(prefix="nova_eval-crosscheck-") as temporary, weights_in(package.weights):
        cache = Path(temporary)
        official: Environment | None = None
        for name in names:
            try:
                case = case_of(opened, name, cache / "videos" / name, asked.limit)
            except NovaEvalError as error:
                results[name] = Compared(name, reason=str(error))
                continue
            problem = place_files(name, cache, package)
            if not problem:
                official = official or environment(package.environment, say, offline=package.offline)
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
        questions = [case.question for case in cases]
        answers = ask(official, questions, cache, threads=package.cores, log=log, say=say)
        for case, answer in zip(cases, answers, strict=True):
            name = case.question.dimension
            results[name] = compare(name, case.rows, case.prompts, answer)
    return [results[name] for name in names]
