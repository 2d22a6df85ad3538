"""Recorded decisions of the official VBench code, one section a function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.rule import Rule
from nova_eval.adapters.vbench.benchmark import OFFICIAL, VBench
from nova_eval.adapters.vbench.final import official_final_score, official_submission
from nova_eval.adapters.vbench.frames import middle_indices
from nova_eval.adapters.vbench.results import official_record
from nova_eval.adapters.vbench.spatial import position_score
from nova_eval.checks.parity.compare import compared
from nova_eval.checks.parity.items import item, number_of, numbered
from nova_eval.checks.parity.rules.sections import Case, Rules, Section, recorded_judge
from nova_eval.engines.questions import scores_of
from nova_eval.judges.umt import kinetics_400
from nova_eval.protocols import Detection, Floats, Frames, Item
from nova_eval.records import ParityResult, Prompt, SampleKey, Score

TOLERANCE = 1e-12

RULES_OF = {rule.name: rule for rule in OFFICIAL}
_VBENCH = VBench()
_DETECTION = ("object_class", "multiple_objects", "color", "spatial_relationship")


# --- dimensions -----------------------------------------------------------------------------------------------------


def decide(rule: Rule, items: Sequence[Item], judge: Any) -> dict[str, Any]:
    """What the official function returns, from our scorer and our reducer: the score, and a record of each video."""
    prompts = list({one.prompt.id: one.prompt for one in items}.values())
    rows = scores_of(rule, items, judge)
    metric = next(m for m in reduced(_VBENCH, prompts, [one.sample.key for one in items], rows) if m.name == rule.name)
    records = [None if row.value is None else official_record(row) for row in rows if row.weight > 0]
    return {"score": metric.value, "videos": records, "debug": [_debug(row) for row in rows]}


def decided(
    case: str,
    dimension: str,
    judge: Any,
    clips: Sequence[Frames],
    asked: tuple[str, Mapping[str, Any]],
    *,
    expected: Mapping[str, Any],
    tolerance: float = 0.0,
    **settings: Any,
) -> ParityResult:
    """A dimension's score and records of ``clips`` of the prompt ``asked`` (text and reference).

    ``expected`` holds a score and the records of the videos that have one, or the error that the official code raises.
    """
    prompt = Prompt("case/0000", asked[0], (dimension,), asked[1])
    rule = RULES_OF[dimension].with_settings(frames=None, **settings)
    found = decide(rule, [item(prompt, clip, number, 8.0) for number, clip in enumerate(clips)], judge)
    if "error" in expected:
        return compared(
            case, "score", expected["error"], expected["error"] if found["score"] is None else found["score"]
        )
    wanted = {"score": expected["score"], "videos": expected["videos"]}
    kept = [record for record in found["videos"] if record is not None]
    return compared(case, "score", wanted, {**found, "videos": kept}, tolerance, more=True)


def _debug(row: Score) -> dict[str, Any]:
    places = {name.lower(): place for place, name in enumerate(kinetics_400())}
    accepted = [[places[name], probability] for name, probability in row.detail.get("accepted", ())]
    return {"label": row.detail.get("label"), "accepted": accepted}


def _section(run: Callable[[Any], dict[str, Any]]) -> Section:
    def cases(content: Any) -> Iterator[Case]:
        for case in content:
            yield case.get("note", ""), _with_undefined(case["expected"]), partial(run, case["input"])

    return cases


def _with_undefined(expected: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record of a video without a score stands for no score."""
    if not isinstance(videos := expected.get("videos"), list):
        return expected
    lacking = [isinstance(video, Mapping) and video.get("video_results") == "nan" for video in videos]
    return {**expected, "videos": ["nan" if none else v for none, v in zip(lacking, videos, strict=True)]}


def _prompted(dimension: str) -> Section:
    def run(recorded: Mapping[str, Any]) -> dict[str, Any]:
        items: list[Item] = []
        answers: list[Any] = []
        for number, entry in enumerate(recorded["prompts"]):
            reference = entry.get("auxiliary_info", {})
            prompt = Prompt(f"case/{number:04d}", entry["prompt_en"], (dimension,), reference)
            for index, video in enumerate(entry["videos"]):
                items.append(numbered(prompt, index, len(answers), len(video), fps=8.0))
                answers.append(video)
        return decide(RULES_OF[dimension].with_settings(frames=None), items, _judge(answers))

    return _section(run)


