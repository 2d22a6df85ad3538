"""Recorded detections of the official UniDet code on procedural weights against this package's judges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nova_eval.checks.parity.compare import exact, largest, result, watching
from nova_eval.checks.parity.procedural import read_entries, tensors
from nova_eval.checks.parity.t2i_vqa_kit import image, sampled
from nova_eval.errors import UsageError, unknown
from nova_eval.judges import JUDGES
from nova_eval.protocols import Detection, Floats, Frames
from nova_eval.records import ParityResult
from nova_eval.weights.catalogue import entry

DETECTORS = ("unidet_r50", "unidet_rs200")
PIXELS, MAPS, BOXES, SCORES = 1e-5, 2e-4, 0.05, 1e-5
FIRST = 40  # by rank: these must be equal one by one
WITHOUT_PARTNER = 3  # of 300: near ties of what suppresses what fall either way
_LEVELS, _STAGES = ("p3", "p4", "p5", "p6", "p7"), 3


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/golden.json`` and ``golden.npz``, one result a quantity.

    The weights are written to a temporary file (at most 0.5 GB) and loaded as published ones are.
    """
    try:
        recorded = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        arrays = dict(np.load(folder / "golden.npz"))
        seed, listed = recorded["weights_seed"], recorded["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} cannot be read: {error!r}", remedy="restore the recording") from error
    with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
        judge = detector(folder, seed, Path(files), device)
        for case in listed:
            answered = {name: arrays[f"{case['key']}_{name}"] for name in _ARRAYS if f"{case['key']}_{name}" in arrays}
            yield from _case(f"t2i {folder.name}/{case['key']}", case, answered, judge)


_ARRAYS = ("boxes", "scores", "labels", "proposals", "proposal_logits")


def detector(folder: Path, seed: int, files: Path, device: str) -> Any:
    """The judge that ``folder`` is named after, on the recording's weights; ``files`` must last as long as it."""
    if folder.name not in DETECTORS:
        raise unknown("recorded detector", folder.name, DETECTORS)
    maker: Any = JUDGES.get(folder.name)
    return maker(write_weights(folder, seed, files)).to(device)


def write_weights(folder: Path, seed: int, target: Path) -> Path:
    """``target/<published file>`` with the entries of ``folder``, beside other state as detectron2 saves it."""
    import torch

    pinned = entry(folder.name)
    state = dict(tensors(read_entries(folder / "keys.json.gz"), seed))
    torch.save({pinned.wrapping.removeprefix("in:"): state, "iteration": 179_999}, target / pinned.file)
    return target / pinned.file


def _case(case: str, recorded: Mapping[str, Any], answered: Mapping[str, Floats], judge: Any) -> Iterator[ParityResult]:
    from nova_eval.adapters.t2i_compbench.frames import official_frame

    frames = official_frame(image(recorded["image"])[0])[None]
    yield exact(case, "resized", list(recorded["resized"]), list(frames.shape[1:3]))
    yield result(case, "image", sampled(recorded["image_tensor"], _planes(frames)), PIXELS)
    network = judge.hosted.network
    modules = {"trunk": network.backbone.bottom_up, "pyramid": network.backbone}
    modules |= {"proposals": network.proposal_generator, "found": network.roi_heads}
    modules |= {f"stage{place}": predictor for place, predictor in enumerate(network.roi_heads.box_predictor)}
    inputs: list[Any] = []
    handle = network.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    with watching(modules) as seen:
        (detections,) = judge.detect(frames)
    handle.remove()
    yield result(case, "network input", sampled(recorded["network_input"], inputs[0]), PIXELS)
    trunk = zip(("res3", "res4", "res5"), seen["trunk"][0], strict=True)
    yield result(case, "trunk", max(sampled(recorded["bottom_up"][name], level) for name, level in trunk), MAPS)
    levels = zip(_LEVELS, seen["pyramid"][0], strict=True)
    yield result(case, "pyramid", max(sampled(recorded["fpn"][name], level) for name, level in levels), MAPS)
    (proposed,) = seen["proposals"][0]
    yield exact(case, "proposals", recorded["proposals"], len(proposed.boxes))
    first = len(answered["proposal_logits"])
    logits = proposed.scores[:first].cpu().numpy()
    yield result(case, "proposal logits", largest(answered["proposal_logits"], logits), MAPS)
    alone = _without_partner(answered["proposals"], proposed.boxes.cpu().numpy())
    yield result(case, f"of {first} proposals alone", float(alone), WITHOUT_PARTNER)
    for place in range(_STAGES):
        given, deltas = seen[f"stage{place}"][0]
        wrong = max(
            _moments(recorded["stage_class_logits"][place], given),
            _moments(recorded["stage_box_deltas"][place], deltas),
        )
        yield result(case, f"stage {place}", wrong, MAPS)
    yield from _detections(case, recorded, answered, detections, seen["found"][0][0])


def _detections(
    case: str,
    recorded: Mapping[str, Any],
    answered: Mapping[str, Floats],
    detections: Sequence[Detection],
    found: Any,
) -> Iterator[ParityResult]:
    from nova_eval.judges.unidet import labels

    yield exact(case, "detections", recorded["detections"], len(detections))
    boxes, scores, classes = (part.cpu().numpy() for part in found)
    wanted = answered["labels"].astype(int)
    yield exact(case, "first labels", wanted[:FIRST].tolist(), classes[:FIRST].tolist())
    yield result(case, "first boxes", largest(answered["boxes"][:FIRST], boxes[:FIRST]), BOXES)
    yield result(case, "first scores", largest(answered["scores"][:FIRST], scores[:FIRST]), SCORES)
    alone = _without_partner(answered["boxes"], boxes, wanted, classes)
    yield result(case, f"of {len(wanted)} detections alone", float(alone), WITHOUT_PARTNER)
    named = [(labels()[number], tuple(box), score) for number, box, score in zip(classes, boxes, scores, strict=True)]
    yield exact(case, "names", [row[0] for row in named], [detection.label for detection in detections])


def _planes(frames: Frames) -> Any:
    """What the official loader hands on: blue, green, red of the one frame, 0…255."""
    return frames[0, ..., ::-1].transpose(2, 0, 1).astype(np.float32)


def _moments(recorded: Mapping[str, Any], tensor: Any) -> float:
    """Shape, mean and deviation. Single values depend on the order of proposals, in which near ties swap."""
    if list(tensor.shape) != list(recorded["shape"]):
        return float("inf")
    x = tensor.double()
    return largest([recorded["mean"], recorded["std"]], [x.mean().item(), x.std(unbiased=False).item()])


def _without_partner(
    expected: Floats, found: Floats, labels: Any = None, found_labels: Any = None, tolerance: float = BOXES
) -> int:
    """How many of ``expected`` have no box of their own label within ``tolerance`` in ``found``."""
    near = np.abs(expected[:, None] - found[None]).max(-1) <= tolerance
    if labels is not None:
        near &= np.asarray(labels)[:, None] == np.asarray(found_labels)[None]
    return int((~near.any(1)).sum())
