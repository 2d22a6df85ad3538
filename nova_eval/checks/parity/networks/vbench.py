"""Recorded scores of the official VBench code against this package's scorers and judges, on procedural weights.

``expected.json`` holds cases by dimension: seed of the weights, footage, video scores, the dimension's score, and what
the networks answered on the way. Every quantity of a case is compared within the tolerance that is recorded for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nova_eval.adapters.reduce import reduced
from nova_eval.adapters.vbench.benchmark import VBench
from nova_eval.checks.parity.compare import difference, listening
from nova_eval.checks.parity.items import frames, item
from nova_eval.checks.parity.rules.vbench import RULES_OF
from nova_eval.checks.parity.weight_files import write
from nova_eval.engines.questions import scores_of
from nova_eval.errors import unknown
from nova_eval.judges import JUDGES
from nova_eval.protocols import Item
from nova_eval.records import ParityResult, Prompt, Score

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

_RULES = {**RULES_OF, "dynamic_degree": RULES_OF["dynamic_degree"].with_settings(every_pair=True)}  # all are compared
_VBENCH = VBench()


class Answered(NamedTuple):
    """What the network said of one clip: (quantity, expected, found) with the quantity's tolerance looked up by name.

    A quantity that the recording states no tolerance for must be equal.
    """

    quantity: str
    expected: Any
    found: Any


Intermediates = Callable[[Any, Item, Score, Sequence[Any], Mapping[str, Any]], Iterable[Answered]]


@dataclass(frozen=True, slots=True)
class RecordedDimension:
    """Which judge answers, which files it is made of, which of its methods is listened to, and what is compared."""

    judge: str = ""
    files: Mapping[str, str] | None = None
    method: str = ""
    compare: Intermediates = lambda judge, item, row, heard, recorded: ()
    settings: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda case: {}
    video_score: Callable[[Score], float | None] = lambda row: row.value


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording, one result a quantity; the note of a failed one says where it differs."""
    recorded = recording.content("cases", "tolerance_abs")
    for name in recorded["cases"]:
        if name not in DIMENSIONS:
            raise unknown("recorded dimension", name, DIMENSIONS)
    wanted = [(name, case) for name, section in recorded["cases"].items() for case in section]
    wanted.sort(key=lambda pair: (DIMENSIONS[pair[0]].judge, pair[1]["weights_seed"], _settings(*pair)))
    bench = Bench(recording.folder, device)
    try:
        for name, case in wanted:
            yield from _case(bench, name, case, recorded["tolerance_abs"][name])
    finally:
        bench.close()


class Bench:
    """Judges on procedural weights. Those on the last files are kept: cases that share files come one after another."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self._folder, self._device = folder, device
        self._files: TemporaryDirectory[str] | None = None
        self._key: tuple[Any, ...] | None = None
        self._paths: dict[str, Path] = {}
        self._judges: dict[tuple[Any, ...], Any] = {}

    def judge(self, registered: str, files: Mapping[str, str], seed: int, **settings: Any) -> Any:
        """The judge ``registered``, its constructor's file arguments taken from the recorded judges in ``files``."""
        key, wanted = (tuple(files.items()), seed), (registered, *sorted(settings.items()))
        if key != self._key:
            self.close()  # frees the last ones before the next are made
            self._files = TemporaryDirectory(prefix="nova_eval-recorded-")
            target = Path(self._files.name)
            self._paths = {argument: write(name, seed, target, self._folder / name) for argument, name in files.items()}
            self._key = key
        if wanted not in self._judges:
            maker: Any = JUDGES.get(registered)
            self._judges[wanted] = maker(**self._paths, **settings).to(self._device)
        return self._judges[wanted]

    def close(self) -> None:
        """Lets go of the judges and removes their files."""
        self._key = None
        self._judges.clear()
        if self._files is not None:
            self._files.cleanup()
            self._files = None


def _settings(name: str, case: Mapping[str, Any]) -> str:
    return repr(DIMENSIONS[name].settings(case))


def _case(bench: Bench, name: str, case: Mapping[str, Any], tolerances: Mapping[str, float]) -> Iterator[ParityResult]:
    title = f"vbench judges/{name}/{case['name']}"
    try:
        answers = list(_answers(bench, name, case))
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
        alike = [difference(*answer[1:]) for answer in answers if answer.quantity == quantity]
        wrong, note = max(alike, key=lambda pair: pair[0])
        yield ParityResult(f"{title} {quantity}", wrong, tolerance, note=note if wrong > tolerance else "")


