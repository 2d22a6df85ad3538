"""Recorded answers of GenEval's official networks, and of its evaluator on top of them, against this package's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.compare import Ranked, compared, compared_ranks, reordered, result, watching
from nova_eval.checks.parity.items import frames
from nova_eval.checks.parity.rules.geneval import judged
from nova_eval.checks.parity.rules.sections import remembering
from nova_eval.checks.parity.weight_files import published, write
from nova_eval.errors import unknown
from nova_eval.protocols import Detection
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

BACKBONE, FIRST = 2e-5, 1e-4
CLASSES, MASKS, SCORES = 3e-3, 1e-2, 3e-4
SENSITIVE = frozenset({21, 34})  # weights whose attention masks are few pixels, so that one flips on rounding
SENSITIVE_FACTOR = 10
BOXES_ALIKE, AREAS_ALIKE, AREA = 0.95, 0.95, 20  # shares of the detections; pixels
FEATURES, LOGITS = 1e-5, 5e-5


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording. The weights' files take at most 2 GB.

    ``geneval_end_to_end`` finds the entries of its networks in the folders beside it.
    """
    if recording.judge not in JUDGES:
        raise unknown("recorded judge", recording.judge, JUDGES)
    yield from JUDGES[recording.judge](recording, files, device)


# --- objects --------------------------------------------------------------------------------------------------------


