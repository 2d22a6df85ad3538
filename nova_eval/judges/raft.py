"""RAFT: where does every pixel of a frame go in the next one?

Network: RAFT (princeton-vl/RAFT, BSD-3-Clause) trained on FlyingChairs and FlyingThings, in torchvision's modules, as
VBench's ``dynamic_degree`` and static filter use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nova_eval import weights as pinned
from nova_eval.errors import MediaError, UsageError
from nova_eval.judges.correlation import build_pyramid
from nova_eval.judges.hosting import Hosted, unfilled
from nova_eval.judges.resizing import as_floats, replicate_pad
from nova_eval.protocols import Floats, Frames

MULTIPLE, UPDATES = 8, 20
OFFICIAL_DEFINED_FROM = 128
"""Below so many padded pixels a side the coarsest correlation map is one cell wide, the official code divides by its
size less one, and the flow is NaN. Below half of it the official code raises."""
PAIRS_ON_CPU = 1  # at once: more miss its cache, four take up to a third longer each
_CORRELATION_BYTES = 1 << 30  # pairs are matched together while their correlation volumes stay below this


class RaftThings:
    """An ``OpticalFlow``.

    ``weights`` is the official ``raft-things.pth`` or torchvision's port of it (default: where one of the pinned files
    lies). At most ``batch`` pairs are matched at once on a GPU, fewer where their correlation volumes are large, and
    one on the CPU.
    """

    name = "raft_things"
    VERSION = "1"

    def __init__(self, weights: Path | None = None, dtype: str = "float32", batch: int = 4) -> None:
        if dtype != "float32":
            raise UsageError(f"{self.name} computes in float32, not {dtype!r}")
        path = pinned.locate_first(["raft_things", "raft_large_c_t_v1"]) if weights is None else weights
        self._hosted = Hosted(self.name, self.VERSION, weights=self.name, path=path, dtype=dtype, build=build)
        self._batch = batch
        self.digest = self._hosted.digest

    def to(self, device: str) -> RaftThings:
        self._hosted.to(device)
        return self

    def flow(self, first: Frames, second: Frames) -> Floats:
        """Two uint8 (N, H, W, 3) → (N, h, w, 2) displacements (x, y) of the frames padded to multiples of 8.

        A frame that ends one pair and begins the next is looked at once. NaN where the network defines no flow.
        """
        frames, places = distinct(first, second)
        images = replicate_pad(as_floats(frames, self._hosted.device), MULTIPLE)
        height, width = images.shape[-2:]
        if min(height, width) < OFFICIAL_DEFINED_FROM:
            if min(height, width) < OFFICIAL_DEFINED_FROM // 2:
                raise MediaError(
                    f"RAFT needs frames of {OFFICIAL_DEFINED_FROM // 2 - MULTIPLE + 1} pixels a side or more"
                )
            return np.full((len(first), height, width, 2), np.nan, np.float32)
        images = images / 255.0 * 2.0 - 1.0
        flows = [np.zeros((0, height, width, 2), np.float32)]
        with torch.inference_mode():
            network: Any = self._hosted.network
            features = torch.cat([network.feature_encoder(some) for some in torch.split(images, self._batch)])
            for pairs in self._groups(places, (height // 8) * (width // 8)):
                start, end = ([pair[side] for pair in pairs] for side in (0, 1))
                flow = match(network, features[start], features[end], images[start])
                flows.append(flow.permute(0, 2, 3, 1).cpu().numpy())
        return np.concatenate(flows)

    def _groups(self, places: list[tuple[int, int]], cells: int) -> Iterator[list[tuple[int, int]]]:
        size = max(1, min(self._batch, _CORRELATION_BYTES // (4 * cells * cells)))
        if self._hosted.device == "cpu":
            size = min(size, PAIRS_ON_CPU)
        for start in range(0, len(places), size):
            yield places[start : start + size]


def distinct(first: Frames, second: Frames) -> tuple[Frames, list[tuple[int, int]]]:
    """The frames of a chain of pairs without those that merely repeat the last one, and each pair's two places."""
    if first.shape != second.shape:
        raise UsageError(f"frames of one shape make pairs, not {first.shape} and {second.shape}")
    frames: list[Frames] = []
    places = []
    for one, other in zip(first, second, strict=True):
        if not frames or not np.array_equal(frames[-1], one):
            frames.append(one)
        start = len(frames) - 1
        if not np.array_equal(one, other):
            frames.append(other)
        places.append((start, len(frames) - 1))
    return np.stack(frames) if frames else first, places


