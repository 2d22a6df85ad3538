"""A run's scores beside the official package's, video by video, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.vbench import VBench
from nova_eval.adapters.vbench.results import official_record
from nova_eval.checks.crosscheck.official import OfficialAnswer
from nova_eval.records import ParityResult, Prompt, SampleKey, Score


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Absolute, in the units of the official record of a video and of the dimension's score."""

    video: float
    score: float


TOLERANCES: Mapping[str, Tolerance] = {
    "subject_consistency": Tolerance(2e-6, 2e-6),
    "background_consistency": Tolerance(2e-6, 2e-6),
    "temporal_flickering": Tolerance(1e-7, 1e-7),
    "motion_smoothness": Tolerance(5e-6, 5e-6),
    "dynamic_degree": Tolerance(0.0, 0.0),
    "aesthetic_quality": Tolerance(3e-6, 3e-6),
    "imaging_quality": Tolerance(2e-5, 2e-7),  # videos from 0 to 100, the dimension from 0 to 1
    "object_class": Tolerance(1e-9, 1e-9),
    "multiple_objects": Tolerance(1e-9, 1e-9),
    "human_action": Tolerance(0.0, 1e-9),
    "color": Tolerance(1e-9, 1e-9),
    "spatial_relationship": Tolerance(1e-9, 1e-9),
    "scene": Tolerance(1e-9, 1e-9),
    "appearance_style": Tolerance(2e-7, 2e-7),
    "temporal_style": Tolerance(2e-6, 2e-6),
    "overall_consistency": Tolerance(2e-6, 2e-6),
}
"""On the CPU in float32: what the sums of float32 in another order, and other builds of the same kernels, can move."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One dimension. ``reason`` says why nothing was compared.

    ``video`` is the largest difference of a video, with that video in its note; a video that only one side scores is an
    infinite one. ``score`` is the difference of the dimension's score, infinite where only one side has one.
    """

    dimension: str
    videos: int = 0
    mean: float = 0.0
    ours: float | None = None
    official: float | None = None
    video: ParityResult | None = None
    score: ParityResult | None = None
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all videos and the dimension's score are within tolerance. False where nothing was compared."""
        return all(result is not None and result.passed for result in (self.video, self.score))


def compare(
    dimension: str,
    rows: Mapping[str, Score],
    prompts: Sequence[Prompt],
    answer: OfficialAnswer,
) -> Compared:
    """``rows`` are the run's scores by the path under which the package was given the video."""
    if answer.error:
        return Compared(dimension, reason=f"the official package: {answer.error}")
    tolerance = TOLERANCES[dimension]
    theirs = {str(record["video_path"]): record.get("video_results") for record in answer.videos}
    differences = {path: _difference(_record(row), theirs.get(path)) for path, row in rows.items()}
    worst = max(differences, key=lambda path: differences[path])
    key = rows[worst].key
    ours = _score(dimension, prompts, list(rows.values()))
    official = None if answer.score is None else float(answer.score)
    between = math.inf if ours is None or official is None else abs(ours - official)
    return Compared(
        dimension,
        videos=len(differences),
        mean=math.fsum(differences.values()) / len(differences),
        ours=ours,
        official=official,
        video=ParityResult(
            f"{dimension}/video", differences[worst], tolerance.video, note=f"{key.prompt_id}-{key.index}"
        ),
        score=ParityResult(f"{dimension}/score", between, tolerance.score),
    )


def lines(results: Sequence[Compared]) -> str:
    """A table for people: a line a dimension, then those that were not compared and why, then the verdict."""
    heads = ("dimension", "videos", "largest", "mean", "ours", "official", "tolerance", "")
    table: list[tuple[str, ...]] = [heads]
    for row in results:
        if row.video is None or row.score is None:
            continue
        scores = [("-" if value is None else f"{value:.7f}") for value in (row.ours, row.official)]
        verdict = "agrees" if row.agrees else f"DISAGREES, most at {row.video.note}"
        table.append(
            (
                *(row.dimension, str(row.videos), f"{row.video.difference:.1e}", f"{row.mean:.1e}"),
                *(*scores, f"{row.video.tolerance:.0e} / {row.score.tolerance:.0e}", verdict),
            )
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    text += [f"not compared: {row.dimension} ({row.reason})" for row in results if row.reason]
    compared = [row for row in results if not row.reason]
    agreeing = sum(row.agrees for row in compared)
    text.append(f"{agreeing} of {len(compared)} dimensions agree; tolerance is per video / of the dimension's score")
    return "\n".join(text)


def as_json(results: Sequence[Compared]) -> list[dict[str, Any]]:
    """The same for programs; a difference that is not a finite number is ``None``."""
    return [
        {
            "dimension": row.dimension,
            "compared": not row.reason,
            "agrees": None if row.reason else row.agrees,
            "reason": row.reason,
            "videos": row.videos,
            "largest_difference": _finite(row.video.difference if row.video else 0.0),
            "mean_difference": _finite(row.mean),
            "worst_sample": row.video.note if row.video else "",
            "score": row.ours,
            "official_score": row.official,
            "tolerance": {"video": TOLERANCES[row.dimension].video, "score": TOLERANCES[row.dimension].score},
        }
        for row in results
    ]


def _record(row: Score) -> float | None:
    return None if row.value is None else float(official_record(row)["video_results"])


def _difference(ours: float | None, theirs: float | None) -> float:
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else math.inf
    return abs(ours - float(theirs))


def _score(dimension: str, prompts: Sequence[Prompt], rows: Sequence[Score]) -> float | None:
    wanted: list[SampleKey] = [row.key for row in rows]
    return next(metric.value for metric in reduced(VBench(), prompts, wanted, rows) if metric.name == dimension)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
