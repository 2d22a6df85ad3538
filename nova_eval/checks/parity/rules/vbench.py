"""Recorded decisions of the official VBench code against this package's scorers, the judge's answers replayed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval.adapters.rule import Rule
from nova_eval.adapters.vbench.benchmark import OFFICIAL, VBench
from nova_eval.adapters.vbench.final import official_final_score, official_submission
from nova_eval.adapters.vbench.frames import middle_indices
from nova_eval.adapters.vbench.results import official_record
from nova_eval.adapters.vbench.spatial import position_score
from nova_eval.config import data_folder
from nova_eval.engines.questions import scores_of
from nova_eval.errors import UsageError
from nova_eval.media import Clip
from nova_eval.protocols import Detection, Floats, Frames, Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey, Score

TOLERANCE = 1e-12

_RULES = {rule.name: rule for rule in OFFICIAL}
_DETECTION = ("object_class", "multiple_objects", "color", "spatial_relationship")


def cases(folder: Path) -> Iterator[ParityResult]:
    """Every case of ``folder/rules.json`` against the scorers; the note of a failed one says what differs."""
    path = folder / "rules.json"
    vbench = VBench()
    for section, runner in SECTIONS.items():
        for number, case in enumerate(json.loads(path.read_text(encoding="utf-8")).get(section, [])):
            try:
                recorded, expected = case["input"], case["expected"]
                title = f"vbench rules/{section}/{number:02d} {case.get('note', '')}".strip()
            except (KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{path}: case {number} of {section!r} is not {{input, expected}}") from error
            try:
                actual = runner(vbench, recorded)
            except Exception as error:  # an answer too: the official code may have raised as well
                actual = {"error": f"{type(error).__name__}: {error}"}
            yield _compared(title, expected, actual)


def _compared(title: str, expected: Mapping[str, Any], actual: Mapping[str, Any]) -> ParityResult:
    """Where the official code raised, an answer without a full score is right; elsewhere only equal figures are."""
    if "error" in expected:
        refused = "error" in actual or actual.get("score", ...) is None or None in actual.get("videos", ())
        wrong, note = (
            (0.0, "") if refused else (math.inf, f"a score where the official code raises {expected['error']}")
        )
    elif "error" in actual:
        wrong, note = math.inf, str(actual["error"])
    else:
        wrong, note = _difference(expected, actual, "")
    return ParityResult(title, wrong, TOLERANCE, note=note if wrong > TOLERANCE else "")


def _difference(expected: Any, actual: Any, where: str) -> tuple[float, str]:
    """The largest absolute deviation and the place of it; infinite where the two are not of one kind or length."""
    if expected == "nan" or actual is None:
        nothing = actual is None or (isinstance(actual, float) and math.isnan(actual))
        undefined = expected == "nan" or (isinstance(expected, Mapping) and expected.get("video_results") == "nan")
        return (0.0, "") if nothing and undefined else (math.inf, f"{where}: expected {expected}, found {actual}")
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        parts = [(f"{where}.{key}".lstrip("."), expected[key], actual.get(key, _ABSENT)) for key in expected]
    elif isinstance(expected, list) and isinstance(actual, (list, tuple)) and len(expected) == len(actual):
        parts = [(f"{where}[{k}]", e, a) for k, (e, a) in enumerate(zip(expected, actual, strict=True))]
    elif type(expected) in {int, float} and type(actual) in {int, float}:
        wrong = 0.0 if expected == actual else abs(expected - actual)
        return wrong, f"{where}: expected {expected!r}, found {actual!r}"
    else:
        equal = type(expected) is type(actual) and expected == actual
        return (0.0, "") if equal else (math.inf, f"{where}: expected {expected!r}, found {actual!r}")
    return max((_difference(e, a, place) for place, e, a in parts), default=(0.0, ""), key=lambda pair: pair[0])


_ABSENT = object()


# --- dimensions -----------------------------------------------------------------------------------------------------


def _dimension(vbench: VBench, rule: Rule, items: Sequence[Item], judge: Any) -> dict[str, Any]:
    """What the official function returns, from our scorer and our reducer."""
    prompts = list({item.prompt.id: item.prompt for item in items}.values())
    rows = scores_of(rule, items, judge)
    metric = next(m for m in vbench.reduce(prompts, [item.sample.key for item in items], rows) if m.name == rule.name)
    records = [None if row.value is None else official_record(row) for row in rows if row.weight > 0]
    return {"score": metric.value, "videos": records, "debug": [_debug(row) for row in rows]}


def _debug(row: Score) -> dict[str, Any]:
    places = {name.lower(): place for place, name in enumerate(kinetics_names())}
    accepted = [[places[name], probability] for name, probability in row.detail.get("accepted", ())]
    return {"label": row.detail.get("label"), "accepted": accepted}


def _prompted(dimension: str) -> Callable[[VBench, Mapping[str, Any]], dict[str, Any]]:
    def run(vbench: VBench, recorded: Mapping[str, Any]) -> dict[str, Any]:
        items: list[Item] = []
        answers: list[Any] = []
        for number, entry in enumerate(recorded["prompts"]):
            reference = entry.get("auxiliary_info", {})
            prompt = Prompt(f"case/{number:04d}", entry["prompt_en"], (dimension,), reference)
            for index, video in enumerate(entry["videos"]):
                items.append(_item(prompt, index, len(answers), len(video)))
                answers.append(video)
        return _dimension(vbench, _RULES[dimension].with_settings(frames=None), items, Replay(answers))

    return run


def _human_action(vbench: VBench, recorded: Mapping[str, Any]) -> dict[str, Any]:
    videos = recorded["videos"]
    paths = {f"case/{number:04d}": video["path"] for number, video in enumerate(videos)}
    items = [
        _item(Prompt(prompt_id, path, ("human_action",)), 0, number, 1)
        for number, (prompt_id, path) in enumerate(paths.items())
    ]
    rule = _RULES["human_action"].with_settings(file_name=lambda prompt, sample: paths[prompt.id])
    return _dimension(vbench, rule, items, Replay(videos, recorded["default_logit"]))


def _item(prompt: Prompt, index: int, video: int, length: int) -> Item:
    """A clip whose pixels say which recorded video and frame they stand for."""
    frames = np.zeros((length, 1, 2, 3), np.uint8)
    for t in range(length):
        frames[t, 0, 0, :2] = divmod(video, 256)
        frames[t, 0, 1, :2] = divmod(t, 256)
    sample = Sample(SampleKey(prompt.id, index), 0, "", "", 0, 2, 1, length, 8.0, 0.0)
    return Item(prompt, sample, Clip(frames, 8.0))


@dataclass(frozen=True)
class Replay:
    """A judge that answers what was recorded: regions of a frame, captions row by row, logits of a clip."""

    videos: Sequence[Any]
    default_logit: float = 0.0
    name: str = "replay"
    digest: str = "replay"
    input_size: None = None

    def to(self, device: str) -> Replay:
        return self

    def detect(self, frames: Frames) -> list[list[Detection]]:
        return self.describe(frames)

    def describe(self, frames: Frames) -> list[list[Detection]]:
        """A recorded ``null`` is a frame on which the detector raised."""
        found = []
        for frame in frames:
            regions = self.videos[_number(frame[0, 0])][_number(frame[0, 1])]
            if regions is None:
                raise RuntimeError("the recorded detector raised")
            found.append([Detection(r["object"], tuple(r["box"]), caption=r["caption"]) for r in regions])
        return found

    def caption(self, frames: Frames) -> list[str]:
        """Row r answers the r-th caption of the clip, whatever the row shows: the recorded captions are rows."""
        captions: list[str] = self.videos[_number(frames[0, 0, 0])]
        return captions[: len(frames)]

    def action_logits(self, frames: Frames) -> tuple[Sequence[str], Floats]:
        names = kinetics_names()
        logits = np.full(len(names), self.default_logit, np.float32)
        for place, logit in self.videos[_number(frames[0, 0, 0])]["logits"].items():
            logits[int(place)] = logit
        return names, logits


def _number(pixel: np.ndarray) -> int:
    return int(pixel[0]) * 256 + int(pixel[1])


def kinetics_names() -> list[str]:
    """The 400 classes of Kinetics-400 in the order of the official classifier's outputs."""
    return (data_folder("benchmarks") / "vbench" / "kinetics_400.txt").read_text(encoding="utf-8").splitlines()


