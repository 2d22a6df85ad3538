"""Recorded answers of the official GRiT code against this package's judges and four rules of VBench."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_eval.checks.parity.compare import (
    decide,
    decision,
    exact,
    largest,
    remembering,
    result,
    summary,
    watching,
)
from nova_eval.checks.parity.text_kit import frames, vocabulary
from nova_eval.protocols import Detection, Frames
from nova_eval.records import ParityResult

SCORES, BOXES, LAYERS, LOG_PROBABILITIES, PIXELS, RULES = 1e-5, 1e-3, 1e-4, 1e-4, 1e-6, 1e-9
FRAME_INPUT = 255.0  # recorded after resizing, in 0…255


def grit(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Sizes, then frame by frame objects and dense captions, then the dimensions that they decide."""
    from nova_eval.judges.grit import GritDenseCaptioner, GritObjectDetector

    for number, case in enumerate(recorded.get("resize", ())):
        yield from _resized(f"grit/resize {number}", case)
    words = weights.parent / "vocab.txt"
    words.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    dimensions = recorded.get("dimensions", {})
    judges: tuple[Any, Any] = (  # at once, so that they share the network
        GritObjectDetector(weights, vocabulary=words).to(device),
        GritDenseCaptioner(weights, vocabulary=words).to(device),
    )
    for task, judge, decided in (
        ("object_det", judges[0], ("object_class", "multiple_objects", "spatial_relationship")),
        ("dense_cap", judges[1], ("color",)),
    ):
        known: dict[bytes, list[Detection]] = {}
        clips = [frames(video["input"]) for video in recorded[task]]
        for number, (video, clip) in enumerate(zip(recorded[task], clips, strict=True)):
            case = f"grit/{task} {number}"
            if "frames_check" in video["input"]:
                yield result(case, "frames", summary(video["input"]["frames_check"], clip), PIXELS)
            for frame, image in zip(video["frames"], clip, strict=True):
                yield from _frame(f"{case} frame {frame['frame']}", frame, image[None], judge, known)
        setattr(
            judge, _METHODS[judge.name], remembering(lambda rows, known=known: [known[row.tobytes()] for row in rows])
        )
        for dimension in decided:
            for number, case in enumerate(dimensions.get(dimension, ())):
                text, reference = case.get("prompt", ""), {k: case[k] for k in _REFERENCE if k in case}
                found = decide(dimension, judge, clips, text, reference)
                yield decision(f"grit/{dimension} {number}", case, found, RULES)


_METHODS = {"grit_object_det": "detect", "grit_dense_cap": "describe"}
_REFERENCE = ("object", "object_a", "object_b", "relationship", "color")


def _resized(case: str, recorded: Mapping[str, Any]) -> Iterator[ParityResult]:
    from nova_eval.judges.grit import reduced_bytes, reduced_floats

    clip = frames(recorded["input"])
    for path, reduced in (("tensor_path", reduced_floats), ("array_path", reduced_bytes)):
        image = reduced(clip)[0].permute(1, 2, 0)
        yield result(case, path, summary(recorded[path], image) / FRAME_INPUT, PIXELS)


