"""Recorded scores of the official VBench code against this package's scorers and judges, on procedural weights.

``expected.json`` holds cases by dimension: seed of the weights, footage, video scores, the dimension's score, and what
the networks answered on the way. Every quantity of a case is compared within the tolerance that is recorded for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nova_eval.adapters.vbench.benchmark import OFFICIAL, VBench
from nova_eval.checks.parity.procedural import footage
from nova_eval.checks.parity.weight_files import Bench, listening
from nova_eval.engines.questions import scores_of
from nova_eval.errors import UsageError, unknown
from nova_eval.media import Clip
from nova_eval.protocols import Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey, Score

_RULES = {rule.name: rule for rule in OFFICIAL}
_RULES["dynamic_degree"] = _RULES["dynamic_degree"].with_settings(every_pair=True)  # so that all are compared


@dataclass(frozen=True, slots=True)
class Answered:
    """What the network said of one clip: (quantity, expected, found) with the quantity's tolerance looked up by name.

    A quantity that the recording states no tolerance for must be equal.
    """

    quantity: str
    expected: Any
    found: Any


Intermediates = Callable[[Any, Item, Score, Sequence[Any], Mapping[str, Any]], Iterable[Answered]]


@dataclass(frozen=True, slots=True)
class Dimension:
    """Which judge answers, which files it is made of, which of its methods is listened to, and what is compared."""

    judge: str = ""
    files: Mapping[str, str] | None = None
    method: str = ""
    compare: Intermediates = lambda judge, item, row, heard, recorded: ()
    settings: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda case: {}
    video_score: Callable[[Score], float | None] = lambda row: row.value


def cases(folder: Path) -> Iterator[ParityResult]:
    """Every case of ``folder/expected.json``, one result a quantity; the note of a failed one says where it differs."""
    yield from replay(folder)


def replay(
    folder: Path, *, include: Callable[[str, Mapping[str, Any]], bool] = lambda name, case: True, device: str = "cpu"
) -> Iterator[ParityResult]:
    """The cases for which ``include(dimension, case)`` holds."""
    path = folder / "expected.json"
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        sections, tolerances = recorded["cases"], recorded["tolerance_abs"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error!r}", remedy="restore the recording") from error
    bench, vbench = Bench(folder, device), VBench()
    for name in sections:
        if name not in DIMENSIONS:
            raise unknown("recorded dimension", name, DIMENSIONS)
    wanted = [(name, case) for name, section in sections.items() for case in section if include(name, case)]
    wanted.sort(key=lambda pair: (DIMENSIONS[pair[0]].judge, pair[1]["weights_seed"], _settings(*pair)))
    try:
        for name, case in wanted:
            yield from _case(bench, vbench, name, case, tolerances[name])
    finally:
        bench.close()


def _settings(name: str, case: Mapping[str, Any]) -> str:
    return repr(DIMENSIONS[name].settings(case))


def _case(
    bench: Bench, vbench: VBench, name: str, case: Mapping[str, Any], tolerances: Mapping[str, float]
) -> Iterator[ParityResult]:
    title = f"vbench judges/{name}/{case['name']}"
    try:
        answers = list(_answers(bench, vbench, name, case))
    except Exception as error:  # an answer too: the official code may have raised as well
        note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        accepted = "official_raises" in case or case.get("platform_dependent", False)
        yield ParityResult(title, 0.0 if accepted else math.inf, 0.0, note="" if accepted else note)
        return
    if case.get("platform_dependent", False):
        yield ParityResult(f"{title} platform dependent, run only", 0.0, 0.0)
        return
    for quantity in dict.fromkeys(answer.quantity for answer in answers):
        tolerance = tolerances.get(quantity, 0.0)
        wrong, note = max(
            (_difference(answer.expected, answer.found) for answer in answers if answer.quantity == quantity),
            key=lambda pair: pair[0],
        )
        yield ParityResult(f"{title} {quantity}", wrong, tolerance, note=note if wrong > tolerance else "")


def _answers(bench: Bench, vbench: VBench, name: str, case: Mapping[str, Any]) -> Iterator[Answered]:
    dimension, rule = DIMENSIONS[name], _RULES[name]
    judge = (
        bench.judge(dimension.judge, dimension.files, case["weights_seed"], **dimension.settings(case))
        if dimension.files
        else None
    )
    rows: list[Score] = []
    prompts: list[Prompt] = []
    raises = "official_raises" in case
    for number, video in enumerate(case["videos"]):
        item = _item(name, number, video, case)
        prompts.append(item.prompt)
        if judge is None:
            rows += scores_of(rule, [item], judge)
            continue
        with listening(judge, dimension.method) as heard:
            rows += scores_of(rule, [item], judge)
        if not raises and "intermediates" in case:
            yield from dimension.compare(judge, item, rows[-1], heard, case["intermediates"][number])
    if raises:
        refused = any(row.value is None for row in rows)
        yield Answered(f"raises {case['official_raises']}", True, refused)
        return
    for row, expected in zip(rows, case["video_scores"], strict=True):
        yield Answered("video_score", expected, dimension.video_score(row))
    metrics = vbench.reduce(prompts, [row.key for row in rows], rows)
    found = next(metric for metric in metrics if metric.name == name)
    yield Answered("dimension_score", case["dimension_score"], None if found.unscored else found.value)


def _item(name: str, number: int, video: Mapping[str, Any], case: Mapping[str, Any]) -> Item:
    frames = footage(video)
    style = case["queries"][number] if "queries" in case else case.get("query", "")
    prompt = Prompt(f"case/{number:04d}", style, (name,), {name: style} if style else {})
    fps = float(video.get("fps", 8))
    count, height, width, _ = frames.shape
    sample = Sample(SampleKey(prompt.id, 0), 0, "", "", 0, width, height, count, fps, 0.0)
    return Item(prompt, sample, Clip(frames, fps))


def _difference(expected: Any, found: Any) -> tuple[float, str]:
    """The largest absolute deviation; infinite where the two are not of one kind. NaN agrees with no score."""
    note = f"expected {_short(expected)}, found {_short(found)}"
    if expected == "nan" or found is None:
        undefined = found is None or (isinstance(found, float) and math.isnan(found))
        return (0.0, "") if expected == "nan" and undefined else (math.inf, note)
    if isinstance(expected, str):
        return (0.0, "") if expected == found else (math.inf, note)
    wanted, given = (np.array(value, dtype=np.float64) for value in (_plain(expected), _plain(found)))
    if wanted.shape != given.shape:
        return math.inf, note
    wrong = np.where(np.isnan(wanted) & np.isnan(given), 0.0, np.abs(wanted - given))
    return (math.inf if np.isnan(wrong).any() else float(wrong.max(initial=0.0))), note


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return math.nan if value == "nan" or value is None else value


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:80]} …"


# --- what networks answer on the way --------------------------------------------------------------------------------


def _known(recorded: Mapping[str, Any], *rows: tuple[str, str, Any]) -> Iterator[Answered]:
    """(key, quantity, found): compared where the recording has the key."""
    for key, quantity, found in rows:
        if recorded.get(key) is not None:
            yield Answered(quantity, recorded[key], found)


def _feature(recorded: Mapping[str, Any], key: str, found: np.ndarray) -> Iterator[Answered]:
    row = recorded.get(key) or {}
    norm = float(np.linalg.norm(found.astype(np.float64)))
    yield from _known(row, ("first8", "feature", found[:8].tolist()), ("norm", "feature", norm))


def _consistency(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    features = heard[0]
    yield from _feature(recorded, "feature_first_frame", features[0])
    yield from _feature(recorded, "feature_last_frame", features[-1])


def _appearance(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.clip import PUBLISHED_LOGIT_SCALE, text_ids

    style = item.prompt.text
    cosines = heard[0].astype(np.float64) * PUBLISHED_LOGIT_SCALE / math.exp(recorded.get("logit_scale", math.nan))
    tokens = text_ids(style)[0, : len(recorded.get("tokens", ()))].tolist()
    yield from _known(recorded, ("cosine", "cosine", cosines.tolist()), ("tokens", "tokens", tokens))
    yield from _feature(recorded, "image_feature_first_frame", judge.encode_images(item.clip.frames[:1], "pil")[0])
    yield from _feature(recorded, "text_feature", judge.encode_text(style))


def _aesthetic(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    features = heard[0]
    yield from _feature(recorded, "feature_first_frame", features[0])
    yield from _feature(recorded, "feature_last_frame", features[-1])
    yield from _known(recorded, ("frame_scores", "frame_score", judge.rate(features).tolist()))


def _imaging(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.musiq import preprocess

    first = item.clip.frames[:1]
    shape = list(preprocess(first, judge.mode).shape)
    yield from _known(recorded, ("frame_scores", "frame_score", heard[0].tolist()))
    yield from _known(recorded, ("network_input", "network_input", shape))
    yield from _feature(recorded, "cls_token_first_frame", judge.encode_images(first)[0])


def _dynamic(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    detail, pairs = row.detail, sum(len(flow) for flow in heard)
    yield from _known(
        recorded,
        ("pair_scores", "pair_score", list(detail["pair_motion"])),
        ("thres", "threshold", detail["threshold"]),
        ("count_num", "need", detail["need"]),
        ("frames_used", "frames", pairs + 1),
    )
    if not pairs:
        return
    flows = np.concatenate(heard).astype(np.float64)
    height, width = flows.shape[1:3]
    yield from _known(
        recorded,
        ("padded_size", "padded_size", [height, width]),
        ("flow_mean_u", "flow", flows[..., 0].mean((1, 2)).tolist()),
        ("flow_mean_v", "flow", flows[..., 1].mean((1, 2)).tolist()),
        ("flow_mean_abs", "flow", np.abs(flows).mean((1, 2, 3)).tolist()),
        ("flow_max_magnitude", "flow", np.hypot(flows[..., 0], flows[..., 1]).max((1, 2)).tolist()),
        ("flow_centre_first_pair", "flow", flows[0, height // 2, width // 2].tolist()),
    )


def _motion(
    judge: Any, item: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.amt import as_bytes

    middles = np.concatenate(heard)
    predicted = as_bytes(middles, *item.clip.frames.shape[1:3])
    errors = np.abs(predicted.astype(np.int16) - item.clip.frames[1::2][: len(middles)]).mean((1, 2, 3))
    exact = middles.astype(np.float64)
    height, width = middles.shape[1:3]
    yield from _known(
        recorded,
        ("frame_diffs", "frame_diff", errors.tolist()),
        ("padded_size", "padded_size", [height, width]),
        ("pred_mean", "prediction", exact.mean((1, 2, 3)).tolist()),
        ("pred_std", "prediction", exact.std((1, 2, 3), ddof=1).tolist()),
        ("pred_centre_first", "prediction", exact[0, height // 2, width // 2].tolist()),
    )


def _resampling(case: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"resampling": "pil"} if case.get("read_frame") else {}


DIMENSIONS: Mapping[str, Dimension] = {
    "temporal_flickering": Dimension(),
    "subject_consistency": Dimension(
        "dino_vitb16", {"weights": "dino_vitb16"}, "encode_images", _consistency, _resampling
    ),
    "background_consistency": Dimension(
        "clip_vit_b32", {"weights": "clip_vit_b_32"}, "encode_images", _consistency, _resampling
    ),
    "appearance_style": Dimension("clip_vit_b32", {"weights": "clip_vit_b_32"}, "image_text_similarity", _appearance),
    "aesthetic_quality": Dimension(
        "laion_aesthetic", {"weights": "clip_vit_l_14", "head": "laion_aes_linear"}, "encode_images", _aesthetic
    ),
    "imaging_quality": Dimension(
        "musiq_spaq",
        {"weights": "musiq_spaq"},
        "quality",
        _imaging,
        lambda case: {"mode": case["mode"]} if "mode" in case else {},
        lambda row: row.detail.get("video_results"),
    ),
    "dynamic_degree": Dimension("raft_things", {"weights": "raft_things"}, "flow", _dynamic),
    "motion_smoothness": Dimension("amt_s", {"weights": "amt_s"}, "predict", _motion),
}