# --- formulas -------------------------------------------------------------------------------------------------------


def _final_score(vbench: VBench, recorded: Mapping[str, Any]) -> dict[str, Any]:
    files = [(entry["path"], _with_nan(entry["json"])) for entry in recorded["files"]]
    raw = official_submission(vbench.config, files)
    final = official_final_score(vbench.config, raw)
    answer = {
        "uploaded": {name.replace("_", " "): value for name, value in raw.items()},
        "weighted_normalized": {name.replace("_", " "): value for name, value in final.weighted.items()},
        "quality": final.quality,
        "semantic": final.semantic,
        "total": final.total,
    }
    _check_reducer(vbench, raw, answer)
    return answer


def _check_reducer(vbench: VBench, raw: Mapping[str, float], answer: Mapping[str, Any]) -> None:
    """The benchmark's own composites of the same sixteen scores must be the official ones."""
    if not all(math.isfinite(raw[name]) for name in vbench.dimensions):
        return
    prompt = Prompt("case/0000", "", tuple(vbench.dimensions))
    key = SampleKey(prompt.id, 0)
    rows = [Score(key, name, float(raw[name])) for name in vbench.dimensions]
    for metric in vbench.reduce([prompt], [key], rows)[-3:]:
        if metric.value is None or abs(metric.value - answer[metric.name]) > TOLERANCE:
            raise AssertionError(f"reduce says {metric.name} {metric.value}, the formula {answer[metric.name]}")


def _with_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value == "nan" else value


def _frame_sampling(vbench: VBench, recorded: Mapping[str, Any]) -> dict[str, Any]:
    if recorded["sample"] != "middle":
        raise ValueError(f"VBench looks at frames by the middle rule, not {recorded['sample']!r}")
    return {"indices": middle_indices(recorded["num_frames"], recorded["vlen"])}


def _position_score(vbench: VBench, recorded: Mapping[str, Any]) -> dict[str, Any]:
    boxes = recorded["box_a"], recorded["box_b"]
    return {"score": position_score(recorded["relationship"], *boxes, recorded["iou_threshold"])}


SECTIONS: Mapping[str, Callable[[VBench, Mapping[str, Any]], dict[str, Any]]] = {
    **{dimension: _prompted(dimension) for dimension in (*_DETECTION, "scene")},
    "human_action": _human_action,
    "final_score": _final_score,
    "frame_sampling": _frame_sampling,
    "position_score": _position_score,
}