def _frame(
    case: str, recorded: Mapping[str, Any], image: Frames, judge: Any, known: dict[bytes, list[Detection]]
) -> Iterator[ParityResult]:
    from nova_eval.judges.grit_boxes import proposals

    network = judge.hosted.network
    modules = {"fpn": network.backbone, "vit": network.backbone.bottom_up, "centernet": network.proposals}
    modules |= {f"vit_block{place}": block for place, block in enumerate(network.backbone.bottom_up.blocks)}
    modules |= {f"stage{place}": predictor for place, predictor in enumerate(network.cascade.box_predictor)}
    reads: list[Any] = []
    detections = judge.detections
    judge.detections = lambda read: reads.append(read) or detections(read)  # type: ignore[func-returns-value]
    with watching(modules) as seen:
        (found,) = getattr(judge, _METHODS[judge.name])(image)
    del judge.detections
    known[image[0].tobytes()] = found
    yield result(case, "layers", _layers(recorded, {name: value[0] for name, value in seen.items()}), LAYERS)
    proposed = proposals(seen["centernet"][0])[0]
    yield exact(case, "proposals", recorded["proposals"]["count"], len(proposed.boxes))
    yield result(case, "proposal scores", summary(recorded["proposals"]["scores"], proposed.scores), SCORES)
    wrong = summary(recorded["proposals"]["boxes_by_score"], proposed.boxes)
    best = recorded["proposals"]["top4"]
    yield result(case, "proposal boxes", max(wrong, largest(best, proposed.boxes[: len(best)].cpu())), BOXES)
    (read,) = reads
    yield result(case, "boxes", _boxes(recorded["kept"]["boxes"], read.regions.boxes.tolist()), BOXES)
    yield result(case, "box scores", largest(recorded["kept"]["scores"], read.regions.scores.tolist()), SCORES)
    for name, texts in (("text_decoder", read.texts[0]), ("text_decoder_det", read.texts[-1])):
        if recorded.get(name):
            yield from _texts(f"{case} {name}", recorded[name], texts)
    yield from _final(case, recorded, found, judge.name == "grit_dense_cap")


def _layers(recorded: Mapping[str, Any], seen: Mapping[str, Any]) -> float:
    """The worst of the summaries that were recorded of one frame's maps."""
    wrong = [0.0]
    wrong += [summary(recorded[name], seen[name]) for name in seen if name.startswith("vit") and name in recorded]
    levels = zip(("p3", "p4", "p5", "p6", "p7"), seen["fpn"], strict=True)
    wrong += [summary(recorded["fpn"][name], level) for name, level in levels if name in recorded.get("fpn", {})]
    for expected, (distances, heat) in zip(recorded.get("centernet", ()), seen["centernet"], strict=False):
        wrong += [summary(expected["reg"], distances), summary(expected["agn_hm"], heat)]
    for place, expected in enumerate(recorded.get("stages", ())):
        logits, deltas = seen[f"stage{place}"]
        wrong += [summary(expected["cls_by_score"], logits), summary(expected["deltas_by_score"], deltas)]
    return max(wrong)


def _texts(case: str, recorded: Mapping[str, Any], texts: Sequence[Any]) -> Iterator[ParityResult]:
    """Where every text of a frame ends at once, the official search answers without the first id."""
    wanted = [_to_end(ids if ids[0] == recorded["begin"] else [recorded["begin"], *ids]) for ids in recorded["tokens"]]
    yield exact(case, "ids", wanted, [list(text.ids) for text in texts])
    expected = [value[0] if isinstance(value, list) else value for value in recorded["logprobs"]]
    wrong = largest(expected, [text.log_probability for text in texts])
    yield result(case, "log-probabilities", wrong, LOG_PROBABILITIES)


def _to_end(ids: list[int]) -> list[int]:
    from nova_eval.judges.wordpiece import SEP

    return ids[: ids.index(SEP) + 1] if SEP in ids else ids


def _final(
    case: str, recorded: Mapping[str, Any], found: Sequence[Detection], captioned: bool
) -> Iterator[ParityResult]:
    final = recorded["final"]
    yield result(case, "final boxes", _boxes(final["boxes"], [d.box for d in found]), BOXES)
    scores = [row[place] if isinstance(row, list) else row for place, row in enumerate(final["scores"])]
    yield result(case, "final scores", largest(scores, [d.score for d in found]), SCORES)
    yield exact(case, "object names", final["det_obj"], [d.label for d in found])
    written = [d.caption if captioned else d.label for d in found]
    yield exact(case, "descriptions", final["descriptions"], written)
    if found and "tuples" in recorded:
        rows = [[text, [int(side) for side in d.box], found[0].label] for text, d in zip(written, found, strict=True)]
        yield exact(case, "what the rules see", [list(row) for row in recorded["tuples"]], rows)


def _boxes(expected: Sequence[Sequence[float]], found: Sequence[Sequence[float]]) -> float:
    if len(expected) != len(found):
        return math.inf
    return largest(expected, found) if expected else 0.0
