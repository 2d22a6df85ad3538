"""Recorded answers of GenEval's official networks, and of its evaluator on top of them, against this package's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nova_eval.checks.parity.compare import (
    exact,
    largest,
    remembering,
    result,
    watching,
)
from nova_eval.checks.parity.geneval_kit import FILES, write_weights
from nova_eval.checks.parity.procedural import moving_shapes
from nova_eval.checks.parity.rules.geneval import judged
from nova_eval.errors import UsageError, unknown
from nova_eval.protocols import Detection, Frames
from nova_eval.records import ParityResult
from nova_eval.weights.catalogue import entry

BACKBONE, FIRST = 2e-5, 1e-4
CLASSES, MASKS, SCORES = 3e-3, 1e-2, 3e-4
SENSITIVE = frozenset({21, 34})  # weights whose attention masks are few pixels, so that one flips on rounding
SENSITIVE_FACTOR = 10
BOXES_ALIKE, AREAS_ALIKE, AREA = 0.95, 0.95, 20  # shares of the detections; pixels
FEATURES, LOGITS = 1e-5, 5e-5

Replay = Callable[[Path, Path, str], Iterator[ParityResult]]


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/golden.json``, one result a quantity; the note of a failed one says what differs.

    The weights are written to temporary files (at most 2 GB) and loaded as published ones are. ``geneval_end_to_end``
    finds the entries of its networks in the folders beside it.
    """
    if folder.name not in REPLAYS:
        raise unknown("recorded judge", folder.name, REPLAYS)
    with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
        try:
            for found in REPLAYS[folder.name](folder, Path(files), device):
                yield ParityResult(f"geneval {found.case}", found.difference, found.tolerance, found.unit, found.note)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            yield ParityResult(f"geneval {folder.name} is replayed to its end", math.inf, 0.0, "exact", note)


# --- objects --------------------------------------------------------------------------------------------------------


def mask2former(folder: Path, files: Path, device: str) -> Iterator[ParityResult]:
    """Input, features, first and last logits, and the detections of one image after the other."""
    from nova_eval.judges import mask2former as host
    from nova_eval.judges.geneval_objects import ObjectFinder

    recorded, arrays = _read(folder)["cases"], dict(np.load(folder / "golden.npz"))
    for seed in dict.fromkeys(case["weights_seed"] for case in recorded):
        weights = write_weights(folder, seed, files)
        finder = ObjectFinder("geneval_objects", "1", host.build, weights=weights, dtype="float32", batch=1, also={})
        finder.hosted.to(device)
        for case in recorded:
            if case["weights_seed"] == seed:
                yield from _image(case, arrays, finder)


def _image(case: Mapping[str, Any], arrays: Mapping[str, Any], finder: Any) -> Iterator[ParityResult]:
    from nova_eval.judges.mask2former_instances import preprocess

    title, frames = f"mask2former/{case['key']}", _frames(case["image"])
    factor = _factor(case["weights_seed"])
    network = finder.hosted.network
    model = network.network.model
    parts = {"answer": network, "pixels": model.pixel_level_module, "queries": model.transformer_module}
    parts["backbone"] = model.pixel_level_module.encoder
    with watching(parts) as seen:
        (found,) = finder.detect(frames)
    (answer,), (pixels,), (queries,), (backbone,) = (seen[part] for part in ("answer", "pixels", "queries", "backbone"))
    features = backbone.feature_maps if hasattr(backbone, "feature_maps") else backbone
    yield result(title, "input", facts(case["input"], preprocess(frames)), BACKBONE)
    for level, (expected, given) in enumerate(zip(case["backbone"], features, strict=True)):
        yield result(title, f"backbone {level}", facts(expected, given), BACKBONE)
    yield result(title, "mask features", facts(case["mask_features"], pixels.decoder_last_hidden_state), BACKBONE)
    for level, (expected, given) in enumerate(zip(case["multi_scale"], pixels.decoder_hidden_states, strict=True)):
        yield result(title, f"multi scale {level}", facts(expected, given), BACKBONE)
    first = network.network.class_predictor(queries.intermediate_hidden_states[0].transpose(0, 1))
    yield result(title, "first class logits", facts(case["first_class_logits"], first[0]), FIRST)
    masks = queries.masks_queries_logits[0]
    yield result(title, "first mask logits", facts(case["first_mask_logits"], masks[0]), FIRST)
    rows, columns = case["mask_sample_rows"], case["mask_sample_columns"]
    classes, sampled = answer.classes[0].float().cpu(), answer.masks[0][:, rows][:, :, columns].float().cpu()
    yield result(title, "class logits", largest(arrays[f"{case['key']}_cls"], classes), factor * CLASSES)
    yield result(title, "class logits, in sum", facts(case["class_logits"], classes), factor * CLASSES)
    yield result(title, "mask logits", largest(arrays[f"{case['key']}_mask"], sampled), factor * MASKS)
    yield result(title, "mask logits, in sum", facts(case["mask_logits"], answer.masks[0]), factor * MASKS)
    yield from detections(title, case["detections"], found, factor * SCORES)