def _human_action(recorded: Mapping[str, Any]) -> dict[str, Any]:
    videos = recorded["videos"]
    paths = {f"case/{number:04d}": video["path"] for number, video in enumerate(videos)}
    items = [
        numbered(Prompt(prompt_id, path, ("human_action",)), 0, number, fps=8.0)
        for number, (prompt_id, path) in enumerate(paths.items())
    ]
    rule = RULES_OF["human_action"].with_settings(file_name=lambda prompt, sample: paths[prompt.id])
    return decide(rule, items, _judge(videos, recorded["default_logit"]))


def _judge(videos: Sequence[Any], default_logit: float = 0.0) -> Any:
    """Regions of a frame, captions row by row, logits of a clip. A recorded ``null`` is a frame that was refused."""

    def describe(frames: Frames) -> list[list[Detection]]:
        found = []
        for frame in frames:
            regions = videos[number_of(frame[0, 0])][number_of(frame[0, 1])]
            if regions is None:
                raise RuntimeError("the recorded detector raised")
            found.append([Detection(r["object"], tuple(r["box"]), caption=r["caption"]) for r in regions])
        return found

    def caption(frames: Frames) -> list[str]:
        """Row r answers the r-th caption of the clip, whatever the row shows: the recorded captions are rows."""
        captions: list[str] = videos[number_of(frames[0, 0, 0])]
        return captions[: len(frames)]

    def action_logits(frames: Frames) -> tuple[Sequence[str], Floats]:
        names = kinetics_400()
        logits = np.full(len(names), default_logit, np.float32)
        for place, logit in videos[number_of(frames[0, 0, 0])]["logits"].items():
            logits[int(place)] = logit
        return names, logits

    return recorded_judge(detect=describe, describe=describe, caption=caption, action_logits=action_logits)


# --- formulas -------------------------------------------------------------------------------------------------------


def _final_score(recorded: Mapping[str, Any]) -> dict[str, Any]:
    files = [(entry["path"], _with_nan(entry["json"])) for entry in recorded["files"]]
    raw = official_submission(_VBENCH.config, files)
    final = official_final_score(_VBENCH.config, raw)
    answer = {
        "uploaded": {name.replace("_", " "): value for name, value in raw.items()},
        "weighted_normalized": {name.replace("_", " "): value for name, value in final.weighted.items()},
        "quality": final.quality,
        "semantic": final.semantic,
        "total": final.total,
    }
    _check_reducer(raw, answer)
    return answer


def _check_reducer(raw: Mapping[str, float], answer: Mapping[str, Any]) -> None:
    """The benchmark's own composites of the same sixteen scores must be the official ones."""
    if not all(math.isfinite(raw[name]) for name in _VBENCH.dimensions):
        return
    prompt = Prompt("case/0000", "", tuple(_VBENCH.dimensions))
    key = SampleKey(prompt.id, 0)
    rows = [Score(key, name, float(raw[name])) for name in _VBENCH.dimensions]
    for metric in reduced(_VBENCH, [prompt], [key], rows)[-3:]:
        if metric.value is None or abs(metric.value - answer[metric.name]) > TOLERANCE:
            raise AssertionError(f"reduce says {metric.name} {metric.value}, the formula {answer[metric.name]}")


def _with_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value == "nan" else value


def _frame_sampling(recorded: Mapping[str, Any]) -> dict[str, Any]:
    if recorded["sample"] != "middle":
        raise ValueError(f"VBench looks at frames by the middle rule, not {recorded['sample']!r}")
    return {"indices": middle_indices(recorded["num_frames"], recorded["vlen"])}


def _position_score(recorded: Mapping[str, Any]) -> dict[str, Any]:
    boxes = recorded["box_a"], recorded["box_b"]
    return {"score": position_score(recorded["relationship"], *boxes, recorded["iou_threshold"])}


RULES = Rules(
    {
        **{dimension: _prompted(dimension) for dimension in (*_DETECTION, "scene")},
        "human_action": _section(_human_action),
        "final_score": _section(_final_score),
        "frame_sampling": _section(_frame_sampling),
        "position_score": _section(_position_score),
    },
    TOLERANCE,
    refused=lambda found: found.get("score", ...) is None or None in found.get("videos", ()),
    more=True,
    digits=2,
)
