"""Recorded detections of the official UniDet code on procedural weights against this package's judges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.compare import Ranked, compared, compared_ranks, facts, moments, result, watching
from nova_eval.checks.parity.items import frames as rebuilt
from nova_eval.checks.parity.weight_files import write
from nova_eval.errors import unknown
from nova_eval.judges import JUDGES
from nova_eval.protocols import Detection, Floats, Frames
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

DETECTORS = ("unidet_r50", "unidet_rs200")
PIXELS, MAPS, BOXES, SCORES = 1e-5, 2e-4, 0.05, 1e-5
FIRST = 40  # by rank: these must be equal one by one
WITHOUT_PARTNER = 3  # of 300: near ties of what suppresses what fall either way
_LEVELS, _STAGES = ("p3", "p4", "p5", "p6", "p7"), 3
_ARRAYS = ("boxes", "scores", "labels", "proposals", "proposal_logits")


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording and its arrays. The weights' file takes at most 0.5 GB."""
    recorded, arrays = recording.content("cases", "weights_seed"), recording.arrays()
    judge = detector(recording.judge, recorded["weights_seed"], files, device, recording.folder)
    for case in recorded["cases"]:
        answered = {name: arrays[f"{case['key']}_{name}"] for name in _ARRAYS if f"{case['key']}_{name}" in arrays}
        yield from _case(f"t2i {recording.judge}/{case['key']}", case, answered, judge)


def detector(name: str, seed: int, files: Path, device: str, entries: Path) -> Any:
    """The judge ``name`` on weights of the recorded ``entries``; ``files`` must last as long as it."""
    if name not in DETECTORS:
        raise unknown("recorded detector", name, DETECTORS)
    maker: Any = JUDGES.get(name)
    return maker(write(name, seed, files, entries)).to(device)


def _case(case: str, recorded: Mapping[str, Any], answered: Mapping[str, Floats], judge: Any) -> Iterator[ParityResult]:
    from nova_eval.adapters.t2i_compbench.frames import official_frame

    frames = official_frame(rebuilt(recorded["image"])[0])[None]
    yield compared(case, "resized", list(recorded["resized"]), list(frames.shape[1:3]))
    yield compared(case, "image", recorded["image_tensor"], _planes(frames), PIXELS)
    network = judge.hosted.network
    modules = {"trunk": network.backbone.bottom_up, "pyramid": network.backbone}
    modules |= {"proposals": network.proposal_generator, "found": network.roi_heads}
    modules |= {f"stage{place}": predictor for place, predictor in enumerate(network.roi_heads.box_predictor)}
    inputs: list[Any] = []
    handle = network.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    with watching(modules) as seen:
        (detections,) = judge.detect(frames)
    handle.remove()
    yield compared(case, "network input", recorded["network_input"], inputs[0], PIXELS)
    trunk = zip(("res3", "res4", "res5"), seen["trunk"][0], strict=True)
    yield result(case, "trunk", max(facts(recorded["bottom_up"][name], level) for name, level in trunk), MAPS)
    levels = zip(_LEVELS, seen["pyramid"][0], strict=True)
    yield result(case, "pyramid", max(facts(recorded["fpn"][name], level) for name, level in levels), MAPS)
    (proposed,) = seen["proposals"][0]
    yield compared(case, "proposals", recorded["proposals"], len(proposed.boxes))
    first = len(answered["proposal_logits"])
    yield compared(case, "proposal logits", answered["proposal_logits"], proposed.scores[:first].cpu(), MAPS)
    left = _without_partner(answered["proposals"], proposed.boxes.cpu().numpy())
    yield result(case, f"of {first} proposals alone", float(left), WITHOUT_PARTNER)
    for place in range(_STAGES):
        given, deltas = seen[f"stage{place}"][0]
        wanted = [moments(recorded[name][place]) for name in ("stage_class_logits", "stage_box_deltas")]
        yield compared(case, f"stage {place}", wanted, [given, deltas], MAPS)
    yield from _detections(case, recorded, answered, detections, seen["found"][0][0])


def _detections(
    case: str,
    recorded: Mapping[str, Any],
    answered: Mapping[str, Floats],
    detections: Sequence[Detection],
    found: Any,
) -> Iterator[ParityResult]:
    from nova_eval.judges.unidet import labels

    yield compared(case, "detections", recorded["detections"], len(detections))
    boxes, scores, classes = (part.cpu().numpy() for part in found)
    wanted = answered["labels"].astype(int)
    ranked = [
        [Ranked(int(label), float(score), box) for label, score, box in zip(*columns, strict=True)]
        for columns in ((wanted, answered["scores"], answered["boxes"]), (classes, scores, boxes))
    ]
    first, others = ranked[0][:FIRST], ranked[1]
    same, scored, pairs = compared_ranks(case, ("first labels", "first scores"), first, others, SCORES)
    yield same
    yield compared(case, "first boxes", [first[k].box for k, _ in pairs], [others[k].box for _, k in pairs], BOXES)
    yield scored
    missing = _without_partner(answered["boxes"], boxes, wanted, classes)
    yield result(case, f"of {len(wanted)} detections alone", float(missing), WITHOUT_PARTNER)
    named = [(labels()[number], tuple(box), score) for number, box, score in zip(classes, boxes, scores, strict=True)]
    yield compared(case, "names", [row[0] for row in named], [detection.label for detection in detections])


def _planes(frames: Frames) -> Any:
    """What the official loader hands on: blue, green, red of the one frame, 0…255."""
    return frames[0, ..., ::-1].transpose(2, 0, 1).astype(np.float32)


def _without_partner(
    expected: Floats, found: Floats, labels: Any = None, found_labels: Any = None, tolerance: float = BOXES
) -> int:
    """How many of ``expected`` have no box of their own label within ``tolerance`` in ``found``."""
    near = np.abs(expected[:, None] - found[None]).max(-1) <= tolerance
    if labels is not None:
        near &= np.asarray(labels)[:, None] == np.asarray(found_labels)[None]
    return int((~near.any(1)).sum())
