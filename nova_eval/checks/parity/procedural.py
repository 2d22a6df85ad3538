"""Weights and footage that anyone can rebuild: NumPy's frozen ``RandomState`` streams, by name, shape and seed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from nova_eval.errors import UsageError, unknown
from nova_eval.protocols import Frames

if TYPE_CHECKING:
    from torch import Tensor

_GOLDEN = 0x9E3779B1  # spreads seeds over 32 bits
_WORD = 0xFFFFFFFF


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a weight file: ``name``, ``shape``, ``dtype`` and ``fill`` of each. UsageError when unreadable."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            entries: list[dict[str, Any]] = json.load(stream)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", remedy="restore the recording") from error
    return entries


def tensors(entries: Sequence[Mapping[str, Any]], seed: int) -> Iterator[tuple[str, Tensor]]:
    """Name and value of every entry, one at a time: drawn in float32, then in its own shape and type."""
    import torch

    for row in entries:
        values = np.ascontiguousarray(fill(row["name"], row["shape"], row["fill"], seed))
        dtype = getattr(torch, row.get("dtype", "float32"))
        yield row["name"], torch.from_numpy(values).reshape(row["shape"]).to(dtype)


def fill(name: str, shape: Sequence[int], kind: str, seed: int) -> NDArray[Any]:
    """The values of one entry: constants, or normal draws with the mean and deviation that ``kind`` stands for."""
    shape = tuple(shape)
    count = int(np.prod(shape))
    constants: dict[str, Callable[[], NDArray[Any]]] = {
        "zeros": lambda: np.zeros(shape, np.float32),
        "ones": lambda: np.ones(shape, np.float32),
        "arange": lambda: np.arange(count, dtype=np.int64).reshape(shape),
    }
    if kind in constants:
        return constants[kind]()
    random = np.random.RandomState((crc32(name.encode()) ^ seed * _GOLDEN) & _WORD)
    draws = random.standard_normal(shape).astype(np.float32)
    if kind == "normal":
        fan_in = count // shape[0] if len(shape) > 1 else shape[0] if shape else 1
        return draws / np.float32(np.sqrt(max(fan_in, 1)))
    deviations = {"scale": 0.1, "var": 0.1, "bias": 0.05, "embed": 0.02}
    if kind not in deviations:
        raise unknown("fill", kind, [*constants, "normal", *deviations])
    deviation = np.float32(deviations[kind])
    if kind == "scale":
        return 1 + deviation * draws
    return 1 + deviation * np.abs(draws) if kind == "var" else deviation * draws


# --- footage --------------------------------------------------------------------------------------------------------


def moving_shapes(seed: int = 0, frames: int = 8, height: int = 240, width: int = 320) -> Frames:
    """A waving, grainy ground in three colours, and four discs or boxes that drift over it."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    across, down, phases = random.uniform(2, 6), random.uniform(2, 6), random.uniform(0, 6.28, 3)
    waves = [np.sin(across * x / width * 6.28 + p) * np.cos(down * y / height * 6.28 + p) for p in phases]
    ground = np.stack([127 + 50 * wave for wave in waves], -1)
    shapes = [_shape(random, height, width) for _ in range(4)]
    clip = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        frame = ground + random.normal(0, 3, ground.shape)
        for round_, colour, x0, y0, radius, dx, dy in shapes:
            right, below = x - (x0 + t * dx), y - (y0 + t * dy)
            if round_:
                covered = right**2 + below**2 <= radius**2
            else:
                covered = (np.abs(right) <= radius) & (np.abs(below) <= radius)
            frame[covered] = colour + random.normal(0, 3, 3)
        clip[t] = np.clip(np.round(frame), 0, 255)
    return clip


def _shape(random: Any, height: int, width: int) -> tuple[Any, ...]:
    """Kind, colour, centre, radius and speed, drawn in this order."""
    round_, colour = random.randint(2), random.randint(0, 256, 3)
    x, y = random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height
    radius = random.uniform(0.08, 0.2) * min(height, width)
    return round_, colour, x, y, radius, random.uniform(-0.02, 0.02) * width, random.uniform(-0.02, 0.02) * height


def hold(seed: int, frames: int, height: int, width: int) -> Frames:
    """One image, again and again."""
    return np.repeat(moving_shapes(seed, 1, height, width), frames, axis=0)


def cut(seeds: Sequence[int], frames: Sequence[int], height: int, width: int) -> Frames:
    """Shots of ``frames[i]`` frames each, joined by hard cuts."""
    shots = zip(seeds, frames, strict=True)
    return np.concatenate([moving_shapes(seed, count, height, width) for seed, count in shots])


def pan(seed: int, frames: int, height: int, width: int, *, dx: int, dy: int) -> Frames:
    """A window that moves (dx, dy) pixels a frame over one image, large enough for all of them."""
    steps = frames - 1
    scene = moving_shapes(seed, 1, height + abs(dy) * steps, width + abs(dx) * steps)[0]
    left, top = max(0, -dx * steps), max(0, -dy * steps)
    corners = [(top + t * dy, left + t * dx) for t in range(frames)]
    return np.stack([scene[row : row + height, column : column + width] for row, column in corners])


def solid(rgb: Sequence[int], frames: int, height: int, width: int) -> Frames:
    """One colour."""
    return np.broadcast_to(np.array(rgb, np.uint8), (frames, height, width, 3)).copy()


MAKERS: Mapping[str, Callable[..., Frames]] = {
    "procedural.video": moving_shapes,
    "hold": hold,
    "cut": cut,
    "pan": pan,
    "solid": solid,
}


def footage(recorded: Mapping[str, Any]) -> Frames:
    """The uint8 (T, H, W, 3) frames that ``{"maker": name, **arguments}`` describes; ``fps`` and ``id`` are facts."""
    maker = recorded["maker"]
    if maker not in MAKERS:
        raise unknown("footage maker", maker, MAKERS)
    return MAKERS[maker](**{key: value for key, value in recorded.items() if key not in {"maker", "fps", "id"}})
