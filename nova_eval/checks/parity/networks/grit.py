"""Recorded answers of the official GRiT code against this package's judges and four rules of VBench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nova_eval.checks.parity.compare import Ranked, compared, facts, reordered, result, watching
from nova_eval.checks.parity.items import frames
from nova_eval.checks.parity.rules.sections import remembering
from nova_eval.checks.parity.rules.vbench import decided
from nova_eval.checks.parity.weight_files import write_vocabulary
from nova_eval.protocols import Detection, Frames
from nova_eval.records import ParityResult

SCORES, BOXES, LAYERS, LOG_PROBABILITIES, PIXELS, RULES = 1e-5, 1e-3, 1e-4, 1e-4, 1e-6, 1e-9
FRAME_INPUT = 255.0  # recorded after resizing, in 0…255


def grit(recorded: Mapping[str, Any], folder: Path, weights: Path, device: str) -> Iterator[ParityResult]:
    """Sizes, then frame by frame objects and dense captions, then the dimensions that they decide."""
    from nova_eval.judges.grit import GritDenseCaptioner, GritObjectDetector

    for number, case in enumerate(recorded.get("resize", ())):
        yield from _resized(f"vbench grit/resize {number}", case)
    words = write_vocabulary(weights.parent)
    dimensions = recorded.get("dimensions", {})
    judges: tuple[Any, Any] = (  # at once, so that they share the network
        GritObjectDetector(weights, vocabulary=words).to(device),
        GritDenseCaptioner(weights, vocabulary=words).to(device),
    )
    for task, judge, dimensions_of in (
        ("object_det", judges[0], ("object_class", "multiple_objects", "spatial_relationship")),
        ("dense_cap", judges[1], ("color",)),
    ):
        known: dict[bytes, list[Detection]] = {}
        clips = [frames(video["input"]) for video in recorded[task]]
        for number, (video, clip) in enumerate(zip(recorded[task], clips, strict=True)):
            case = f"vbench grit/{task} {number}"
            if "frames_check" in video["input"]:
                yield compared(case, "frames", video["input"]["frames_check"], clip, PIXELS)
            for frame, image in zip(video["frames"], clip, strict=True):
                yield from _frame(f"{case} frame {frame['frame']}", frame, image[None], judge, known)
        setattr(
            judge, _METHODS[judge.name], remembering(lambda rows, known=known: [known[row.tobytes()] for row in rows])
        )
        for dimension in dimensions_of:
            for number, case in enumerate(dimensions.get(dimension, ())):
                text, reference = case.get("prompt", ""), {k: case[k] for k in _REFERENCE if k in case}
                title = f"vbench grit/{dimension} {number}"
                yield decided(title, dimension, judge, clips, (text, reference), expected=case, tolerance=RULES)


_METHODS = {"grit_object_det": "detect", "grit_dense_cap": "describe"}
_REFERENCE = ("object", "object_a", "object_b", "relationship", "color")


def _resized(case: str, recorded: Mapping[str, Any]) -> Iterator[ParityResult]:
    from nova_eval.judges.grit import reduced_bytes, reduced_floats

    clip = frames(recorded["input"])
    for path, reduced in (("tensor_path", reduced_floats), ("array_path", reduced_bytes)):
        image = reduced(clip)[0].permute(1, 2, 0)
        yield result(case, path, facts(recorded[path], image) / FRAME_INPUT, PIXELS)


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
    yield compared(case, "proposals", recorded["proposals"]["count"], len(proposed.boxes))
    yield compared(case, "proposal scores", recorded["proposals"]["scores"], proposed.scores, SCORES)
    best = recorded["proposals"]["top4"]
    wanted, boxes = [recorded["proposals"]["boxes_by_score"], best], [proposed.boxes, proposed.boxes[: len(best)]]
    yield compared(case, "proposal boxes", wanted, boxes, BOXES)
    (read,) = reads
    kept, regions = recorded["kept"], read.regions
    ranks = _ranks(kept["boxes"], kept["scores"], regions.boxes.tolist(), regions.scores.tolist())
    yield compared(case, "boxes", kept["boxes"], [regions.boxes[rank] for rank in ranks], BOXES)
    yield compared(case, "box scores", kept["scores"], [float(regions.scores[rank]) for rank in ranks], SCORES)
    for name, texts in (("text_decoder", read.texts[0]), ("text_decoder_det", read.texts[-1])):
        if recorded.get(name):
            yield from _texts(f"{case} {name}", recorded[name], [texts[rank] for rank in ranks])
    yield from _final(case, recorded, found, judge.name == "grit_dense_cap")


def _ranks(
    boxes: Sequence[Any], scores: Sequence[float], found: Sequence[Any], found_scores: Sequence[float]
) -> list[int]:
    """The order of what was found in which boxes of equal scores stand as they were recorded."""
    wanted = [Ranked("", score, box) for box, score in zip(boxes, scores, strict=True)]
    given = [Ranked("", score, box) for box, score in zip(found, found_scores, strict=True)]
    return reordered(wanted, given, SCORES)


def _layers(recorded: Mapping[str, Any], seen: Mapping[str, Any]) -> float:
    """The worst of the summaries that were recorded of one frame's maps."""
    wrong = [0.0]
    wrong += [facts(recorded[name], seen[name]) for name in seen if name.startswith("vit") and name in recorded]
    levels = zip(("p3", "p4", "p5", "p6", "p7"), seen["fpn"], strict=True)
    wrong += [facts(recorded["fpn"][name], level) for name, level in levels if name in recorded.get("fpn", {})]
    for expected, (distances, heat) in zip(recorded.get("centernet", ()), seen["centernet"], strict=False):
        wrong += [facts(expected["reg"], distances), facts(expected["agn_hm"], heat)]
    for place, expected in enumerate(recorded.get("stages", ())):
        logits, deltas = seen[f"stage{place}"]
        wrong += [facts(expected["cls_by_score"], logits), facts(expected["deltas_by_score"], deltas)]
    return max(wrong)


