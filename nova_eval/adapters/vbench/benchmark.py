"""VBench: sixteen dimensions of generated video, and how they make Quality, Semantic and Total."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nova_eval.adapters.compose import metrics_of
from nova_eval.adapters.names import SIDE
from nova_eval.adapters.reduce import (
    complete,
)
from nova_eval.adapters.results import OfficialResults
from nova_eval.adapters.rule import Rule, corrected, under
from nova_eval.adapters.suite import Suite, read_suite
from nova_eval.adapters.vbench import static
from nova_eval.adapters.vbench.action import human_action
from nova_eval.adapters.vbench.color import color
from nova_eval.adapters.vbench.consistency import consistency
from nova_eval.adapters.vbench.detection import multiple_objects, object_class
from nova_eval.adapters.vbench.flicker import temporal_flickering
from nova_eval.adapters.vbench.flow import dynamic_degree, static_filter
from nova_eval.adapters.vbench.interpolation import motion_smoothness
from nova_eval.adapters.vbench.names import VBenchNames
from nova_eval.adapters.vbench.prompts import official as official_suite
from nova_eval.adapters.vbench.quality import aesthetic_quality, imaging_quality
from nova_eval.adapters.vbench.results import result_files
from nova_eval.adapters.vbench.scene import scene
from nova_eval.adapters.vbench.spatial import spatial_relationship
from nova_eval.adapters.vbench.text import appearance_style, video_text
from nova_eval.config import facts_of, read_benchmark
from nova_eval.media import VIDEO_SUFFIXES
from nova_eval.protocols import Scorer
from nova_eval.records import Metric, Prompt, SampleKey, Score

OFFICIAL = (
    Rule("subject_consistency", "subject_features", partial(consistency, metric="subject_consistency")),
    Rule("background_consistency", "background_features", partial(consistency, metric="background_consistency")),
    Rule("temporal_flickering", None, temporal_flickering),
    Rule("static_filter", "optical_flow", static_filter),
    Rule("motion_smoothness", "frame_interpolation", motion_smoothness),
    Rule("dynamic_degree", "optical_flow", dynamic_degree),
    Rule("aesthetic_quality", "aesthetic", aesthetic_quality),
    Rule("imaging_quality", "image_quality", imaging_quality),
    Rule("object_class", "detection", object_class),
    Rule("multiple_objects", "detection", multiple_objects),
    Rule("human_action", "action", human_action),
    Rule("color", "dense_captions", color),
    Rule("spatial_relationship", "detection", spatial_relationship),
    Rule("scene", "scene_captions", scene),
    Rule("appearance_style", "image_text", appearance_style),
    Rule("temporal_style", "video_text", partial(video_text, metric="temporal_style")),
    Rule("overall_consistency", "video_text", partial(video_text, metric="overall_consistency")),
)
"""The rules as published, every defect at its ``OFFICIAL_…`` value."""

_TURNED = {"frames_are_not_turned": False}
_FLOW_REPAIRS = {"short_clips_need_no_motion": False, "undefined_flow_is_still": False, **_TURNED}
_REPAIRS: Mapping[str, Mapping[str, Any]] = {
    "temporal_flickering": _TURNED,
    "motion_smoothness": _TURNED,
    "static_filter": _FLOW_REPAIRS,
    "dynamic_degree": _FLOW_REPAIRS,
    "object_class": {"error_is_empty_frame": False},
    "human_action": {"label_from_file_name": False},
    "color": {"class_of_first_box": False},
    "spatial_relationship": {"direction_is_ignored": False},
    "scene": {"caption_rows_per_frame": 1, "words_are_substrings": False},
}


CORRECTED = corrected(OFFICIAL, _REPAIRS)
"""The same rules with the defects repaired. A rule without a defect is the official one, and its rows serve both."""


class VBench:
    """The benchmark as ``benchmarks/vbench/benchmark.toml`` describes it."""

    def __init__(self) -> None:
        self.facts = facts_of("vbench")
        self.config = read_benchmark(self.facts)
        self.dimensions = self.config.dimensions

    def suite(self, variant: str, *, mirror: Path | None = None, offline: bool = False) -> Suite:
        return read_suite(self.facts, variant, official_suite, mirror=mirror, offline=offline)

    def names(self, endings: Collection[str] = VIDEO_SUFFIXES, side: int = SIDE) -> VBenchNames:
        return VBenchNames(endings)

    def scorers(self, scoring: str) -> Sequence[Scorer]:
        """Sixteen rules and the static filter, under ``"official"`` or ``"corrected"`` scoring."""
        return under(scoring, OFFICIAL, _REPAIRS)

    def metrics_of(self, prompt: Prompt) -> tuple[str, ...]:
        """The dimensions that a prompt serves."""
        return tuple(name for name in self.dimensions if name in prompt.tags)

    def pairs(self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[SampleKey, str]]:
        """Every (sample, scorer) pair that the metrics need.

        The static filter is among them only for prompts with more samples than it keeps.
        """
        for prompt, keys in _by_prompt(prompts, wanted):
            names = self.metrics_of(prompt)
            for key in keys:
                for name in names:
                    yield key, name
                    if name == static.DIMENSION and len(keys) > static.KEPT_STATIC_CLIPS:
                        yield key, static.FILTER

    def reduce(self, rows: Sequence[Score], scoring: str = "official") -> list[Metric]:
        """Sixteen dimensions, then quality, semantic and total, all as fractions.

        A dimension is the mean over what is scored; a composite is stated only when nothing in it is unscored.
        """
        return metrics_of(self.config, rows)

    def rows(
        self, prompts: Sequence[Prompt], wanted: Sequence[SampleKey], scores: Iterable[Score], scoring: str = "official"
    ) -> list[Score]:
        """One row a wanted (sample, dimension) pair, those that the static filter does not keep left out by rule."""
        self.scorers(scoring)
        rows = complete(self.pairs(prompts, wanted), scores)
        verdicts = {row.key: row for row in rows if row.metric == static.FILTER}
        flickering: dict[str, list[Score]] = {}
        for row in rows:
            if row.metric == static.DIMENSION:
                flickering.setdefault(row.key.prompt_id, []).append(row)
        kept = [row for row in rows if row.metric not in {static.DIMENSION, static.FILTER}]
        for group in flickering.values():
            kept += static.filtered(group, verdicts, by_path=scoring == "official")
        return kept

    def result_files(self, results: OfficialResults) -> Mapping[str, str]:
        return result_files(results)

    def prepare(self, mirror: Path | None = None) -> Sequence[str]:
        return ()


def _by_prompt(prompts: Sequence[Prompt], wanted: Sequence[SampleKey]) -> Iterator[tuple[Prompt, list[SampleKey]]]:
    keys: dict[str, dict[SampleKey, None]] = {prompt.id: {} for prompt in prompts}
    for key in wanted:
        if key[0] in keys:
            keys[key[0]][key] = None
    for prompt in prompts:
        yield prompt, list(keys[prompt.id])