def mask2former(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Input, features, first and last logits, and the detections of one image after the other."""
    from nova_eval.judges import mask2former as host
    from nova_eval.judges.geneval_objects import ObjectFinder

    recorded, arrays = recording.content("cases")["cases"], recording.arrays()
    for seed in dict.fromkeys(case["weights_seed"] for case in recorded):
        weights = write("mask2former", seed, files, recording.folder)
        finder = ObjectFinder("geneval_objects", "1", host.build, weights=weights, dtype="float32", batch=1, also={})
        finder.hosted.to(device)
        for case in recorded:
            if case["weights_seed"] == seed:
                yield from _image(case, arrays, finder)


def _image(case: Mapping[str, Any], arrays: Mapping[str, Any], finder: Any) -> Iterator[ParityResult]:
    from nova_eval.judges.mask2former_instances import preprocess

    title, shown = f"geneval mask2former/{case['key']}", frames(case["image"])
    factor = _factor(case["weights_seed"])
    network = finder.hosted.network
    model = network.network.model
    parts = {"answer": network, "pixels": model.pixel_level_module, "queries": model.transformer_module}
    parts["backbone"] = model.pixel_level_module.encoder
    with watching(parts) as seen:
        (found,) = finder.detect(shown)
    (answer,), (pixels,), (queries,), (backbone,) = (seen[part] for part in ("answer", "pixels", "queries", "backbone"))
    features = backbone.feature_maps if hasattr(backbone, "feature_maps") else backbone
    yield compared(title, "input", case["input"], preprocess(shown), BACKBONE)
    for level, (expected, given) in enumerate(zip(case["backbone"], features, strict=True)):
        yield compared(title, f"backbone {level}", expected, given, BACKBONE)
    yield compared(title, "mask features", case["mask_features"], pixels.decoder_last_hidden_state, BACKBONE)
    for level, (expected, given) in enumerate(zip(case["multi_scale"], pixels.decoder_hidden_states, strict=True)):
        yield compared(title, f"multi scale {level}", expected, given, BACKBONE)
    first = network.network.class_predictor(queries.intermediate_hidden_states[0].transpose(0, 1))
    yield compared(title, "first class logits", case["first_class_logits"], first[0], FIRST)
    masks = queries.masks_queries_logits[0]
    yield compared(title, "first mask logits", case["first_mask_logits"], masks[0], FIRST)
    rows, columns = case["mask_sample_rows"], case["mask_sample_columns"]
    classes, sampled = answer.classes[0].float().cpu(), answer.masks[0][:, rows][:, :, columns].float().cpu()
    yield compared(title, "class logits", arrays[f"{case['key']}_cls"], classes, factor * CLASSES)
    yield compared(title, "class logits, in sum", case["class_logits"], classes, factor * CLASSES)
    yield compared(title, "mask logits", arrays[f"{case['key']}_mask"], sampled, factor * MASKS)
    yield compared(title, "mask logits, in sum", case["mask_logits"], answer.masks[0], factor * MASKS)
    yield from detections(title, case["detections"], found, factor * SCORES)


def detections(
    title: str, expected: Sequence[Mapping[str, Any]], found: Sequence[Detection], tolerance: float
) -> Iterator[ParityResult]:
    """Labels and scores rank by rank, and for 95 of 100 the same box and, within 20 pixels, the same mask area.

    Ranks whose scores are within ``tolerance`` of each other may be swapped.
    """
    from nova_eval.judges.geneval_objects import names

    wanted = [Ranked(names()[row["label"]], row["score"], row["box"]) for row in expected]
    ranked = [Ranked(one.label, one.score, one.box) for one in found]
    labels, scores, pairs = compared_ranks(title, ("labels", "scores"), wanted, ranked, tolerance)
    if len(found) != len(expected):
        labels = compared(title, "labels", f"{len(expected)} detections", f"{len(found)} detections")
    yield from (labels, scores)
    boxes = [(wanted[rank].box, ranked[place].box) for rank, place in pairs]
    yield _boxes_that_differ(title, boxes, len(expected))
    areas = [
        math.inf if (mask := found[place].mask) is None else abs(expected[rank]["mask_area"] - int(mask.sum()))
        for rank, place in pairs
    ]
    far = sum(area > AREA for area in areas)
    yield result(title, "mask areas that differ", far, math.floor((1 - AREAS_ALIKE) * len(expected) + 1e-9))


def _boxes_that_differ(
    title: str, pairs: Sequence[tuple[Sequence[float], Sequence[float]]], count: int
) -> ParityResult:
    differ = sum(list(one) != list(other) for one, other in pairs)
    return result(title, "boxes that differ", differ, math.floor((1 - BOXES_ALIKE) * count + 1e-9))


# --- colors --------------------------------------------------------------------------------------------------------


def clip_vit_l14(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Texts and classifiers of the class names, then the objects of each image."""
    from nova_eval.judges.clip import tokenize
    from nova_eval.judges.geneval_colors import ColorNamer, texts, view

    recorded, arrays = recording.content("cases"), recording.arrays()
    weights = write("clip_vit_l14", recorded["weights_seed"], files, recording.folder)
    namer = ColorNamer("geneval_objects", "1", weights=weights, dtype="float32", view=view())
    namer.to(device)
    colors = recorded["colors"]
    for name, rows in recorded["texts_first_three_colors"].items():
        yield compared(
            "geneval colors", f"texts of {name}", rows, [texts(color, name) for color in colors[: len(rows)]]
        )
    for name, rows in recorded["token_ids_first_16"].items():
        lines = [line for color in colors for line in texts(color, name)][: len(rows)]
        ids = [tokenize(line)[0, : len(row)].tolist() for line, row in zip(lines, rows, strict=True)]
        yield compared("geneval colors", f"token ids of {name}", rows, ids)
    for key, array in arrays.items():
        if key.startswith("classifier_"):
            found = namer.classifier(key.removeprefix("classifier_"))
            yield compared("geneval colors", f"{key.replace('_', ' of ')}", array, found, FEATURES)
    if "text_features_first_color" in arrays:
        first = next(iter(recorded["texts_first_three_colors"]))
        features = namer.text_features(texts(colors[0], first))
        yield compared("geneval colors", "text features", arrays["text_features_first_color"], features, FEATURES)
    for number, case in enumerate(recorded["cases"]):
        namer.view = _view(case["options"])
        yield from _colored(number, case, arrays, namer)


def _colored(number: int, case: Mapping[str, Any], arrays: Mapping[str, Any], namer: Any) -> Iterator[ParityResult]:
    title = f"geneval colors/{number} {case['class']} {case['options'] or ''}".strip()
    (frame,) = frames(case["image"])
    height, width = frame.shape[:2]
    objects = [
        Detection(case["class"], tuple(row["box"]), mask=_ellipse(row["mask_ellipse"], height, width))
        for row in case["objects"]
    ]
    inputs = namer.inputs(frame, objects)
    yield compared(title, "input", case["input"], list(inputs), FEATURES)
    features = namer.features(frame, objects)
    yield compared(title, "features", arrays[f"features_{number}"], features, FEATURES)
    namer.features = lambda frame, objects: features  # looked at once: what follows compares them with texts
    try:
        yield compared(title, "logits", arrays[f"logits_{number}"], namer.logits(frame, objects), LOGITS)
        yield compared(title, "colors", case["colors"], namer.colors(frame, objects))
    finally:
        del namer.features


def _ellipse(recorded: Sequence[float] | None, height: int, width: int) -> Any:
    if recorded is None:
        return None
    x, y, across, down = recorded
    rows, columns = np.mgrid[0:height, 0:width]
    return ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1


# --- both, under the evaluator's rules ------------------------------------------------------------------------------


def end_to_end(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """What the official evaluator writes about each image: decision, reason, and the boxes that counted."""
    recorded = recording.content("cases")["cases"]
    seeds = [(case["clip_seed"], case["detector_seed"]) for case in recorded]
    for pair in dict.fromkeys(sorted(seeds)):
        judge = _judge(recording.folder.parent, *pair, files, device)
        for number, case in enumerate(recorded):
            if seeds[number] == pair:
                yield from _evaluated(number, case, judge)


def _judge(recordings: Path, clip_seed: int, detector_seed: int, files: Path, device: str) -> Any:
    from nova_eval.judges.geneval_objects import GenEvalObjects

    paths = {}
    for argument, judge, seed in (("clip", "clip_vit_l14", clip_seed), ("weights", "mask2former", detector_seed)):
        target = files / f"{judge}-{seed}"
        target.mkdir(exist_ok=True)
        paths[argument] = target / published(judge).file
        if not paths[argument].exists():
            write(judge, seed, target, recordings / judge)
    made: Any = GenEvalObjects(paths["weights"], clip=paths["clip"]).to(device)
    made.detect = remembering(made.detect)
    return made


def _evaluated(number: int, case: Mapping[str, Any], judge: Any) -> Iterator[ParityResult]:
    title = f"geneval end to end/{number:03d} {case['metadata']['tag']}"
    judge.namer.view = _view(case["options"])
    found = judged(case["metadata"], case["options"], judge, frames(case["image"]))
    yield from evaluations(title, case["expected"], found, _factor(case["detector_seed"]) * SCORES)


def evaluations(
    title: str, expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float
) -> Iterator[ParityResult]:
    """Decision and reason, how many objects of each class count, their scores, and for 95 of 100 the same box.

    Boxes of a class whose scores are within ``tolerance`` of each other may be swapped.
    """
    decisions, counts = (
        [[one[key] for key in ("correct", "reason")] for one in (expected, found)],
        [{name: len(rows) for name, rows in one["details"].items()} for one in (expected, found)],
    )
    yield compared(title, "decision", decisions[0], decisions[1])
    yield compared(title, "objects that count", counts[0], counts[1])
    if counts[0] != counts[1]:
        return
    wanted, given = (
        [Ranked(name, row[4], row[:4]) for name, rows in sorted(one["details"].items()) for row in rows]
        for one in (expected, found)
    )
    given = [given[rank] for rank in reordered(wanted, given, tolerance)]
    yield compared(title, "scores", [row.score for row in wanted], [row.score for row in given], tolerance)
    pairs = [(one.box, other.box) for one, other in zip(wanted, given, strict=True)]
    yield _boxes_that_differ(title, pairs, len(wanted))


# --- what all read --------------------------------------------------------------------------------------------------


def _factor(weights_seed: int) -> int:
    return SENSITIVE_FACTOR if weights_seed in SENSITIVE else 1


def _view(options: Mapping[str, Any]) -> Any:
    """Those of the official options that say what is shown of an object."""
    from nova_eval.judges.geneval_colors import BACKGROUND, view

    return view(str(options.get("bgcolor", BACKGROUND)), crop=str(options.get("crop", "1")) == "1")


JUDGES: Mapping[str, Callable[[Recording, Path, str], Iterator[ParityResult]]] = {
    "mask2former": mask2former,
    "clip_vit_l14": clip_vit_l14,
    "geneval_end_to_end": end_to_end,
}