def _answers(bench: Bench, name: str, case: Mapping[str, Any]) -> Iterator[Answered]:
    dimension, rule = DIMENSIONS[name], _RULES[name]
    judge = None
    if dimension.files:
        judge = bench.judge(dimension.judge, dimension.files, case["weights_seed"], **dimension.settings(case))
    rows: list[Score] = []
    prompts: list[Prompt] = []
    raises = "official_raises" in case
    for number, video in enumerate(case["videos"]):
        shown = _item(name, number, video, case)
        prompts.append(shown.prompt)
        if judge is None:
            rows += scores_of(rule, [shown], judge)
            continue
        with listening(judge, dimension.method) as heard:
            rows += scores_of(rule, [shown], judge)
        if not raises and "intermediates" in case:
            yield from dimension.compare(judge, shown, rows[-1], heard, case["intermediates"][number])
    if raises:
        yield Answered(f"raises {case['official_raises']}", True, any(row.value is None for row in rows))
        return
    for row, expected in zip(rows, case["video_scores"], strict=True):
        decided = float(expected) if isinstance(expected, bool) else expected
        yield Answered("video_score", decided, dimension.video_score(row))
    metrics = reduced(_VBENCH, prompts, [row.key for row in rows], rows)
    found = next(metric for metric in metrics if metric.name == name)
    yield Answered("dimension_score", case["dimension_score"], None if found.unscored else found.value)


def _item(name: str, number: int, video: Mapping[str, Any], case: Mapping[str, Any]) -> Item:
    style = case["queries"][number] if "queries" in case else case.get("query", "")
    prompt = Prompt(f"case/{number:04d}", style, (name,), {name: style} if style else {})
    return item(prompt, frames(video), fps=float(video.get("fps", 8)))


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
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    features = heard[0]
    yield from _feature(recorded, "feature_first_frame", features[0])
    yield from _feature(recorded, "feature_last_frame", features[-1])


def _appearance(
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.clip import PUBLISHED_LOGIT_SCALE, text_ids

    style = shown.prompt.text
    cosines = heard[0].astype(np.float64) * PUBLISHED_LOGIT_SCALE / math.exp(recorded.get("logit_scale", math.nan))
    tokens = text_ids(style)[0, : len(recorded.get("tokens", ()))].tolist()
    yield from _known(recorded, ("cosine", "cosine", cosines.tolist()), ("tokens", "tokens", tokens))
    yield from _feature(recorded, "image_feature_first_frame", judge.encode_images(shown.clip.frames[:1], "pil")[0])
    yield from _feature(recorded, "text_feature", judge.encode_text(style))


def _aesthetic(
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    features = heard[0]
    yield from _feature(recorded, "feature_first_frame", features[0])
    yield from _feature(recorded, "feature_last_frame", features[-1])
    yield from _known(recorded, ("frame_scores", "frame_score", judge.rate(features).tolist()))


def _imaging(
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.musiq import preprocess

    first = shown.clip.frames[:1]
    shape = list(preprocess(first, judge.mode).shape)
    yield from _known(recorded, ("frame_scores", "frame_score", heard[0].tolist()))
    yield from _known(recorded, ("network_input", "network_input", shape))
    yield from _feature(recorded, "cls_token_first_frame", judge.encode_images(first)[0])


def _dynamic(
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
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
    judge: Any, shown: Item, row: Score, heard: Sequence[Any], recorded: Mapping[str, Any]
) -> Iterator[Answered]:
    from nova_eval.judges.amt import as_bytes

    middles = np.concatenate(heard)
    predicted = as_bytes(middles, *shown.clip.frames.shape[1:3])
    errors = np.abs(predicted.astype(np.int16) - shown.clip.frames[1::2][: len(middles)]).mean((1, 2, 3))
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


DIMENSIONS: Mapping[str, RecordedDimension] = {
    "temporal_flickering": RecordedDimension(),
    "subject_consistency": RecordedDimension(
        "dino_vitb16", {"weights": "dino_vitb16"}, "encode_images", _consistency, _resampling
    ),
    "background_consistency": RecordedDimension(
        "clip_vit_b32", {"weights": "clip_vit_b_32"}, "encode_images", _consistency, _resampling
    ),
    "appearance_style": RecordedDimension(
        "clip_vit_b32", {"weights": "clip_vit_b_32"}, "image_text_similarity", _appearance
    ),
    "aesthetic_quality": RecordedDimension(
        "laion_aesthetic", {"weights": "clip_vit_l_14", "head": "laion_aes_linear"}, "encode_images", _aesthetic
    ),
    "imaging_quality": RecordedDimension(
        "musiq_spaq",
        {"weights": "musiq_spaq"},
        "quality",
        _imaging,
        lambda case: {"mode": case["mode"]} if "mode" in case else {},
        lambda row: row.detail.get("video_results"),
    ),
    "dynamic_degree": RecordedDimension("raft_things", {"weights": "raft_things"}, "flow", _dynamic),
    "motion_smoothness": RecordedDimension("amt_s", {"weights": "amt_s"}, "predict", _motion),
}
