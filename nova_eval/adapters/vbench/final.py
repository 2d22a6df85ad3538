"""From sixteen scores to Quality, Semantic and Total. Source: scripts/cal_final_score.py at commit 45e79ec."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nova_eval.adapters.compose import normalised
from nova_eval.config import BenchmarkConfig
from nova_eval.errors import UsageError

OFFICIAL_MISSING_SCORE = 0.0
"""A dimension that was not uploaded enters as raw 0, which the normalisation makes *negative* wherever the range starts
above 0 (motion smoothness: −2.42). The benchmark's own composites say instead that the dimension is missing."""


@dataclass(frozen=True, slots=True)
class FinalScore:
    """``weighted`` is weight × normalised score by dimension; the other three are fractions."""

    weighted: Mapping[str, float]
    quality: float
    semantic: float
    total: float


def official_final_score(config: BenchmarkConfig, raw: Mapping[str, float]) -> FinalScore:
    """The official formula over raw dimension scores, defects included: what is missing counts as 0."""
    weighted = {
        name: normalised(dimension, raw.get(name, OFFICIAL_MISSING_SCORE)) * dimension.weight
        for name, dimension in config.dimensions.items()
    }
    by_group = {}
    for group in config.groups:
        members = [name for name, dimension in config.dimensions.items() if dimension.group == group]
        weight = math.fsum(config.dimensions[name].weight for name in members)
        by_group[group] = sum(weighted[name] for name in members) / weight
    total = sum(by_group[group] * share for group, share in config.groups.items()) / sum(config.groups.values())
    return FinalScore(weighted, by_group["quality"], by_group["semantic"], total)


def official_submission(config: BenchmarkConfig, files: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The raw scores in the JSON files of a submission archive, given as (path, content) in the order of listing.

    Read are files at the top and one folder down; names beginning with ``.`` or ``__`` are skipped, at the top only.
    Content that is no mapping is ignored, unknown keys are kept, later files replace earlier ones, and what is missing
    is ``OFFICIAL_MISSING_SCORE``. Keys come back with underscores. Raises UsageError where the official script fails.
    """
    top: dict[str, list[tuple[list[str], Any]]] = {}
    for path, content in dict(files).items():
        parts = path.removeprefix("./").split("/")
        if not parts[0].startswith((".", "__")):
            top.setdefault(parts[0], []).append((parts[1:], content))
    if not top:
        raise UsageError("the submission holds no file", remedy="put the *_eval_results.json files at its top")
    raw: dict[str, Any] = {}
    for name, entries in top.items():
        for inner, content in entries:
            read = name.endswith("json") if not inner else len(inner) == 1 and inner[0].endswith(".json")
            if read and isinstance(content, Mapping):
                raw |= {key.replace(" ", "_"): _first(key, value) for key, value in content.items()}
    for name in config.dimensions:
        if not isinstance(raw.setdefault(name, OFFICIAL_MISSING_SCORE), (int, float)):
            raise UsageError(f"{name!r} has no number as its score", remedy="expected [score, [records]]")
    return raw


def _first(key: str, value: Any) -> Any:
    """The score of ``[score, [per-video records]]``."""
    if isinstance(value, (list, str)) and value:
        return value[0]
    raise UsageError(f"{key!r} holds no score", remedy="expected [score, [records]]")
