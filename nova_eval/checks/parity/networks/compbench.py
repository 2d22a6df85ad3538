"""Recorded scores of the official T2I-CompBench code, network and rule together, against this package's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from nova_eval.adapters.t2i_compbench.benchmark import official
from nova_eval.adapters.t2i_compbench.frames import official_frame
from nova_eval.adapters.t2i_compbench.parses import Parse, Parses, Token
from nova_eval.checks.parity.compare import result
from nova_eval.checks.parity.items import depth_ramp, frames, item
from nova_eval.checks.parity.networks.unidet import detector
from nova_eval.checks.parity.recordings import read_json
from nova_eval.checks.parity.rules.sections import remembering
from nova_eval.engines.questions import scores_of
from nova_eval.errors import unknown
from nova_eval.records import ParityResult, Prompt

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

SCORE = 1e-4  # what the tolerances of boxes (0.05 pixels) and scores (1e-5) amount to

DECIDED: Mapping[str, Callable[[Mapping[str, Any], Any], Any]] = {  # rule → what answers it; depth was given
    "spatial_2d": lambda case, judge: judge,
    "spatial_3d": lambda case, judge: SimpleNamespace(
        detect=judge.detect, depth=lambda frames: depth_ramp(case["depth"])[None]
    ),
    "numeracy": lambda case, judge: judge,
}


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case; a judge's recording, which names weights and images, lies in the folder beside this one."""
    recorded = recording.content("cases")["cases"]
    for name in dict.fromkeys(case["detector"] for case in recorded):
        beside = recording.folder.parent / name
        known = read_json(beside / "golden.json", "cases", "weights_seed")
        images = {case["key"]: case["image"] for case in known["cases"]}
        judge = detector(name, known["weights_seed"], files, device, beside)
        judge.detect = remembering(judge.detect)
        for case in recorded:
            if case["detector"] == name:
                yield _decided(case, images[case["image_key"]], judge)


def _decided(case: Mapping[str, Any], image: Mapping[str, int], judge: Any) -> ParityResult:
    title = f"t2i_compbench/{case['detector']}/{case['image_key']}/{case['task']}/{case['prompt']}"
    if case["task"] not in DECIDED:
        raise unknown("recorded rule", case["task"], DECIDED)
    parses = Parses({case["prompt"]: Parse(tuple(Token(*token) for token in case["tokens"]))}, "recorded")
    rule = next(rule for rule in official(parses) if rule.name == case["task"]).with_settings(resized=False)
    try:
        frame = official_frame(frames(image)[0])[None]
        shown = item(Prompt("case/0000", case["prompt"], (case["task"],)), frame)
        (row,) = scores_of(rule, [shown], DECIDED[case["task"]](case, judge))
    except Exception as error:  # an answer too: the official code may have raised as well
        note = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return result(title, "answer", 0.0 if "error" in case["expected"] else math.inf, note=note)
    if "error" in case["expected"]:
        return result(title, "answer", 0.0 if row.value is None else math.inf, note=str(case["expected"]))
    wrong = math.inf if row.value is None else abs(row.value - case["expected"]["answer"])
    return result(title, "answer", wrong, SCORE, note=f"expected {case['expected']}, found {row.value} {row.detail}")
