"""Recorded depth maps of the official DPT-hybrid code on procedural weights against this package's judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nova_eval.checks.parity.compare import compared, facts, result, watching
from nova_eval.checks.parity.items import frames as rebuilt
from nova_eval.checks.parity.weight_files import write
from nova_eval.protocols import Floats
from nova_eval.records import ParityResult

if TYPE_CHECKING:
    from nova_eval.checks.parity.recordings import Recording

PIXELS, MAPS, RAW = 1e-5, 1e-3, 1e-3
GREY_STEP = 1 / 255
RAW_STEP, PNG_STEP = 20, 16  # of the pixels that are recorded


def cases(recording: Recording, files: Path, device: str) -> Iterator[ParityResult]:
    """Every case of the recording and its arrays. The weights' file takes 0.5 GB."""
    from nova_eval.judges.dpt import DPTHybrid

    recorded, arrays = recording.content("cases", "weights_seed"), recording.arrays()
    judge = DPTHybrid(write("dpt_hybrid", recorded["weights_seed"], files, recording.folder)).to(device)
    for number, case in enumerate(recorded["cases"]):
        size = f"{case['image']['height']}x{case['image']['width']}"
        title = f"t2i dpt_hybrid/s{case['image']['seed']}_{size}"
        yield from _case(title, case, arrays[f"raw_{number}"], arrays[f"png_{number}"], judge)


def _case(case: str, recorded: Mapping[str, Any], raw: Floats, png: Any, judge: Any) -> Iterator[ParityResult]:
    from nova_eval.adapters.t2i_compbench.frames import official_depth
    from nova_eval.judges.dpt import preprocess

    frames = rebuilt(recorded["image"])
    yield compared(case, "input", recorded["input"], preprocess(frames), PIXELS)
    network = judge.hosted.network
    inputs: dict[str, Any] = {}
    handles = [
        convolution.register_forward_pre_hook(lambda module, given, name=str(place): inputs.update({name: given[0]}))
        for place, convolution in enumerate(network.neck.convs, 1)
    ]
    with watching({"network": network}) as seen:
        (nearness,) = judge.depth(frames)
    for handle in handles:
        handle.remove()
    layers = max(facts(expected, inputs[name]) for name, expected in recorded["layers"].items())
    yield result(case, "what is fused", layers, MAPS)
    (found,) = seen["network"][0].predicted_depth.float().cpu()
    wanted = [recorded["raw"], recorded["raw_min"], recorded["raw_max"], raw]
    given = [found, found.min(), found.max(), found[::RAW_STEP, ::RAW_STEP]]
    yield compared(case, "raw depth", wanted, given, RAW)
    yield compared(case, "share of zeros", recorded["zero_fraction"], float((found == 0).float().mean()), RAW)
    grey = (nearness * 255).astype(np.uint8)  # as the rule stores it
    yield compared(case, "size", recorded["png"]["shape"], list(grey.shape))
    steps = np.abs(grey[::PNG_STEP, ::PNG_STEP].astype(int) - png.astype(int))
    yield result(case, "grey steps", float(steps.max()), 1.0)
    moments = [grey.mean(dtype=np.float64), grey.std(dtype=np.float64)]
    yield compared(case, "grey levels", [recorded["png"]["mean"], recorded["png"]["std"]], moments, 0.05)
    yield compared(case, "what the rule sees", recorded["used"], official_depth(nearness), GREY_STEP)