def _texts(case: str, recorded: Mapping[str, Any], texts: Sequence[Any]) -> Iterator[ParityResult]:
    """Where every text of a frame ends at once, the official search answers without the first id."""
    wanted = [_to_end(ids if ids[0] == recorded["begin"] else [recorded["begin"], *ids]) for ids in recorded["tokens"]]
    yield compared(case, "ids", wanted, [list(text.ids) for text in texts])
    expected = [value[0] if isinstance(value, list) else value for value in recorded["logprobs"]]
    found = [text.log_probability for text in texts]
    yield compared(case, "log-probabilities", expected, found, LOG_PROBABILITIES)


def _to_end(ids: list[int]) -> list[int]:
    from nova_eval.judges.wordpiece import SEP

    return ids[: ids.index(SEP) + 1] if SEP in ids else ids


def _final(
    case: str, recorded: Mapping[str, Any], found: Sequence[Detection], captioned: bool
) -> Iterator[ParityResult]:
    final = recorded["final"]
    scores = [row[place] if isinstance(row, list) else row for place, row in enumerate(final["scores"])]
    ranks = _ranks(final["boxes"], scores, [d.box for d in found], [d.score for d in found])
    found = [found[rank] for rank in ranks]
    yield compared(case, "final boxes", final["boxes"], [d.box for d in found], BOXES)
    yield compared(case, "final scores", scores, [d.score for d in found], SCORES)
    yield compared(case, "object names", final["det_obj"], [d.label for d in found])
    written = [d.caption if captioned else d.label for d in found]
    yield compared(case, "descriptions", final["descriptions"], written)
    if found and "tuples" in recorded:
        rows = [[text, [int(side) for side in d.box], found[0].label] for text, d in zip(written, found, strict=True)]
        yield compared(case, "what the rules see", [list(row) for row in recorded["tuples"]], rows)
