"""What a run will cost before it is started: device hours from a count of operations, bytes of media, files to fetch.

Everything here is an estimate and says what it rests on. Nothing imports torch or opens a socket.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nova_eval.config import SamplerSpec
from nova_eval.errors import UsageError, unknown
from nova_eval.weights.catalogue import missing

PEAK_TFLOPS: Mapping[str, float] = {"h200": 989.0, "h100": 989.0, "a100": 312.0, "rtx4090": 165.0}
"""Dense half-precision matrix products with sums in float32, 10¹² operations a second, as the makers state them."""
SUSTAINED = 0.4  # the share of the peak that sampling is assumed to keep up; `bench sampler` measures it

BITS_A_PIXEL: Mapping[str, float] = {"h264": 0.6, "h264-lossless": 12.0, "png": 12.0}
"""Assumed of finished media. Grainy procedural clips at 33×480×768 take 0.59 to 0.76 in H.264 at crf 16."""


class File(NamedTuple):
    """A file, or the files of one part of a checkpoint, that a run needs. ``bytes`` is approximate."""

    name: str
    bytes: int
    licence: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Seconds of one device for one sample, and what the figure rests on. ``tflop`` is 0 where nothing was counted."""

    seconds: float
    basis: str
    tflop: float = 0.0


_PHI_2 = File("text_encoder", 5_560_000_000, "MIT (Phi-2)")
_NOVA, _ON_CARD = "Apache-2.0", "see the checkpoint's card"


def _image_checkpoint(parameters: float) -> tuple[File, ...]:
    return (
        File("transformer", round(2 * parameters), _NOVA),
        _PHI_2,
        File("vae", 167_000_000, _ON_CARD),
    )


CHECKPOINTS: Mapping[str, tuple[File, ...]] = {
    "BAAI/nova-d48w768-sdxl1024": _image_checkpoint(363.9e6),
    "BAAI/nova-d48w1024-sdxl1024": _image_checkpoint(645.7e6),
    "BAAI/nova-d48w1536-sdxl1024": _image_checkpoint(1449.8e6),
    "BAAI/nova-d48w1024-sd512": _image_checkpoint(645.7e6),
    "BAAI/nova-d48w1024-osp480": (
        File("transformer", round(2 * 644.1e6), _NOVA),
        _PHI_2,
        File("vae", 480_000_000, _ON_CARD),
    ),
}
"""The parts of the released generators, about: transformers are counted from their shapes, in half precision."""


def sampling(spec: SamplerSpec, device: str, seconds: float | None = None) -> Sampling | None:
    """What one sample costs on ``device``; ``None`` where there is nothing to go by.

    ``seconds`` is a measured figure and wins. A device that is not in ``PEAK_TFLOPS`` is taken for an A100, on which
    the paper measured. UsageError for settings that no sampler could have.
    """
    if device not in PEAK_TFLOPS and device.partition(":")[0] not in {"auto", "cpu", "cuda", "mps"}:
        raise unknown("device", device, [*PEAK_TFLOPS, "auto", "cpu", "cuda", "mps"])
    if seconds is not None:
        if not seconds > 0:
            raise UsageError(f"{seconds} seconds a sample cannot be", remedy="give the measured seconds, such as 12.5")
        return Sampling(seconds, "measured")
    operations = _operations(spec)
    if operations is None:
        return None
    name = device if device in PEAK_TFLOPS else "a100"
    rate = SUSTAINED * PEAK_TFLOPS[name]
    tflop = operations / 1e12
    basis = f"estimate: {tflop:,.0f} TFLOP a sample at {rate:.0f} TFLOP/s ({SUSTAINED:.0%} of the peak of one {name})"
    return Sampling(tflop / rate, basis, tflop)


def _operations(spec: SamplerSpec) -> float | None:
    """Of one sample of a released NOVA: transformer only, text encoder and autoencoder left out."""
    from nova_eval.nova.config import RELEASED
    from nova_eval.nova.flops import sampling_flops
    from nova_eval.nova.plan import Plan, part

    settings = spec.settings
    name = Path(str(settings.get("checkpoint", ""))).name
    if spec.name != "nova" or name not in RELEASED:
        return None
    config = RELEASED[name]
    plan = part(Plan, settings).sized(config.image_size)
    return float(sampling_flops(config, plan)["total"])


def media_bytes(settings: Mapping[str, Any], codec: str, modality: str) -> int | None:
    """The size of one finished sample; ``None`` where the sampler's settings do not say its sides."""
    height, width = settings.get("height"), settings.get("width")
    if not (height and width):
        return None
    latent = 4 * (int(settings.get("latent_frames", 1)) - 1) + 1
    frames = int(settings.get("frames") or settings.get("num_frames") or latent)
    kind = codec if modality == "video" else "png"
    return round(int(height) * int(width) * frames * BITS_A_PIXEL.get(kind, 24.0) / 8)


def to_fetch(spec: SamplerSpec, judges: Iterable[str]) -> list[File]:
    """What is not on this machine: parts of the generator's checkpoint, then files of judges, each once."""
    checkpoint = str(spec.settings.get("checkpoint", "")) if spec.name == "nova" else ""
    files = list(checkpoint_files(checkpoint))
    rows = {row.name: row for judge in judges for row in missing(judge)}
    return [*files, *(File(row.name, row.bytes, row.licence) for row in rows.values())]


def checkpoint_files(name: str) -> tuple[File, ...]:
    """The parts of the released generator ``name`` unless it is here; nothing for any other name."""
    if name not in CHECKPOINTS or Path(name).is_dir() or _in_hub_cache(name):
        return ()
    return tuple(File(f"{name} {part.name}", part.bytes, part.licence) for part in CHECKPOINTS[name])


def _in_hub_cache(name: str) -> bool:
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface").expanduser()
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    return any((hub / f"models--{name.replace('/', '--')}" / "snapshots").glob("*/model_index.json"))
