"""The inputs of the recordings of BLIP, mPLUG and CLIPScore: weight files in their published form, and images."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nova_eval.checks.parity.compare import largest
from nova_eval.checks.parity.procedural import moving_shapes, read_entries, tensors
from nova_eval.checks.parity.text_kit import vocabulary
from nova_eval.checks.parity.weight_files import write_torchscript
from nova_eval.protocols import Frames
from nova_eval.weights.catalogue import entry

if TYPE_CHECKING:
    from torch import Tensor

FILES: Mapping[str, str] = {  # recorded judge → entry of weights.toml
    "blip_vqa": "blip_vqa_capfilt_large",
    "mplug_large": "mplug_large_vqa",
    "clip_vit_b32": "clip_vit_b32",
}
FACTS = ("image_res", "beam_size", "min_length", "max_length")  # of mPLUG's config.yaml


def write_weights(folder: Path, seed: int, target: Path) -> Path:
    """``target/<file>`` with the entries of ``folder``, which is named like the judge, and the shared ones twice."""
    import torch

    pinned = entry(FILES[folder.name])
    path = target / pinned.file
    drawn = tensors(read_entries(folder / "keys.json.gz"), seed)
    if pinned.wrapping == "torchscript":
        write_torchscript(drawn, path)
        return path
    state: dict[str, Tensor] = dict(drawn)
    for copy, original in constants(folder).get("same_tensor_as", {}).items():
        state[copy] = state[original]
    torch.save({"model": state, "epoch": 7}, path)
    return path


def write_vocabulary(target: Path) -> Path:
    """A stand-in for bert-base-uncased's. Questions are recorded as ids."""
    path = target / entry("bert_base_uncased_vocab").file
    path.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    return path


def write_settings(folder: Path, recorded: Mapping[str, Any], stride: int, target: Path) -> tuple[Path, Path]:
    """The two files of settings beside mPLUG's weights, as the recording states them."""
    contents = {
        "mplug_large_vqa_config": {name: recorded[name] for name in FACTS if name in recorded},
        "mplug_large_vqa_bert_config": {**constants(folder)["bert_config"], "stride_layer": stride},
    }
    config, bert_config = (target / entry(name).file for name in contents)
    for path, content in zip((config, bert_config), contents.values(), strict=True):
        path.write_text(json.dumps(content), encoding="utf-8")  # what is JSON is YAML too
    return config, bert_config


def constants(folder: Path) -> Mapping[str, Any]:
    """What the recording says of its file besides the entries; nothing where it says nothing."""
    path = folder / "constants.json"
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def image(recorded: Mapping[str, int]) -> Frames:
    """(1, H, W, 3)"""
    return moving_shapes(recorded["seed"], 1, recorded["height"], recorded["width"])


def within(ids: Sequence[int], longest: int) -> list[int]:
    """A recorded question without padding, cut as the official tokenizer cuts it: its end stays."""
    kept = [number for number in ids if number]
    return kept if len(kept) <= longest else [*kept[: longest - 1], kept[-1]]


def sampled(recorded: Mapping[str, Any], tensor: Any) -> float:
    """``recorded`` holds shape, mean, population deviation, and the values at some flat places."""
    import torch

    values = torch.as_tensor(tensor).detach().cpu()
    if list(values.shape) != list(recorded["shape"]):
        return math.inf
    x = values.double().flatten()
    found = [x.mean().item(), x.std(unbiased=False).item(), *x[recorded["index"]].tolist()]
    return largest([recorded["mean"], recorded["std"], *recorded["value"]], found)
