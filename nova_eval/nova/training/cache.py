"""Latents and text features of training material, computed once and kept in safetensors shards."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nova_eval import files, reading
from nova_eval.errors import MediaError, PrerequisiteError, UsageError, brief
from nova_eval.identity import digest
from nova_eval.nova.checkpoint import write_json
from nova_eval.nova.motion import motion_score
from nova_eval.nova.text import TextEncoder
from nova_eval.nova.training.config import DataConfig
from nova_eval.nova.training.data import Filter, TrainingItem, TrainingSource, cut, first_objection
from nova_eval.nova.vae import VideoVAE
from nova_eval.protocols import Frames

BASE_FLOW = 5.0


class Batch(NamedTuple):
    """``latents`` (B, C, T, h, w) clean and scaled; ``texts``: one (tokens, dim) a clip; ``flow``: motion scores.

    ``usual``: of which clips the motion score may be hidden (``TrainingItem.usual``).
    """

    latents: Tensor
    texts: list[Tensor]
    flow: list[float]
    usual: list[bool]


def fill_cache(
    folder: Path,
    data: DataConfig,
    source: TrainingSource,
    *,
    vae: VideoVAE,
    text: TextEncoder,
    size: tuple[int, int],
    filters: Sequence[Filter] = (),
    parts_digest: str = "",
    say: Callable[[str], None] = print,
) -> CachedSet:
    """Encodes what of ``source`` passes ``filters`` into shards under ``folder``; shards that are there are kept.

    Latents are drawn from the posterior with a generator of the item's own, so every shard is the same whenever it is
    made. UsageError when ``folder`` was filled from something else, or when nothing passes.
    """
    count = data.items if source.count is None else min(source.count, data.items or source.count)
    if count is None:
        raise UsageError(f"source {data.source!r} has no end", remedy="say how many items to use: items = …")
    facts = {"data": data.model_dump(mode="json"), "size": list(size), "parts": parts_digest}
    _claim(folder, facts)
    for start in range(0, count, data.shard):
        path = folder / f"shard-{start // data.shard:06d}.safetensors"
        if not path.is_file():
            dropped = _write_shard(
                path,
                _usable(source, range(start, min(start + data.shard, count)), data, size, filters),
                data,
                vae,
                text,
            )
            note = "".join(f", {n} {reason}" for reason, n in sorted(dropped.items()))
            say(f"cached {min(start + data.shard, count)} of {count}{note}")
    return CachedSet(folder)


class CachedSet:
    """The shards of a folder as one list of clips. Tensors stay on disk until they are asked for."""

    def __init__(self, folder: Path) -> None:
        from safetensors import safe_open

        opened: list[Any] = []
        for path in sorted(folder.glob("shard-*.safetensors")):
            try:
                opened.append(safe_open(path, "pt"))
            except Exception as error:
                raise PrerequisiteError(f"{path} cannot be read: {brief(error)}", remedy="remove it") from error
        self._shards = [shard for shard in opened if "latents" in shard.keys()]  # noqa: SIM118  not a mapping
        lengths = [shard.get_slice("latents").get_shape()[0] for shard in self._shards]
        self._starts: list[int] = [0, *accumulate(lengths)]
        self._offsets = [
            torch.cat([torch.zeros(1).long(), s.get_tensor("text_lengths").cumsum(0)]) for s in self._shards
        ]
        if not len(self):
            raise UsageError(f"{folder}: no item of the source can be used", remedy="look at what the filters reject")

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return int(self._shards[0].get_slice("latents").get_shape()[2])

    def batch(self, ids: Sequence[int], latent_frames: int) -> Batch:
        """The clips ``ids``, cut to their first ``latent_frames`` latent frames."""
        latents, texts, flow, usual = [], [], [], []
        for i in ids:
            n = bisect_right(self._starts, i) - 1
            shard, row = self._shards[n], i - self._starts[n]
            latents.append(shard.get_slice("latents")[row : row + 1, :, :latent_frames].float())
            begin, end = self._offsets[n][row : row + 2].tolist()
            texts.append(shard.get_slice("text")[begin:end].float())
            flow.append(float(shard.get_slice("flow")[row : row + 1]))
            usual.append("usual" not in shard.keys() or bool(shard.get_slice("usual")[row : row + 1]))  # noqa: SIM118
        return Batch(torch.cat(latents), texts, flow, usual)


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    file = folder / "cache.json"
    folder.mkdir(parents=True, exist_ok=True)
    if file.is_file():
        if reading.json_file(file, dict[str, Any], error=PrerequisiteError).get("digest") != digest(facts):
            raise UsageError(f"{folder} was filled from other data or parts", remedy="give another cache folder")
        return
    write_json(file, {"digest": digest(facts), **facts})


def _usable(
    source: TrainingSource, indices: range, data: DataConfig, size: tuple[int, int], filters: Sequence[Filter]
) -> Iterator[tuple[int, TrainingItem, Frames] | str]:
    """(index, item, frames cut to size), or why an item is left out."""
    for index in indices:
        try:
            item = source.item(index)
        except MediaError:
            yield "unreadable"
            continue
        if reason := first_objection(item, filters):
            yield reason
            continue
        frames = cut(item, frames=data.frames, height=size[0], width=size[1], fps=data.fps)
        yield "too short" if frames is None else (index, item, frames)


def _write_shard(
    path: Path,
    items: Iterator[tuple[int, TrainingItem, Frames] | str],
    data: DataConfig,
    vae: VideoVAE,
    text: TextEncoder,
) -> Counter[str]:
    from safetensors.torch import save

    latents, texts, flow, usual, captions, dropped = [], [], [], [], [], Counter[str]()
    for entry in items:
        if isinstance(entry, str):
            dropped[entry] += 1
            continue
        index, item, frames = entry
        pixels = torch.tensor(frames).permute(3, 0, 1, 2)[None].float().div(127.5).sub(1)
        latents.append(_encoded(vae, pixels, data, index)[0].cpu().half())
        flow.append(motion_score(frames) * data.flow_scale if len(frames) > 1 else BASE_FLOW)
        usual.append(item.usual)
        captions.append(item.text)
    tensors: dict[str, Tensor] = {}
    if latents:
        texts = [rows.cpu() for rows in text.encode(captions)]
        tensors = {
            "latents": torch.stack(latents),
            "text": torch.cat(texts),
            "text_lengths": torch.tensor([len(rows) for rows in texts]),
            "flow": torch.tensor(flow),
            "usual": torch.tensor(usual),
        }
    metadata = {"items": json.dumps({"captions": captions, "dropped": dropped}, sort_keys=True, ensure_ascii=False)}
    files.write(path, save(tensors, metadata=metadata))
    return dropped


def _encoded(vae: VideoVAE, pixels: Tensor, data: DataConfig, index: int) -> Tensor:
    if data.latents == "mode":
        return vae.encode_mode(pixels)
    return vae.encode(pixels, torch.Generator().manual_seed(int(digest(["latents", data.seed, index])[:15], 16)))
