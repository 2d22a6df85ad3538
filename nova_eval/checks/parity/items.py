"""What recordings were made on, built again: footage from NumPy's frozen ``RandomState`` streams, and items of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nova_eval.errors import unknown
from nova_eval.media import Clip
from nova_eval.protocols import Floats, Frames, Item
from nova_eval.records import Prompt, Sample, SampleKey

_FACTS = frozenset({"maker", "fps", "id"})  # of recorded footage: what no maker takes


def frames(recorded: Mapping[str, Any]) -> Frames:
    """The uint8 (T, H, W, 3) frames that a recording describes, in one of two forms.

    ``{"maker": name, **arguments}``; or ``seed``, ``height``, ``width``, and maybe ``frames`` (default: one), the
    ``indices`` that the official code sampled, and the ``mode`` of the picture file. Of several seeds, frame t comes
    from clip t modulo their number.
    """
    if "maker" in recorded:
        if recorded["maker"] not in MAKERS:
            raise unknown("footage maker", recorded["maker"], MAKERS)
        arguments = {key: value for key, value in recorded.items() if key not in _FACTS}
        return MAKERS[recorded["maker"]](**arguments)
    seeds = recorded["seed"] if isinstance(recorded["seed"], list) else [recorded["seed"]]
    count = recorded.get("frames", 1)
    clips = [moving_shapes(seed, count, recorded["height"], recorded["width"]) for seed in seeds]
    whole = np.stack([clips[t % len(clips)][t] for t in range(count)])
    chosen: Frames = whole[recorded.get("indices", slice(None))]
    mode = recorded.get("mode", "RGB")
    return chosen if mode == "RGB" else np.stack([_stored_as(mode, frame) for frame in chosen])


def _stored_as(mode: str, frame: Frames) -> Frames:
    """What is read of a picture file of that Pillow mode: of grey, of a palette's colors."""
    from PIL import Image

    return np.asarray(Image.fromarray(frame).convert(mode).convert("RGB"))


def item(prompt: Prompt, shown: Frames, index: int = 0, fps: float = 0.0) -> Item:
    """The clip ``shown`` as sample ``index`` of ``prompt``."""
    count, height, width, _ = shown.shape
    sample = Sample(SampleKey(prompt.id, index), 0, "", "", 0, width, height, count, fps, 0.0)
    return Item(prompt, sample, Clip(shown, fps))


def numbered(prompt: Prompt, index: int = 0, number: int = 0, length: int = 1, fps: float = 0.0) -> Item:
    """A clip whose frames say, in their first pixel and their last, for which recorded answer and frame they stand."""
    shown = np.zeros((length, 1, 1 if fps == 0 else 2, 3), np.uint8)
    for t in range(length):
        shown[t, 0, -1] = t >> 16, t >> 8 & 255, t & 255
        shown[t, 0, 0] = number >> 16, number >> 8 & 255, number & 255
    return item(prompt, shown, index, fps)


def number_of(pixel: np.ndarray) -> int:
    """The number that ``numbered`` wrote into a pixel."""
    red, green, blue = (int(value) for value in pixel)
    return red << 16 | green << 8 | blue


def depth_ramp(recipe: Mapping[str, int]) -> Floats:
    """The float32 (H, W) depth map of sawtooth stripes that a recording describes."""
    y, x = np.mgrid[0 : recipe["height"], 0 : recipe["width"]]
    depth: Floats = np.mod(x * recipe["ax"] + y * recipe["ay"], recipe["mod"]).astype(np.float32) / np.float32(255)
    return depth


def within(ids: Sequence[int], longest: int) -> list[int]:
    """A recorded question without padding, cut as the official tokenizer cuts it: its end stays."""
    kept = [number for number in ids if number]
    return kept if len(kept) <= longest else [*kept[: longest - 1], kept[-1]]


# --- footage --------------------------------------------------------------------------------------------------------


def moving_shapes(seed: int = 0, frames: int = 8, height: int = 240, width: int = 320) -> Frames:
    """A waving, grainy ground in three colors, and four discs or boxes that drift over it."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    across, down, phases = random.uniform(2, 6), random.uniform(2, 6), random.uniform(0, 6.28, 3)
    waves = [np.sin(across * x / width * 6.28 + p) * np.cos(down * y / height * 6.28 + p) for p in phases]
    ground = np.stack([127 + 50 * wave for wave in waves], -1)
    shapes = [_shape(random, height, width) for _ in range(4)]
    clip = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        frame = ground + random.normal(0, 3, ground.shape)
        for round_, color, x0, y0, radius, dx, dy in shapes:
            right, below = x - (x0 + t * dx), y - (y0 + t * dy)
            if round_:
                covered = right**2 + below**2 <= radius**2
            else:
                covered = (np.abs(right) <= radius) & (np.abs(below) <= radius)
            frame[covered] = color + random.normal(0, 3, 3)
        clip[t] = np.clip(np.round(frame), 0, 255)
    return clip


def _shape(random: Any, height: int, width: int) -> tuple[Any, ...]:
    """Kind, color, centre, radius and speed, drawn in this order."""
    round_, color = random.randint(2), random.randint(0, 256, 3)
    x, y = random.uniform(0.2, 0.8) * width, random.uniform(0.2, 0.8) * height
    radius = random.uniform(0.08, 0.2) * min(height, width)
    return round_, color, x, y, radius, random.uniform(-0.02, 0.02) * width, random.uniform(-0.02, 0.02) * height


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
    """One color."""
    return np.broadcast_to(np.array(rgb, np.uint8), (frames, height, width, 3)).copy()


MAKERS: Mapping[str, Callable[..., Frames]] = {
    "procedural.video": moving_shapes,
    "hold": hold,
    "cut": cut,
    "pan": pan,
    "solid": solid,
}
