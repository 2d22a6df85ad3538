"""DPT: how near is each pixel?

Network: DPT-hybrid of MiDaS (isl-org/DPT, MIT), a ViT-B on the maps of a ResNet-50, as T2I-CompBench's 3D-spatial
category uses it. transformers hosts it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.pixels import each_distinct, normalised
from nova_eval.protocols import Floats, Frames

SIZE, PRETRAINED_SIZE = 480, 384  # the position table of 24 × 24 patches is stretched
HALF = (0.5, 0.5, 0.5)
NORM_EPS = 1e-6  # timm's; transformers defaults to 1e-12


class DPTHybrid:
    """A ``DepthModel``: nearness in 0…1 over each frame's own range.

    ``weights`` is the official ``dpt_hybrid-midas-501f0c75.pt`` (default: where the pinned file lies). ``batch`` frames
    are looked at at once.
    """

    name = "dpt_hybrid"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32", batch: int = 8) -> None:
        self.hosted = Hosted(self.name, self.VERSION, weights="dpt_hybrid", path=weights, dtype=dtype, build=build)
        self.digest = self.hosted.digest
        self._batch = batch

    def to(self, device: str) -> DPTHybrid:
        self.hosted.to(device)
        return self

    def depth(self, frames: Frames) -> Floats:
        """(N, H, W, 3) → (N, H, W): larger is nearer, and a frame that is equally near everywhere is 0."""
        size = (frames.shape[1], frames.shape[2])
        with torch.inference_mode():
            maps = each_distinct(frames, self._batch, lambda some: nearness(self.raw(some), size))
        stacked: Floats = torch.stack(maps).numpy()
        return stacked

    def raw(self, frames: Frames) -> Tensor:
        """(N, H, W, 3) → float32 (N, 480, 480) on the CPU: inverse depth as the network gives it, not negative."""
        found: Tensor = self.hosted.network(self.hosted.place(preprocess(frames))).predicted_depth
        return found.float().cpu()


def preprocess(frames: Frames) -> Tensor:
    """uint8 (N, H, W, 3) → float (N, 3, 480, 480): Pillow's bilinear, sides not kept in proportion, in -1…1.

    In rows of planes: where channels lie side by side, torch's group norm on the CPU is wrong by 3e-5 of its largest
    value, and the depth by 5e-3 of its deviation.
    """
    from PIL import Image

    resized = [np.asarray(Image.fromarray(f).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for f in frames]
    return normalised(np.stack(resized), HALF, HALF).contiguous()


def nearness(raw: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, h, w) → (N, H, W): each map over its own range, then bilinear with corners on corners."""
    low, high = (raw.flatten(1).amin(1)[:, None, None], raw.flatten(1).amax(1)[:, None, None])
    unit = torch.where(high > low, (raw - low) / (high - low), 0.0)
    return F.interpolate(unit[:, None], size=size, mode="bilinear", align_corners=True)[:, 0]


def network() -> Any:
    """The host, set to accept 480 × 480."""
    from transformers import DPTConfig, DPTForDepthEstimation

    configuration = DPTConfig(
        is_hybrid=True,
        image_size=PRETRAINED_SIZE,
        readout_type="project",
        backbone_out_indices=[0, 1, 8, 11],
        neck_hidden_sizes=[256, 512, 768, 768],
        reassemble_factors=[1, 1, 1, 0.5],
        neck_ignore_stages=[0, 1],
        layer_norm_eps=NORM_EPS,
    )
    host = DPTForDepthEstimation(configuration)
    host.dpt.embeddings.image_size = (SIZE, SIZE)
    return host


def build(state: dict[str, Tensor], path: Path) -> nn.Module:
    """The classifier of the ViT is not used."""
    host: nn.Module = unfilled(network)
    pinned.apply(host, apart(state), rename=renamed, where=str(path))
    return host


def apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries with each joint projection of an attention as three: query, key, value."""
    split: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attn.qkv." in name and len(tensor) % 3 == 0:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            split |= {name.replace(".attn.qkv.", f".attn.{part}."): third for part, third in parts}
        else:
            split[name] = tensor
    return split


def renamed(name: str) -> str | None:
    """A published name → the host's; None for what is not used."""
    if _CLASSIFIER.fullmatch(name):
        return None
    for pattern, ours in _NAMES:
        match = pattern.fullmatch(name)
        if match:
            return ours(match) if callable(ours) else match.expand(ours)
    return name


_VIT, _BIT = r"pretrained\.model\.", r"pretrained\.model\.patch_embed\.backbone\."
_CLASSIFIER = re.compile(_VIT + r"head\.(?:weight|bias)")
_READOUT, _STAGES, _FUSION = (
    "neck.reassemble_stage.readout_projects",
    "neck.reassemble_stage.layers",
    "neck.fusion_stage",
)


def _readout(match: re.Match[str]) -> str:
    return f"{_READOUT}.{int(match[1]) - 1}.0.{match[2]}"


def _projection(match: re.Match[str]) -> str:
    return f"{_STAGES}.{int(match[1]) - 1}.projection.{match[2]}"


def _convolution(match: re.Match[str]) -> str:
    return f"neck.convs.{int(match[1]) - 1}.weight"


def _fused(match: re.Match[str]) -> str:
    """The published network counts from the finest map, the host from the coarsest."""
    return f"{_FUSION}.layers.{4 - int(match[1])}.projection.{match[2]}"


def _residual(match: re.Match[str]) -> str:
    layer, unit, convolution, leaf = match.groups()
    return f"{_FUSION}.layers.{4 - int(layer)}.residual_layer{unit}.convolution{convolution}.{leaf}"


_NAMES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), ours)
    for pattern, ours in (
        (_VIT + "cls_token", "dpt.embeddings.cls_token"),
        (_VIT + "pos_embed", "dpt.embeddings.position_embeddings"),
        (_VIT + r"patch_embed\.proj\.(\w+)", r"dpt.embeddings.projection.\1"),
        (_BIT + r"stem\.conv\.(\w+)", r"dpt.embeddings.backbone.bit.embedder.convolution.\1"),
        (_BIT + r"stem\.norm\.(\w+)", r"dpt.embeddings.backbone.bit.embedder.norm.\1"),
        (_BIT + r"stages\.(\d)\.blocks\.(\d)\.(.*)", r"dpt.embeddings.backbone.bit.encoder.stages.\1.layers.\2.\3"),
        (_VIT + r"blocks\.(\d+)\.norm1\.(\w+)", r"dpt.encoder.layer.\1.layernorm_before.\2"),
        (_VIT + r"blocks\.(\d+)\.norm2\.(\w+)", r"dpt.encoder.layer.\1.layernorm_after.\2"),
        (_VIT + r"blocks\.(\d+)\.attn\.proj\.(\w+)", r"dpt.encoder.layer.\1.attention.output.dense.\2"),
        (_VIT + r"blocks\.(\d+)\.attn\.(query|key|value)\.(\w+)", r"dpt.encoder.layer.\1.attention.attention.\2.\3"),
        (_VIT + r"blocks\.(\d+)\.mlp\.fc1\.(\w+)", r"dpt.encoder.layer.\1.intermediate.dense.\2"),
        (_VIT + r"blocks\.(\d+)\.mlp\.fc2\.(\w+)", r"dpt.encoder.layer.\1.output.dense.\2"),
        (_VIT + r"norm\.(\w+)", r"dpt.layernorm.\1"),
        (r"pretrained\.act_postprocess([34])\.0\.project\.0\.(\w+)", _readout),
        (r"pretrained\.act_postprocess([34])\.3\.(\w+)", _projection),
        (r"pretrained\.act_postprocess4\.4\.(\w+)", r"neck.reassemble_stage.layers.3.resize.\1"),
        (r"scratch\.layer(\d)_rn\.weight", _convolution),
        (r"scratch\.refinenet(\d)\.out_conv\.(\w+)", _fused),
        (r"scratch\.refinenet(\d)\.resConfUnit([12])\.conv([12])\.(\w+)", _residual),
        (r"scratch\.output_conv\.(\d)\.(\w+)", r"head.head.\1.\2"),
    )
)