def detections(
    title: str, expected: Sequence[Mapping[str, Any]], found: Sequence[Detection], tolerance: float
) -> Iterator[ParityResult]:
    """Labels and scores rank by rank, and for 95 of 100 the same box and, within 20 pixels, the same mask area.

    Ranks whose scores are within ``tolerance`` of each other may be swapped.
    """
    from nova_eval.adapters.geneval.prompts import OBJECTS

    named = [(OBJECTS[row["label"]], row["score"]) for row in expected]
    order = _matched(named, [(one.label, one.score) for one in found], tolerance)
    wrong = [f"{label} {score:.4f}" for (label, score), place in zip(named, order, strict=True) if place is None]
    if len(found) != len(expected):
        wrong.append(f"{len(found)} detections for {len(expected)}")
    yield exact(title, "labels", [], wrong)
    pairs = [(row, found[place]) for row, place in zip(expected, order, strict=True) if place is not None]
    scores = max((abs(row["score"] - one.score) for row, one in pairs), default=0.0)
    yield result(title, "scores", scores, tolerance)
    boxes = sum(list(row["box"]) != list(one.box) for row, one in pairs)
    yield result(title, "boxes that differ", boxes, math.floor((1 - BOXES_ALIKE) * len(expected) + 1e-9))
    areas = [abs(row["mask_area"] - int(one.mask.sum())) for row, one in pairs if one.mask is not None]
    far = sum(area > AREA for area in areas) + len(pairs) - len(areas)
    yield result(title, "mask areas that differ", far, math.floor((1 - AREAS_ALIKE) * len(expected) + 1e-9))


def _matched(
    expected: Sequence[tuple[str, float]], found: Sequence[tuple[str, float]], tolerance: float
) -> list[int | None]:
    """For each expected (label, score) the nearest rank of ``found`` with that label and about that score."""
    free = set(range(len(found)))
    order: list[int | None] = []
    for rank, (label, score) in enumerate(expected):
        alike = [place for place in free if found[place][0] == label and abs(found[place][1] - score) <= tolerance]
        place = min(alike, key=lambda place: abs(place - rank), default=None)
        free.discard(-1 if place is None else place)
        order.append(place)
    return order


# --- colours --------------------------------------------------------------------------------------------------------


def clip_vit_l14(folder: Path, files: Path, device: str) -> Iterator[ParityResult]:
    """Texts and classifiers of the class names, then the objects of each image."""
    from nova_eval.judges.clip import tokenize
    from nova_eval.judges.geneval_colors import ColorNamer, texts, view

    recorded, arrays = _read(folder), dict(np.load(folder / "golden.npz"))
    weights = write_weights(folder, recorded["weights_seed"], files)
    namer = ColorNamer("geneval_objects", "1", weights=weights, dtype="float32", view=view())
    namer.to(device)
    colors = recorded["colors"]
    for name, rows in recorded["texts_first_three_colors"].items():
        yield exact("colors", f"texts of {name}", rows, [texts(color, name) for color in colors[: len(rows)]])
    for name, rows in recorded["token_ids_first_16"].items():
        lines = [line for color in colors for line in texts(color, name)][: len(rows)]
        ids = [tokenize(line)[0, : len(row)].tolist() for line, row in zip(lines, rows, strict=True)]
        yield exact("colors", f"token ids of {name}", rows, ids)
    for key, array in arrays.items():
        if key.startswith("classifier_"):
            found = namer.classifier(key.removeprefix("classifier_"))
            yield result("colors", f"{key.replace('_', ' of ')}", largest(array, found), FEATURES)
    if "text_features_first_color" in arrays:
        first = next(iter(recorded["texts_first_three_colors"]))
        features = namer.text_features(texts(colors[0], first))
        yield result("colors", "text features", largest(arrays["text_features_first_color"], features), FEATURES)
    for number, case in enumerate(recorded["cases"]):
        namer.view = _view(case["options"])
        yield from _colored(number, case, arrays, namer)


def _colored(number: int, case: Mapping[str, Any], arrays: Mapping[str, Any], namer: Any) -> Iterator[ParityResult]:
    title, frame = f"colors/{number} {case['class']} {case['options'] or ''}".strip(), _frames(case["image"])[0]
    height, width = frame.shape[:2]
    objects = [
        Detection(case["class"], tuple(row["box"]), mask=_ellipse(row["mask_ellipse"], height, width))
        for row in case["objects"]
    ]
    inputs = namer.inputs(frame, objects)
    shown = max(facts(row, given) for row, given in zip(case["input"], inputs, strict=True))
    yield result(title, "input", shown, FEATURES)
    features = namer.features(frame, objects)
    yield result(title, "features", largest(arrays[f"features_{number}"], features), FEATURES)
    namer.features = lambda frame, objects: features  # looked at once: what follows compares them with texts
    try:
        yield result(title, "logits", largest(arrays[f"logits_{number}"], namer.logits(frame, objects)), LOGITS)
        yield exact(title, "colors", case["colors"], namer.colors(frame, objects))
    finally:
        del namer.features


