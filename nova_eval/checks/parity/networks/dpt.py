"""Recorded depth maps of the official DPT-hybrid code on procedural weights against this package's judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nova_eval.checks.parity.compare import exact, largest, result, watching
from nova_eval.checks.parity.procedural import read_entries, tensors
from nova_eval.checks.parity.t2i_vqa_kit import image, sampled
from nova_eval.errors import UsageError
from nova_eval.protocols import Floats
from nova_eval.records import ParityResult
from nova_eval.weights.catalogue import entry

PIXELS, MAPS, RAW = 1e-5, 1e-3, 1e-3
GREY_STEP = 1 / 255
RAW_STEP, PNG_STEP = 20, 16  # of the pixels that are recorded


def cases(folder: Path, *, device: str = "cpu") -> Iterator[ParityResult]:
    """Every case of ``folder/golden.json`` and ``golden.npz``, one result a quantity.

    The weights are written to a temporary file (0.5 GB) and loaded as published ones are.
    """
    from nova_eval.judges.dpt import DPTHybrid

    try:
        recorded = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
        arrays = dict(np.load(folder / "golden.npz"))
        seed, listed = recorded["weights_seed"], recorded["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder} cannot be read: {error!r}", remedy="restore the recording") from error
    with TemporaryDirectory(prefix="nova_eval-recorded-") as files:
        judge = DPTHybrid(write_weights(folder, seed, Path(files))).to(device)
        for number, case in enumerate(listed):
            size = f"{case['image']['height']}x{case['image']['width']}"
            title = f"t2i dpt_hybrid/s{case['image']['seed']}_{size}"
            yield from _case(title, case, arrays[f"raw_{number}"], arrays[f"png_{number}"], judge)


def write_weights(folder: Path, seed: int, target: Path) -> Path:
    """``target/<published file>`` with the entries of ``folder``."""
    import torch

    path = target / entry("dpt_hybrid").file
    torch.save(dict(tensors(read_entries(folder / "keys.json.gz"), seed)), path)
    return path


def _case(case: str, recorded: Mapping[str, Any], raw: Floats, png: Any, judge: Any) -> Iterator[ParityResult]:
    from nova_eval.adapters.t2i_compbench.frames import official_depth
    from nova_eval.judges.dpt import preprocess

    frames = image(recorded["image"])
    yield result(case, "input", sampled(recorded["input"], preprocess(frames)), PIXELS)
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
    layers = max(sampled(expected, inputs[name]) for name, expected in recorded["layers"].items())
    yield result(case, "what is fused", layers, MAPS)
    (found,) = seen["network"][0].predicted_depth.float().cpu()
    range_ = largest([recorded["raw_min"], recorded["raw_max"]], [found.min().item(), found.max().item()])
    on_grid = largest(raw, found.numpy()[::RAW_STEP, ::RAW_STEP])
    yield result(case, "raw depth", max(sampled(recorded["raw"], found), range_, on_grid), RAW)
    zeros = abs(float((found == 0).float().mean()) - recorded["zero_fraction"])
    yield result(case, "share of zeros", zeros, RAW)
    grey = (nearness * 255).astype(np.uint8)  # as the rule stores it
    yield exact(case, "size", recorded["png"]["shape"], list(grey.shape))
    steps = np.abs(grey[::PNG_STEP, ::PNG_STEP].astype(int) - png.astype(int))
    yield result(case, "grey steps", float(steps.max()), 1.0)
    moments = [grey.mean(dtype=np.float64), grey.std(dtype=np.float64)]
    yield result(case, "grey levels", largest([recorded["png"]["mean"], recorded["png"]["std"]], moments), 0.05)
    yield result(case, "what the rule sees", sampled(recorded["used"], official_depth(nearness)), GREY_STEP)
