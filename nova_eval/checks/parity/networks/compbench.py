"""Recorded scores of the official T2I-CompBench code, network and rule together, against this package's."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np

from nova_eval.adapters.t2i_compbench.benchmark import official
from nova_eval.adapters.t2i_compbench.frames import official_frame
from nova_eval.adapters.t2i_compbench.parses import Parse, Parses, Token
from nova_eval.checks.parity.compare import remembering, result
from nova_eval.checks.parity.networks import unidet
from nova_eval.checks.parity.procedural import moving_shapes
from nova_eval.engines.questions import scores_of
from nova_eval.errors import UsageError, unknown
from nova_eval.media import Clip
from nova_eval.protocols import Floats, Frames, Item
from nova_eval.records import ParityResult, Prompt, Sample, SampleKey

SCORE = 1e-4  # what the tolerances of boxes (0.05 pixels) and scores (1e-5) amount to

JUDGES: Mapping[str, Callable[[Path, int, Path, str], Any]] = {  # recordings, weights seed, folder for files, device
    "unidet_rs200": unidet.detector,
    "unidet_r50": unidet.detector,
}
TASKS: Mapping[str, Callable[[Mapping[str, Any], Any], Any]] = {  # task → what answers its rule; depth was given
    "spatial_2d": lambda case, judge: judge,
    "spatial_3d": lambda case, judge: SimpleNamespace(detect=judge.detect, depth=lambda frames: _ramp(case["depth"])),
    "numeracy": lambda case, judge: judge,
}


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/golden.json``; a judge's recording, which names weights and images, lies beside it."""
    recorded = _read(folder / "golden.json")["cases"]
    for name in dict.fromkeys(case["detector"] for case in recorded):
        if name not in JUDGES:
            raise unknown("recorded judge", name, JUDGES)
        beside = _read(folder.parent / name / "golden.json")
        images = {case["key"]: case["image"] for case in beside["cases"]}
        with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
            judge = JUDGES[name](folder.parent / name, beside["weights_seed"], Path(files), device)
            judge.detect = remembering(judge.detect)
            for case in recorded:
                if case["detector"] == name:
                    yield _replayed(case, images[case["image_key"]], judge)


def _replayed(case: Mapping[str, Any], image: Mapping[str, int], judge: Any) -> ParityResult:
    title = f"t2i_compbench/{case['detector']}/{case['image_key']}/{case['task']}/{case['prompt']}"
    if case["task"] not in TASKS:
        raise unknown("recorded task", case["task"], TASKS)
    parses = Parses({case["prompt"]: Parse(tuple(Token(*token) for token in case["tokens"]))}, "recorded")
    rule = next(rule for rule in official(parses) if rule.name == case["task"]).with_settings(resized=False)
    try:
        frame = moving_shapes(image["seed"], 1, image["height"], image["width"])
        (row,) = scores_of(rule, [_item(case, official_frame(frame[0])[None])], TASKS[case["task"]](case, judge))
    except Exception as error:  # an answer too: the official code may have raised as well
        note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return result(title, "answer", 0.0 if "error" in case["expected"] else math.inf, note=note)
    if "error" in case["expected"]:
        return result(title, "answer", 0.0 if row.value is None else math.inf, note=str(case["expected"]))
    wrong = math.inf if row.value is None else abs(row.value - case["expected"]["answer"])
    return result(title, "answer", wrong, SCORE, f"expected {case['expected']}, found {row.value} {row.detail}"[:240])


def _item(case: Mapping[str, Any], frame: Frames) -> Item:
    _, height, width, _ = frame.shape
    sample = Sample(SampleKey("case/0000", 0), 0, "", "", 0, width, height, 1, 0.0, 0.0)
    return Item(Prompt("case/0000", case["prompt"], (case["task"],)), sample, Clip(frame, 0.0))


def _ramp(recipe: Mapping[str, int]) -> Floats:
    """One depth map of sawtooth stripes."""
    y, x = np.mgrid[0 : recipe["height"], 0 : recipe["width"]]
    depth: Floats = np.mod(x * recipe["ax"] + y * recipe["ay"], recipe["mod"]).astype(np.float32) / np.float32(255)
    return depth[None]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy="restore the recording") from error