def _ellipse(recorded: Sequence[float] | None, height: int, width: int) -> Any:
    if recorded is None:
        return None
    x, y, across, down = recorded
    rows, columns = np.mgrid[0:height, 0:width]
    return ((columns - x) / across) ** 2 + ((rows - y) / down) ** 2 <= 1


# --- both, under the evaluator's rules ------------------------------------------------------------------------------


def end_to_end(folder: Path, files: Path, device: str) -> Iterator[ParityResult]:
    """What the official evaluator writes about each image: decision, reason, and the boxes that counted."""
    recorded = _read(folder)["cases"]
    seeds = [(case["clip_seed"], case["detector_seed"]) for case in recorded]
    for pair in dict.fromkeys(sorted(seeds)):
        judge = _judge(folder.parent, *pair, files, device)
        for number, case in enumerate(recorded):
            if seeds[number] == pair:
                yield from _evaluated(number, case, judge)


def _judge(recordings: Path, clip_seed: int, detector_seed: int, files: Path, device: str) -> Any:
    from nova_eval.judges.geneval_objects import GenEvalObjects

    paths = {}
    for argument, judge, seed in (("clip", "clip_vit_l14", clip_seed), ("weights", "mask2former", detector_seed)):
        target = files / f"{judge}-{seed}"
        target.mkdir(exist_ok=True)
        paths[argument] = target / entry(FILES[judge]).file
        if not paths[argument].exists():
            write_weights(recordings / judge, seed, target)
    made: Any = GenEvalObjects(paths["weights"], clip=paths["clip"]).to(device)
    made.detect = remembering(made.detect)
    return made


def _evaluated(number: int, case: Mapping[str, Any], judge: Any) -> Iterator[ParityResult]:
    metadata, expected = case["metadata"], case["expected"]
    title = f"end to end/{number:03d} {metadata['tag']}"
    judge.namer.view = _view(case["options"])
    found = judged(metadata, case["options"], judge, _frames(case["image"]))
    yield exact(
        title, "decision", [expected[key] for key in ("correct", "reason")], [found["correct"], found["reason"]]
    )
    counts = [{name: len(rows) for name, rows in sorted(one["details"].items())} for one in (expected, found)]
    yield exact(title, "objects that count", *counts)
    if counts[0] == counts[1]:
        rows = [[row for _, kept in sorted(one["details"].items()) for row in kept] for one in (expected, found)]
        scores = largest([row[4] for row in rows[0]], [row[4] for row in rows[1]])
        yield result(title, "scores", scores, _factor(case["detector_seed"]) * SCORES)
        boxes = sum(one[:4] != other[:4] for one, other in zip(*rows, strict=True))
        yield result(title, "boxes that differ", boxes, math.floor((1 - BOXES_ALIKE) * len(rows[0]) + 1e-9))


# --- what all read --------------------------------------------------------------------------------------------------


def _read(folder: Path) -> Any:
    path = folder / "golden.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} cannot be read: {error!r}", remedy="restore the recording") from error
    return content


def _frames(recorded: Mapping[str, int]) -> Frames:
    """(1, H, W, 3)"""
    return moving_shapes(recorded["seed"], 1, recorded["height"], recorded["width"])


def _factor(weights_seed: int) -> int:
    return SENSITIVE_FACTOR if weights_seed in SENSITIVE else 1


def _view(options: Mapping[str, Any]) -> Any:
    """Those of the official options that say what is shown of an object."""
    from nova_eval.judges.geneval_colors import BACKGROUND, view

    return view(str(options.get("bgcolor", BACKGROUND)), crop=str(options.get("crop", "1")) == "1")


def facts(recorded: Mapping[str, Any], tensor: Any) -> float:
    """``recorded`` holds shape, mean, population deviation, maybe the mean magnitude, and values at flat places."""
    import torch

    values = torch.as_tensor(tensor).detach().cpu()
    if list(values.shape) != list(recorded["shape"]):
        return math.inf
    x = values.double().flatten()
    facts = {"mean": x.mean(), "std": x.std(unbiased=False), "abs_mean": x.abs().mean()}
    wrong = [abs(recorded[name] - fact.item()) for name, fact in facts.items() if name in recorded]
    return float(max(*wrong, largest(recorded["value"], x[recorded["index"]])))


REPLAYS: Mapping[str, Replay] = {
    "mask2former": mask2former,
    "clip_vit_l14": clip_vit_l14,
    "geneval_end_to_end": end_to_end,
}