def match(raft: nn.Module, one: Tensor, other: Tensor, images: Tensor) -> Tensor:
    """Features of both frames and the first frame itself, in −1…1 → (N, 2, H, W) flow. Only the last is upsampled."""
    from torchvision.models.optical_flow._utils import make_coords_grid, upsample_flow

    network: Any = raft
    build_pyramid(network.corr_block, one, other)
    size = network.update_block.hidden_state_size
    hidden, context = network.context_encoder(images).tensor_split([size], dim=1)
    hidden, context = torch.tanh(hidden), torch.relu(context)
    block = network.update_block
    across, down = (gated(gru, context) for gru in (block.recurrent_block.convgru1, block.recurrent_block.convgru2))
    start = make_coords_grid(len(one), *one.shape[-2:]).to(one.device)
    here = start.clone()
    for _ in range(UPDATES):
        correlation = network.corr_block.index_pyramid(centroids_coords=here)
        motion = block.motion_encoder(here - start, correlation)
        hidden = down(across(hidden, motion), motion)
        here = here + block.flow_head(hidden)
    flow: Tensor = upsample_flow(flow=here - start, up_mask=network.mask_predictor(hidden))
    network.corr_block.corr_pyramid = []
    return flow


def gated(gru: nn.Module, context: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """A gated unit's step (hidden, motion) → hidden.

    What ``context`` adds to the three gates is the same in every update and is worked out once: a third of the
    products. The two gates that look at the same input are one convolution.
    """
    unit: Any = gru
    padding, width, end = unit.convz.padding, unit.convz.out_channels, unit.convz.out_channels + context.shape[1]

    def split(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
        kernel = convolution.weight
        constant = F.conv2d(context, kernel[:, width:end], convolution.bias, padding=padding)
        return torch.cat([kernel[:, :width], kernel[:, end:]], dim=1), constant

    (update, update_constant), (reset, reset_constant) = split(unit.convz), split(unit.convr)
    gates, gates_constant = torch.cat([update, reset]), torch.cat([update_constant, reset_constant], dim=1)
    candidate, candidate_constant = split(unit.convq)

    def step(hidden: Tensor, motion: Tensor) -> Tensor:
        seen = F.conv2d(torch.cat([hidden, motion], dim=1), gates, padding=padding)
        z, r = (seen + gates_constant).sigmoid().chunk(2, dim=1)
        q = F.conv2d(torch.cat([r * hidden, motion], dim=1), candidate, padding=padding)
        return (1 - z) * hidden + z * (q + candidate_constant).tanh()

    return step


_MOTION, _BRANCH = "update_block.motion_encoder.conv", {"c": "corr", "f": "flow"}
_OFFICIAL_NAMES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"fnet\.(.*)", r"feature_encoder.\1"),
    (r"cnet\.(.*)", r"context_encoder.\1"),
    (r"(\w+_encoder)\.conv1\.(.*)", r"\1.convnormrelu.0.\2"),
    (r"(\w+_encoder)\.norm1\.(.*)", r"\1.convnormrelu.1.\2"),
    (r"(\w+_encoder)\.conv2\.(.*)", r"\1.conv.\2"),
    (r"(\w+_encoder\.layer\d\.\d)\.conv(\d)\.(.*)", r"\1.convnormrelu\2.0.\3"),
    (r"(\w+_encoder\.layer\d\.\d)\.norm([12])\.(.*)", r"\1.convnormrelu\2.1.\3"),
    (r"update_block\.encoder\.conv([cf])(\d)\.(.*)", lambda m: f"{_MOTION}{_BRANCH[m[1]]}{m[2]}.0.{m[3]}"),
    (r"update_block\.encoder\.conv\.(.*)", rf"{_MOTION}.0.\1"),
    (r"update_block\.gru\.conv([zrq])(\d)\.(.*)", r"update_block.recurrent_block.convgru\2.conv\1.\3"),
    (r"update_block\.mask\.0\.(.*)", r"mask_predictor.convrelu.0.\1"),
    (r"update_block\.mask\.2\.(.*)", r"mask_predictor.conv.\1"),
)


def torchvision_name(official: str) -> str | None:
    """What torchvision calls an entry of the official file; None for the second copy of a norm."""
    if ".norm3." in official:  # stored again as downsample.1
        return None
    name = official
    for pattern, replacement in _OFFICIAL_NAMES:
        name = re.sub(rf"^{pattern}$", replacement, name)
    return name


def build(state: dict[str, Tensor], path: Path) -> nn.Module:
    from torchvision.models.optical_flow import raft_large

    network: nn.Module = unfilled(lambda: raft_large(weights=None))
    official = any(name.startswith("fnet.") for name in state)
    pinned.apply(network, state, rename=torchvision_name if official else None, where=str(path))
    return network
